use auth_core::{
    Error, ErrorKind, HttpHosts, Secret, SharedTransport, TokenRequestOutcome, Transport as _,
};
use bytes::Bytes;
use http::{HeaderName, Response, Uri, uri::PathAndQuery};

use crate::{BodyFormat, request, response::Seen, token_url};

/// One URL of a vendor that hands out credentials, and the way there: for logins of a vendor's own
/// invention, which no grant of this crate fits.
///
/// [`post`](Self::post) sends one small POST, without retries, over `https`, to a URL without
/// credentials in it, and takes no reply that is larger than 64 KiB. What the parameters mean, and
/// what the reply says, is the caller's: see [`parse_reply`](crate::parse_reply).
///
/// # Example
///
/// ```
/// use auth_core::{AccessToken, Error, Moment, Secret, SharedTransport};
/// use auth_oauth2::{BodyFormat, ReplyRules, Scrubber, TokenEndpoint, parse_reply};
///
/// async fn log_in(transport: SharedTransport, password: Secret) -> Result<AccessToken, Error> {
///     let url = "https://api.example.com/auth/login";
///     let endpoint = TokenEndpoint::new("example", "login_url", url, transport)?;
///     let parameters = [("user", "me"), ("password", password.expose())];
///     let reply = endpoint.post(BodyFormat::Json, &[], &parameters).await?;
///     let rules = ReplyRules::new().token_member("token").allow_missing_token_type();
///     parse_reply("example", reply, &rules, &Scrubber::new().secret(password.clone()), Moment::PAST)
/// }
/// ```
///
/// # Security
///
/// The body is wiped with its last clone, and the headers are marked sensitive.
#[derive(Clone, Debug)]
pub struct TokenEndpoint {
    vendor: String,
    url: Uri,
    transport: SharedTransport,
    max_reply: usize,
}

impl TokenEndpoint {
    /// Checks a URL. `field` is the setting that it came from, for the error.
    ///
    /// # Errors
    ///
    /// [`Config`](ErrorKind::Config) on that field: no absolute URL, not `https`, with user
    /// information, a fragment, or a query that carries a credential. For plain `http` use
    /// [`danger_allow_http`](Self::danger_allow_http).
    pub fn new(
        vendor: impl Into<String>,
        field: &'static str,
        url: &str,
        transport: SharedTransport,
    ) -> Result<Self, Error> {
        let none = HttpHosts::default();
        Self::danger_allow_http(vendor, field, url, transport, &none)
    }

    /// As [`new`](Self::new), and permits plain `http` to the exact origins that `http` names. For
    /// a builder that has the setting `danger_allow_http`.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new), except for `http` to these origins.
    ///
    /// # Security
    ///
    /// Anybody who can listen on the way to one of these hosts can read credentials and tokens.
    pub fn danger_allow_http(
        vendor: impl Into<String>,
        field: &'static str,
        url: &str,
        transport: SharedTransport,
        http: &HttpHosts,
    ) -> Result<Self, Error> {
        let this = Self::checked(Some(vendor.into()), field, url, transport, http)?;
        token_url::check_query(field, &this.url, std::iter::empty())?;
        Ok(this)
    }

    pub(crate) fn checked(
        vendor: Option<String>,
        field: &'static str,
        url: &str,
        transport: SharedTransport,
        http: &HttpHosts,
    ) -> Result<Self, Error> {
        let url = token_url::check(field, url, http)?;
        let host = || url.host().unwrap_or_default().to_owned();
        Ok(Self {
            vendor: vendor.unwrap_or_else(host),
            url,
            transport,
            max_reply: MAX_REPLY,
        })
    }

    /// Takes a URL that has been checked.
    pub(crate) fn of(vendor: String, url: Uri, transport: SharedTransport) -> Self {
        Self {
            vendor,
            url,
            transport,
            max_reply: MAX_REPLY,
        }
    }

    pub(crate) fn max_reply(self, bytes: usize) -> Self {
        Self {
            max_reply: bytes,
            ..self
        }
    }

    pub(crate) fn url(&self) -> &Uri {
        &self.url
    }

    /// Adds to an error at which step and host it happened.
    pub(crate) fn located(&self, error: Error) -> Error {
        let host = self.url.host().unwrap_or_default().to_owned();
        error.with_step(STEP).with_host(host)
    }

    pub(crate) fn vendor(&self) -> &str {
        &self.vendor
    }

    /// Returns the URL in one spelling, for the account of
    /// [`Credentials`](auth_core::Credentials): scheme and host in lower case, without the default
    /// port (RFC 3986 section 6.2).
    #[must_use]
    pub fn normalized_url(&self) -> String {
        let scheme = self.url.scheme_str().unwrap_or_default();
        let host = self.url.host().unwrap_or_default().to_ascii_lowercase();
        let path = self.url.path_and_query().map_or("/", PathAndQuery::as_str);
        match (scheme, self.url.port_u16()) {
            ("https", None | Some(443)) | ("http", None | Some(80)) => {
                format!("{scheme}://{host}{path}")
            }
            (_, port) => format!("{scheme}://{host}:{}{path}", port.unwrap_or_default()),
        }
    }

    /// Sends the parameters, and the headers beside `Content-Type`, `Accept` and
    /// `Accept-Encoding: identity`; the same name may come several times.
    ///
    /// # Errors
    ///
    /// The transport's, [`Protocol`](ErrorKind::Protocol) if the reply is too large, and
    /// [`Config`](ErrorKind::Config) on field `header` for a value that no header can carry. A
    /// reply with a status that means failure is no error here.
    ///
    /// # Cancel safety
    ///
    /// Dropping it drops the request; whether the vendor has seen it is unknown.
    pub async fn post(
        &self,
        format: BodyFormat,
        headers: &[(HeaderName, Secret)],
        parameters: &[(&str, &str)],
    ) -> Result<Response<Bytes>, Error> {
        let request = request::token_request(&self.url, format, headers, parameters)?;
        let reply = self.transport.send(request, self.max_reply).await;
        let reply = reply.map_err(|error| self.located(error))?;
        if reply.body().len() > self.max_reply {
            let message = "token endpoint's reply is too large";
            // A success that starts as JSON does may have replaced the refresh token.
            let may_have_replaced = reply.status().is_success() && Seen::of(&reply).is_json_like();
            let outcome = if may_have_replaced {
                TokenRequestOutcome::Unknown
            } else {
                TokenRequestOutcome::NotUnderstood
            };
            let error = Error::new(ErrorKind::Protocol, message)
                .with_vendor(self.vendor.clone())
                .with_status(reply.status())
                .with_outcome(outcome);
            return Err(self.located(error));
        }
        Ok(reply)
    }
}

/// The step that an error happened at.
const STEP: &str = "token request";

/// In bytes.
pub(crate) const MAX_REPLY: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use auth_core::Transport;
    use http::Request;

    use super::*;

    struct Replies(usize);

    impl Transport for Replies {
        async fn send(
            &self,
            request: Request<Bytes>,
            max: usize,
        ) -> Result<Response<Bytes>, Error> {
            assert_eq!(max, MAX_REPLY);
            assert_eq!(request.body(), r#"{"user":"me"}"#);
            assert_eq!(request.headers()["appid"], "fake-app");
            Ok(Response::new(Bytes::from(vec![b'x'; self.0])))
        }
    }

    fn endpoint(size: usize) -> TokenEndpoint {
        let transport = SharedTransport::new(Replies(size));
        TokenEndpoint::new("example", "login_url", "https://example.com/in", transport).unwrap()
    }

    #[tokio::test]
    async fn t09_a_reply_has_64_kib_at_most() {
        let headers = [(HeaderName::from_static("appid"), Secret::new("fake-app"))];
        let post = async |size| {
            let endpoint = endpoint(size);
            endpoint
                .post(BodyFormat::Json, &headers, &[("user", "me")])
                .await
        };
        assert_eq!(post(MAX_REPLY).await.unwrap().body().len(), MAX_REPLY);
        assert_eq!(
            post(MAX_REPLY + 1).await.unwrap_err().kind(),
            ErrorKind::Protocol
        );
    }

    #[test]
    fn t26_a_url_has_one_spelling() {
        let normalized = |url| {
            let transport = SharedTransport::new(Replies(0));
            let mut http = HttpHosts::default();
            for origin in ["http://127.0.0.1", "http://[::1]:8080"] {
                http.allow(origin).unwrap();
            }
            let endpoint =
                TokenEndpoint::danger_allow_http("example", "url", url, transport, &http);
            endpoint.unwrap().normalized_url()
        };
        for url in [
            "https://login.example.com/in?a=B",
            "https://LOGIN.example.com/in?a=B",
            "HTTPS://login.example.com:443/in?a=B",
        ] {
            assert_eq!(normalized(url), "https://login.example.com/in?a=B");
        }
        for (url, same) in [
            ("https://example.com", "https://example.com/"),
            ("https://example.com:8443/In", "https://example.com:8443/In"),
            ("https://example.com:80/", "https://example.com:80/"),
            ("http://127.0.0.1:80/in", "http://127.0.0.1/in"),
            ("http://[::1]:8080/in", "http://[::1]:8080/in"),
        ] {
            assert_eq!(normalized(url), same);
        }
    }

    #[test]
    fn s51_the_field_of_a_wrong_url_is_named() {
        let transport = || SharedTransport::new(Replies(0));
        for url in [
            "http://example.com/",
            "http://127.0.0.1/",
            "example.com",
            "https://me:fake-password@example.com/",
            "https://example.com/?password=fake-password",
        ] {
            let error = TokenEndpoint::new("example", "base_url", url, transport()).unwrap_err();
            assert_eq!(
                (error.kind(), error.field()),
                (ErrorKind::Config, Some("base_url"))
            );
            assert!(!error.to_string().contains("fake-password"));
        }
        let mut http = HttpHosts::default();
        http.allow("http://127.0.0.1:1").unwrap();
        let local = |url| {
            let transport = transport();
            TokenEndpoint::danger_allow_http("example", "base_url", url, transport, &http).is_ok()
        };
        assert!(local("http://127.0.0.1:1/") && !local("http://127.0.0.1:2/"));
        assert!(!local("http://example.com/"));
        assert!(!local("http://127.0.0.1:1/?password=fake-password"));
    }
}
