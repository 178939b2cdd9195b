use std::fmt;

use auth_core::{
    AccessToken, Credentials, Error, HttpHosts, Secret, SharedClock, SharedTransport, TokenRequest,
    TokenSource, Transport,
};
use http::{HeaderName, header};

use crate::{
    Assertion, AssertionContext, BodyFormat, ReplyRules, Scrubber, TokenEndpoint, check_identifier,
    client::secret_at, clock_advice::ClockDifference, parse_reply, request,
};

/// A login that is no OAuth: one POST with an assertion in `Authorization: Bearer`, and a token in
/// the JSON reply.
///
/// For an API that issues its tokens itself, for example GitHub's to the installations of an
/// app. For a token endpoint of OAuth use [`Client::jwt_bearer`](crate::Client::jwt_bearer) or
/// [`ClientBuilder::client_assertion`](crate::ClientBuilder::client_assertion); for a login with
/// other parameters write a [`TokenSource`] over a [`TokenEndpoint`]. The body is an empty JSON
/// object.
///
/// # Example
///
/// ```
/// # use auth_core::{Error, Transport};
/// use std::time::Duration;
///
/// use auth_core::SecretFile;
/// use auth_oauth2::{AssertionLogin, ReplyRules};
///
/// # fn source(transport: impl Transport) -> Result<AssertionLogin, Error> {
/// let rules = ReplyRules::new()
///     .token_member("token")
///     .default_lifetime(Duration::from_secs(3600));
/// let assertion = SecretFile::new("/var/run/secrets/tokens/example");
/// let url = "https://api.example.com/sessions";
/// let source = AssertionLogin::builder(url, "my-client", assertion, transport)
///     .reply_rules(rules)
///     .build()?;
/// # Ok(source)
/// # }
/// ```
///
/// # Cancel safety
///
/// Dropping a token request drops the HTTP request. Nothing is kept of it, and nothing goes on.
///
/// # Security
///
/// The assertion is kept as long as the token request needs it. Texts of the server are scrubbed of
/// it. As with a [`TokenEndpoint`], the reply has 64 KiB at most.
pub struct AssertionLogin {
    endpoint: TokenEndpoint,
    id: String,
    assertion: Assertion,
    headers: Vec<(HeaderName, Secret)>,
    rules: ReplyRules,
    clock: SharedClock,
}

/// Settings of an [`AssertionLogin`]; made by [`AssertionLogin::builder`].
#[must_use]
pub struct AssertionLoginBuilder {
    url: String,
    id: String,
    assertion: Assertion,
    transport: SharedTransport,
    http: HttpHosts,
    headers: Vec<(HeaderName, Secret)>,
    rules: ReplyRules,
    clock: SharedClock,
}

impl AssertionLogin {
    /// Starts with what every login needs: the URL, which must be `https`, the client identifier
    /// (`iss` and `sub` of an assertion that is signed here, unless the signer says otherwise), the
    /// assertion, and the transport that sends it.
    pub fn builder(
        url: impl Into<String>,
        client_id: impl Into<String>,
        assertion: impl Into<Assertion>,
        transport: impl Transport,
    ) -> AssertionLoginBuilder {
        AssertionLoginBuilder {
            url: url.into(),
            id: client_id.into(),
            assertion: assertion.into(),
            transport: SharedTransport::new(transport),
            http: HttpHosts::default(),
            headers: Vec::new(),
            rules: ReplyRules::new(),
            clock: SharedClock::default(),
        }
    }

    fn context<'a>(&'a self, url: &'a str) -> AssertionContext<'a> {
        AssertionContext::new(&self.id, url, self.clock.now())
    }

    fn named(&self, error: Error) -> Error {
        let vendor = self.endpoint.vendor().to_owned();
        self.endpoint.located(error.with_vendor(vendor))
    }
}

impl AssertionLoginBuilder {
    /// Adds a header, for example `User-Agent`, which GitHub requires. Default: none beside
    /// `Authorization`, `Content-Type`, `Accept` and `Accept-Encoding`.
    pub fn header(mut self, name: HeaderName, value: impl Into<Secret>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// Sets how replies are read. Default: the standard's rules. `token_type` may be missing
    /// in any case.
    pub fn reply_rules(mut self, rules: ReplyRules) -> Self {
        self.rules = rules;
        self
    }

    /// Permits plain `http` to one exact origin, for example `http://localhost:8080`. May be called
    /// several times. Default: none.
    ///
    /// # Errors
    ///
    /// [`Config`](auth_core::ErrorKind::Config) on field `danger_allow_http` for a text that is not
    /// an absolute `http` URL.
    ///
    /// # Security
    ///
    /// Anybody who can listen on the way to this host can read assertions and tokens.
    pub fn danger_allow_http(mut self, origin: &str) -> Result<Self, Error> {
        self.http.allow(origin)?;
        Ok(self)
    }

    /// Sets the clock, for the times in assertions. Default:
    /// [`SystemClock`](auth_core::SystemClock).
    pub fn clock(mut self, clock: impl Into<SharedClock>) -> Self {
        self.clock = clock.into();
        self
    }

    /// Checks the settings and makes the source.
    ///
    /// # Errors
    ///
    /// [`Config`](auth_core::ErrorKind::Config), and [`Error::field`] names the setting:
    ///
    /// - `url`: as `url` of [`TokenEndpoint::new`].
    /// - `client_id`: empty, or with white space at an end.
    /// - `header`: a value that no header can carry, or a header that the login sets itself.
    /// - `assertion`: empty, not a JWT or expired, as far as it is known before it is read.
    /// - A setting that the signer names.
    pub fn build(self) -> Result<AssertionLogin, Error> {
        check_identifier("client_id", &self.id)?;
        if let Some((name, _)) = self.headers.iter().find(|(name, _)| OWN.contains(name)) {
            let problem = format_args!("`{name}` is a header that the login sets itself");
            return Err(Error::config("header", problem));
        }
        let endpoint = TokenEndpoint::checked(None, "url", &self.url, self.transport, &self.http)?;
        request::token_request(endpoint.url(), BodyFormat::Json, &self.headers, &[])?;
        let this = AssertionLogin {
            endpoint,
            id: self.id,
            assertion: self.assertion,
            headers: self.headers,
            rules: self.rules.allow_missing_token_type(),
            clock: self.clock,
        };
        let url = this.endpoint.url().to_string();
        this.assertion.check(ASSERTION, &this.context(&url))?;
        Ok(this)
    }
}

impl TokenSource for AssertionLogin {
    /// Sends one token request. The reason makes no difference to this login.
    async fn fetch(&self, token_request: TokenRequest) -> Result<AccessToken, Error> {
        let proof = secret_at(&token_request.credentials, 0)?;
        let url = self.endpoint.url().to_string();
        let assertion = self.assertion.make(proof, &self.context(&url)).await;
        let assertion = assertion.map_err(|error| self.named(error))?;
        let mut headers = self.headers.clone();
        headers.push((header::AUTHORIZATION, bearer(&assertion)));
        let reply = self.endpoint.post(BodyFormat::Json, &headers, &[]).await?;
        let now = self.clock.now();
        let difference = ClockDifference::of(reply.headers(), now);
        let scrubber = Scrubber::new().secret(assertion);
        let token = parse_reply(self.endpoint.vendor(), reply, &self.rules, &scrubber, now);
        token.map_err(|error| {
            self.endpoint.located(match difference {
                Some(difference) => difference.explain(error),
                None => error,
            })
        })
    }

    async fn credentials(&self) -> Result<Credentials, Error> {
        let proof = self.assertion.read(ASSERTION, self.clock.now()).await?;
        let url = self.endpoint.normalized_url();
        Ok(Credentials::new(
            &[&url, "bearer-assertion", &self.id],
            [proof],
        ))
    }
}

impl fmt::Debug for AssertionLogin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AssertionLogin")
            .field("vendor", &self.endpoint.vendor())
            .field("assertion", &self.assertion)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for AssertionLoginBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AssertionLoginBuilder")
            .field("assertion", &self.assertion)
            .finish_non_exhaustive()
    }
}

/// RFC 6750 section 2.1. A buffer that grows would leave unwiped copies behind.
fn bearer(assertion: &Secret) -> Secret {
    const SCHEME: &str = "Bearer ";
    let mut line = String::with_capacity(SCHEME.len() + assertion.expose().len());
    line.push_str(SCHEME);
    line.push_str(assertion.expose());
    Secret::new(line)
}

const ASSERTION: &str = "assertion";

const OWN: [HeaderName; 6] = [
    header::ACCEPT,
    header::ACCEPT_ENCODING,
    header::AUTHORIZATION,
    header::CONTENT_LENGTH,
    header::CONTENT_TYPE,
    header::HOST,
];

#[cfg(test)]
mod tests;
