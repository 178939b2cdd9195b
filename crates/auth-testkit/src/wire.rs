//! Requests as text, to be reviewed and compared with a file.

use std::borrow::Cow;

use base64::{Engine, engine::general_purpose::STANDARD};
use http::{HeaderMap, Method, Uri};

use crate::{TestServer, place::Place, record::RecordedRequest};

impl RecordedRequest {
    /// Writes the request as text: method and full URL, the headers sorted by name, and after an
    /// empty line the body, if there is one.
    ///
    /// The server's origin is written as a name (`https://auth.NAME.test`) also if it is a port, so
    /// that the text is the same in each run. `content-length`, and a `host` that equals the URL's,
    /// are omitted, because the transport sets them.
    ///
    /// # Security
    ///
    /// The text contains the secrets: see [`wire_hidden`](Self::wire_hidden).
    ///
    /// # Example
    ///
    /// ```
    /// use auth_testkit::TestServer;
    /// use bytes::Bytes;
    /// use http_body_util::Full;
    /// use tower_service::Service;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let server = TestServer::builder().name("example").in_memory();
    /// let request = http::Request::post(format!("{}/things?page=2", server.api_url()))
    ///     .header("x-second", "2")
    ///     .header("x-first", "1")
    ///     .body(Full::new(Bytes::from("hello")))?;
    /// server.service().call(request).await?;
    /// assert_eq!(
    ///     server.recorded()[0].wire(),
    ///     "POST https://example.test/api/things?page=2\nx-first: 1\nx-second: 2\n\nhello\n",
    /// );
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn wire(&self) -> String {
        self.place().name(&write(
            self.method(),
            self.expose_uri(),
            self.expose_headers(),
            self.expose_body(),
            self.place(),
        ))
    }

    /// Writes the request as [`wire`](Self::wire), with `***` in place of each of these secrets:
    /// unchanged, form-encoded, within JSON, and within the credentials of `Basic`.
    #[must_use]
    pub fn wire_hidden(&self, secrets: &[impl AsRef<str>]) -> String {
        let mut headers = self.expose_headers().clone();
        for value in headers.values_mut() {
            if holds_basic(value.as_bytes(), secrets) {
                *value = http::HeaderValue::from_static("Basic ***");
            }
        }
        let text = write(
            self.method(),
            self.expose_uri(),
            &headers,
            self.expose_body(),
            self.place(),
        );
        self.place().name(&hide(text, secrets))
    }
}

impl TestServer {
    /// Writes all [recorded](Self::recorded) requests in the order of arrival, as
    /// [`RecordedRequest::wire`], with a line `---` between them.
    #[must_use]
    pub fn wire(&self) -> String {
        let wires: Vec<_> = self.recorded().iter().map(RecordedRequest::wire).collect();
        wires.join(SEPARATOR)
    }

    /// Writes all recorded requests with `***` in place of the server's
    /// [secrets](Self::expose_secrets), tokens included, and of these; see
    /// [`RecordedRequest::wire_hidden`].
    #[must_use]
    pub fn wire_hidden(&self, secrets: &[impl AsRef<str>]) -> String {
        let mut all = self.expose_secrets();
        all.extend(secrets.iter().map(|secret| secret.as_ref().to_owned()));
        let hidden = |request: &RecordedRequest| request.wire_hidden(&all);
        let wires: Vec<_> = self.recorded().iter().map(hidden).collect();
        wires.join(SEPARATOR)
    }
}

impl Place {
    /// Writes the origin as a name everywhere, form-encoded too.
    fn name(&self, text: &str) -> String {
        text.replace(&self.origin, &self.shown)
            .replace(&form(&self.origin), &form(&self.shown))
    }
}

fn write(method: &Method, uri: &Uri, headers: &HeaderMap, body: &[u8], place: &Place) -> String {
    let target = uri.path_and_query().map_or("/", |target| target.as_str());
    let mut text = format!("{method} {}{target}\n", place.origin);
    let authority = place.origin.split_once("://").map_or("", |(_, host)| host);
    let mut lines: Vec<_> = headers
        .iter()
        .filter(|(name, value)| {
            *name != "content-length" && (*name != "host" || *value != authority)
        })
        .collect();
    // Stable, so that lines of one name keep their order.
    lines.sort_by_key(|(name, _)| name.as_str());
    for (name, value) in lines {
        let value = String::from_utf8_lossy(value.as_bytes());
        text.push_str(&format!("{name}: {value}\n"));
    }
    if !body.is_empty() {
        text.push_str(&format!("\n{}\n", String::from_utf8_lossy(body)));
    }
    text
}

/// Puts `***` in place of each secret, longer forms first, so that no part of one remains.
fn hide(text: String, secrets: &[impl AsRef<str>]) -> String {
    let mut forms: Vec<String> = secrets
        .iter()
        .map(AsRef::as_ref)
        .filter(|secret| !secret.is_empty())
        .flat_map(|secret| {
            let json = serde_json::Value::from(secret).to_string();
            let json = json.trim_start_matches('"');
            let form = form(secret);
            [
                secret.to_owned(),
                json.strip_suffix('"').unwrap_or(json).to_owned(),
                form.replace('+', "%20"),
                form,
            ]
        })
        .collect();
    forms.sort_by_key(|form| std::cmp::Reverse(form.len()));
    forms
        .iter()
        .fold(text, |text, form| text.replace(form, "***"))
}

/// Returns whether a header value is `Basic` with one of the secrets in it.
fn holds_basic(value: &[u8], secrets: &[impl AsRef<str>]) -> bool {
    let Some((scheme, credentials)) = std::str::from_utf8(value)
        .ok()
        .and_then(|value| value.split_once(' '))
    else {
        return false;
    };
    let decoded = match STANDARD.decode(credentials.trim()) {
        Ok(decoded) if scheme.eq_ignore_ascii_case("basic") => decoded,
        _ => return false,
    };
    let decoded: Cow<'_, str> = String::from_utf8_lossy(&decoded);
    hide(decoded.clone().into_owned(), secrets) != decoded
}

fn form(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

const SEPARATOR: &str = "---\n";

#[cfg(test)]
mod tests;
