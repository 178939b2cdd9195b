use auth_core::{
    Error, ErrorKind, HttpHosts, Secret, SharedTransport, TokenRequestOutcome, Transport as _,
};
use bytes::Bytes;
use http::{HeaderName, Response, Uri, uri::PathAndQuery};

use crate::{BodyFormat, request, response::Seen, token_url};

/// A URL to which token requests are sent, with the transport that sends them. For vendor-specific
/// logins that no grant of this crate fits.
///
/// [`post`](Self::post) sends one small POST over `https`, without retries. The URL must not
/// contain credentials. A reply larger than 64 KiB is an error. The caller chooses the parameters
/// and reads the reply, for example with [`parse_reply`](crate::parse_reply).
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
/// The body is wiped when its last clone is dropped. The headers are marked sensitive.
#[derive(Clone, Debug)]
pub struct TokenEndpoint {
    vendor: String,
    url: Uri,
    transport: SharedTransport,
    max_reply: usize,
}

impl TokenEndpoint {
    /// Makes a token endpoint from a URL. `field` is the name of the URL's setting, for errors.
    ///
    /// # Errors
    ///
    /// [`Config`](ErrorKind::Config) on that field: not an absolute URL; not `https`; user
    /// information (`user@host`); a fragment; or a query with a credential. For plain `http` use
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

    /// Same as [`new`](Self::new), but permits plain `http` to the exact origins in `http`. For a
    /// builder that has the setting `danger_allow_http`.
    ///
    /// # Errors
    ///
    /// Same as [`new`](Self::new), except for `http` to these origins.
    ///
    /// # Security
    ///
    /// Anyone on the network path to one of these hosts can read credentials and tokens.
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

    /// Makes a token endpoint from a URL that was checked before.
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

    /// Adds step and host to an error.
    pub(crate) fn located(&self, error: Error) -> Error {
        let host = self.url.host().unwrap_or_default().to_owned();
        error.with_step(STEP).with_host(host)
    }

    pub(crate) fn vendor(&self) -> &str {
        &self.vendor
    }

    /// Returns the URL in a normal form, for the account of
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

    /// Sends one POST with these parameters and headers, and returns the reply. `Content-Type`,
    /// `Accept` and `Accept-Encoding: identity` are added. The same parameter name may occur
    /// several times.
    ///
    /// # Errors
    ///
    /// The errors of the transport. [`Protocol`](ErrorKind::Protocol) if the reply is too large.
    /// [`Config`](ErrorKind::Config) on field `header` for a value that a header cannot carry. A
    /// reply with a failure status is not an error here.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future cancels the HTTP request. Whether the vendor has received it is unknown.
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
            // A success whose body begins like JSON may have replaced the refresh token.
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

/// The step in errors.
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
    async fn t09_a_reply_larger_than_64_kib_is_an_error() {
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
    fn t26_equal_urls_have_one_normal_form() {
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
    fn s51_an_error_names_the_field_of_a_wrong_url() {
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
