use std::sync::{Arc, LazyLock};

use http::{HeaderName, HeaderValue, header};

use crate::{Error, ErrorKind, Secret};

/// How a token is put on a request: the header names and values.
///
/// # Example
///
/// ```
/// use auth_core::Scheme;
/// use http::HeaderName;
///
/// # fn main() -> Result<(), auth_core::Error> {
/// // Authorization: Bearer <token> (RFC 6750 section 2.1)
/// let bearer = Scheme::bearer();
/// // X-Api-Key: <token>
/// let key = Scheme::header(HeaderName::from_static("x-api-key"))?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Scheme(Arc<Parts>);

/// Shared by all keys of one vendor.
#[derive(Clone, Debug)]
struct Parts {
    token: (HeaderName, &'static str),
    fixed: Vec<(HeaderName, Secret)>,
    content_type: Option<&'static str>,
}

impl Scheme {
    /// Makes the scheme `Authorization: Bearer <token>` (RFC 6750 section 2.1).
    #[must_use]
    pub fn bearer() -> Self {
        static BEARER: LazyLock<Scheme> =
            LazyLock::new(|| Scheme::of(header::AUTHORIZATION, "Bearer "));
        BEARER.clone()
    }

    /// Makes the scheme `Authorization: <prefix><token>`, for vendors that expect another word or
    /// another case. The prefix is visible ASCII and ends with a space, for example `"Token "`.
    ///
    /// # Errors
    ///
    /// [`Config`](ErrorKind::Config) on field `scheme` for a prefix with characters that no header
    /// may carry.
    pub fn authorization(prefix: &'static str) -> Result<Self, Error> {
        if HeaderValue::from_str(prefix).is_err() {
            let problem = "the prefix is not a valid header value; use visible ASCII";
            return Err(Error::config("scheme", problem));
        }
        Ok(Self::of(header::AUTHORIZATION, prefix))
    }

    /// Makes the scheme `<name>: <token>`, without a prefix.
    ///
    /// # Errors
    ///
    /// [`Config`](ErrorKind::Config) on field `scheme` for `Content-Type`.
    pub fn header(name: HeaderName) -> Result<Self, Error> {
        check_name(&name)?;
        Ok(Self::of(name, ""))
    }

    /// Adds a constant header that is sent with the token on each request, for example an
    /// application's id. The value is treated as a secret and is sent to the token's origins only.
    ///
    /// # Errors
    ///
    /// [`Config`](ErrorKind::Config) on field `scheme` for a header that is set already, for
    /// `Content-Type`, and for a value that is empty or has characters that no header may carry.
    pub fn and_header(mut self, name: HeaderName, value: impl Into<Secret>) -> Result<Self, Error> {
        let value = value.into();
        if self.names().any(|other| *other == name) {
            let problem = format_args!("header {name} is set twice; remove one of the two");
            return Err(Error::config("scheme", problem));
        }
        if value.is_empty() || HeaderValue::from_str(value.expose()).is_err() {
            let problem = format_args!(
                "the value of header {name} is empty or not a valid header value; use visible ASCII"
            );
            return Err(Error::config("scheme", problem));
        }
        check_name(&name)?;
        Arc::make_mut(&mut self.0).fixed.push((name, value));
        Ok(self)
    }

    /// Sets the `Content-Type` of signed requests that have none, for APIs that require the header
    /// also on requests without a body. Default: not set. Example: `application/json`.
    ///
    /// The content type is not a credential: a request that already has a `Content-Type` is signed.
    ///
    /// # Errors
    ///
    /// [`Config`](ErrorKind::Config) on field `scheme` for a text that is no valid header value.
    pub fn content_type(mut self, media_type: &'static str) -> Result<Self, Error> {
        if HeaderValue::from_str(media_type).is_err() {
            let problem =
                "the content type is not a valid header value; use for example application/json";
            return Err(Error::config("scheme", problem));
        }
        Arc::make_mut(&mut self.0).content_type = Some(media_type);
        Ok(self)
    }

    fn of(name: HeaderName, prefix: &'static str) -> Self {
        Self(Arc::new(Parts {
            token: (name, prefix),
            fixed: Vec::new(),
            content_type: None,
        }))
    }

    /// The names of the headers that carry credentials.
    fn names(&self) -> impl Iterator<Item = &HeaderName> {
        let fixed = self.0.fixed.iter().map(|(name, _)| name);
        std::iter::once(&self.0.token.0).chain(fixed)
    }

    /// Builds the finished header lines of a token. Each is a valid header value.
    ///
    /// A token is visible ASCII (0x21 to 0x7E). `HeaderValue` alone would accept a tab and bytes
    /// from 0x80.
    pub(crate) fn lines(
        &self,
        vendor: &str,
        token: &Secret,
    ) -> Result<Vec<(HeaderName, Secret)>, Error> {
        let text = token.expose();
        if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            let message = "the access token is empty or contains characters that no header may carry; report this to the vendor";
            return Err(Error::new(ErrorKind::Protocol, message).named(vendor));
        }
        let (name, prefix) = &self.0.token;
        let mut line = String::with_capacity(prefix.len() + text.len());
        line.push_str(prefix);
        line.push_str(text);
        let mut lines = vec![(name.clone(), Secret::new(line))];
        lines.extend(self.0.fixed.iter().cloned());
        let content_type = self.0.content_type.map(Secret::new);
        lines.extend(content_type.map(|value| (header::CONTENT_TYPE, value)));
        Ok(lines)
    }

    /// Returns the text before the token.
    pub(crate) fn prefix(&self) -> &'static str {
        self.0.token.1
    }

    /// Removes the headers that this scheme sets from a request.
    pub(crate) fn remove(&self, headers: &mut http::HeaderMap) {
        for name in self.names() {
            headers.remove(name);
        }
    }

    /// Returns whether a request carries the header that holds the token.
    pub(crate) fn has_token(&self, headers: &http::HeaderMap) -> bool {
        headers.contains_key(&self.0.token.0)
    }

    /// Returns whether another scheme puts its token into the same header.
    pub(crate) fn shares_header(&self, other: &Self) -> bool {
        self.0.token.0 == other.0.token.0
    }

    /// Returns whether a request already carries a credential header of this scheme.
    pub(crate) fn is_set(&self, headers: &http::HeaderMap) -> bool {
        self.names().any(|name| headers.contains_key(name))
    }
}

fn check_name(name: &HeaderName) -> Result<(), Error> {
    if *name == header::CONTENT_TYPE {
        let problem = "header content-type cannot carry a credential; choose another header";
        return Err(Error::config("scheme", problem));
    }
    Ok(())
}

impl Default for Scheme {
    fn default() -> Self {
        Self::bearer()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const APP: HeaderName = HeaderName::from_static("x-app-id");

    #[test]
    fn g18_a_scheme_that_cannot_sign_is_a_config_error() {
        let app = || Scheme::bearer().and_header(APP, "fake-app").unwrap();
        for (refused, problem) in [
            (
                Scheme::authorization("Bearer\n"),
                "the prefix is not a valid header value",
            ),
            (
                Scheme::header(header::CONTENT_TYPE),
                "cannot carry a credential",
            ),
            (
                app().and_header(APP, "fake-secret-1"),
                "header x-app-id is set twice",
            ),
            (
                app().and_header(header::AUTHORIZATION, "fake-secret-1"),
                "header authorization is set twice",
            ),
            (
                Scheme::bearer().and_header(header::CONTENT_TYPE, "fake-secret-1"),
                "cannot carry a credential",
            ),
            (
                Scheme::bearer().and_header(APP, ""),
                "the value of header x-app-id is empty",
            ),
            (
                Scheme::bearer().and_header(APP, "fake-secret-1\n"),
                "not a valid header value",
            ),
            (
                app().content_type("a\nb"),
                "the content type is not a valid header value",
            ),
        ] {
            let error = refused.unwrap_err();
            assert_eq!(
                (error.kind(), error.field()),
                (ErrorKind::Config, Some("scheme"))
            );
            let text = error.to_string();
            assert!(
                text.contains(problem) && !text.contains("fake-secret"),
                "{text}"
            );
        }
    }

    #[test]
    fn g18_a_token_that_no_header_may_carry_is_a_protocol_error() {
        for token in [
            "",
            "fake token",
            "fake-token\n",
            "fake\ttoken",
            "fake-t\u{f6}ken",
        ] {
            let lines = Scheme::bearer().lines("example", &Secret::new(token));
            let error = lines.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Protocol, "{token:?}");
            let text = error.to_string();
            assert!(
                text.contains("the access token is empty or contains"),
                "{text}"
            );
            assert!(!text.contains("fake"), "{text}");
        }
    }
}
