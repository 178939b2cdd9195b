use http::{HeaderName, HeaderValue, header};

use crate::{Error, ErrorKind, Secret};

/// How a token is put on a request: which headers, and what stands in them.
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
pub struct Scheme {
    token: (HeaderName, &'static str),
    fixed: Vec<(HeaderName, Secret)>,
    content_type: Option<&'static str>,
}

impl Scheme {
    /// `Authorization: Bearer <token>` (RFC 6750 section 2.1).
    #[must_use]
    pub fn bearer() -> Self {
        Self::of(header::AUTHORIZATION, "Bearer ")
    }

    /// `Authorization: <prefix><token>`, the prefix with its space, for vendors that want another
    /// word or another case. It must be visible ASCII.
    ///
    /// # Errors
    ///
    /// [`Config`](ErrorKind::Config) on field `scheme` for a prefix with characters that no header
    /// may carry.
    pub fn authorization(prefix: &'static str) -> Result<Self, Error> {
        if HeaderValue::from_str(prefix).is_err() {
            let problem = "the prefix is no valid header value";
            return Err(Error::config("scheme", problem));
        }
        Ok(Self::of(header::AUTHORIZATION, prefix))
    }

    /// The bare token in a header of its own.
    ///
    /// # Errors
    ///
    /// [`Config`](ErrorKind::Config) on field `scheme` for `Content-Type`.
    pub fn header(name: HeaderName) -> Result<Self, Error> {
        check_name(&name)?;
        Ok(Self::of(name, ""))
    }

    /// Adds a header that goes with the token on each request and never changes, for example an
    /// application's id. It is treated as a secret, and stays within the token's origins.
    ///
    /// # Errors
    ///
    /// [`Config`](ErrorKind::Config) on field `scheme` for a header that is set already, for
    /// `Content-Type`, and for a value that is empty or has characters that no header may carry.
    pub fn and_header(mut self, name: HeaderName, value: impl Into<Secret>) -> Result<Self, Error> {
        let value = value.into();
        if self.names().any(|other| *other == name) {
            let problem = format_args!("header {name} is set twice");
            return Err(Error::config("scheme", problem));
        }
        if value.is_empty() || HeaderValue::from_str(value.expose()).is_err() {
            let problem =
                format_args!("the value of header {name} is empty or no valid header value");
            return Err(Error::config("scheme", problem));
        }
        check_name(&name)?;
        self.fixed.push((name, value));
        Ok(self)
    }

    /// Sets the `Content-Type` that signed requests get unless they have one, for APIs that want it
    /// on each request, also without a body: for example `application/json`. Default: none.
    ///
    /// It is no credential, so a request that carries a `Content-Type` is still to be signed.
    ///
    /// # Errors
    ///
    /// [`Config`](ErrorKind::Config) on field `scheme` for a text that is no valid header value.
    pub fn content_type(mut self, media_type: &'static str) -> Result<Self, Error> {
        if HeaderValue::from_str(media_type).is_err() {
            let problem = "the content type is no valid header value";
            return Err(Error::config("scheme", problem));
        }
        self.content_type = Some(media_type);
        Ok(self)
    }

    fn of(name: HeaderName, prefix: &'static str) -> Self {
        Self {
            token: (name, prefix),
            fixed: Vec::new(),
            content_type: None,
        }
    }

    /// The headers that carry credentials.
    fn names(&self) -> impl Iterator<Item = &HeaderName> {
        let fixed = self.fixed.iter().map(|(name, _)| name);
        std::iter::once(&self.token.0).chain(fixed)
    }

    /// Builds the finished header lines for a token; each is a valid header value.
    ///
    /// Only visible ASCII (0x21 to 0x7E) is a token: `HeaderValue` would let a tab and bytes from
    /// 0x80 pass.
    pub(crate) fn lines(
        &self,
        vendor: &str,
        token: &Secret,
    ) -> Result<Vec<(HeaderName, Secret)>, Error> {
        let text = token.expose();
        if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            let message = "the access token is empty or has characters that no header may carry";
            return Err(Error::new(ErrorKind::Protocol, message).named(vendor));
        }
        let (name, prefix) = &self.token;
        let mut line = String::with_capacity(prefix.len() + text.len());
        line.push_str(prefix);
        line.push_str(text);
        let mut lines = vec![(name.clone(), Secret::new(line))];
        lines.extend(self.fixed.iter().cloned());
        let content_type = self.content_type.map(Secret::new);
        lines.extend(content_type.map(|value| (header::CONTENT_TYPE, value)));
        Ok(lines)
    }

    /// What stands before the token.
    pub(crate) fn prefix(&self) -> &'static str {
        self.token.1
    }

    /// Takes the headers that this scheme sets off a request.
    pub(crate) fn remove(&self, headers: &mut http::HeaderMap) {
        for name in self.names() {
            headers.remove(name);
        }
    }

    /// Tells whether a request carries the header that holds the token.
    pub(crate) fn has_token(&self, headers: &http::HeaderMap) -> bool {
        headers.contains_key(&self.token.0)
    }

    /// Tells whether another scheme puts its token into the same header.
    pub(crate) fn shares_header(&self, other: &Self) -> bool {
        self.token.0 == other.token.0
    }

    /// Tells whether a request already carries one of the headers that this scheme sets.
    pub(crate) fn is_set(&self, headers: &http::HeaderMap) -> bool {
        self.names().any(|name| headers.contains_key(name))
    }
}

fn check_name(name: &HeaderName) -> Result<(), Error> {
    if *name == header::CONTENT_TYPE {
        let problem = "header content-type cannot carry a credential";
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
    fn g18_a_scheme_that_cannot_sign_is_refused_where_it_is_made() {
        let app = || Scheme::bearer().and_header(APP, "fake-app").unwrap();
        for (refused, problem) in [
            (
                Scheme::authorization("Bearer\n"),
                "the prefix is no valid header value",
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
                "no valid header value",
            ),
            (
                app().content_type("a\nb"),
                "the content type is no valid header value",
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
}
