use std::{borrow::Cow, fmt, sync::Arc};

use auth_core::{AccessToken, Credentials, Error, Moment, Secret, SharedClock, SharedSecretSource};
use http::header::AUTHORIZATION;

use crate::{
    Assertion, AssertionContext, BodyFormat, ClientAuth, Metadata, ReplyRules, Scrubber,
    TokenEndpoint,
    clock_advice::ClockDifference,
    grant_type::{JWT_BEARER, REFRESH_TOKEN},
    parse_reply, secret_setting,
};

mod builder;
mod place;
mod verdict;

pub use builder::ClientBuilder;

use place::Place;

/// A client (RFC 6749 section 2) of one token endpoint: its credentials, URL, scope and transport.
///
/// A program has one `Client` per registration at an authorization server. Each grant of the client
/// is a [`TokenSource`](auth_core::TokenSource) for an [`Authenticator`](auth_core::Authenticator):
///
/// | you have | call | grant |
/// |---|---|---|
/// | only the client's own secret, assertion or key | [`client_credentials`](Self::client_credentials) | RFC 6749 section 4.4 |
/// | a user name and a password, and the vendor offers no other grant | `password`, with the feature `password` | RFC 6749 section 4.3 |
/// | a refresh token from a person's login | [`refresh_token`](Self::refresh_token) | RFC 6749 section 6 |
/// | a user's access token, and the program acts for the user | [`token_exchange`](Self::token_exchange) | RFC 8693 |
/// | an assertion, or a key that signs assertions | [`jwt_bearer`](Self::jwt_bearer) | RFC 7523 section 2.1 |
///
/// # Example
///
/// ```
/// use auth_core::{Authenticator, Error, Origins, SecretFile, Transport};
/// use auth_oauth2::{Client, ClientAuth};
///
/// fn authenticator(transport: impl Transport) -> Result<Authenticator, Error> {
///     let url = "https://login.example.com/oauth2/token";
///     let client = Client::builder(url, "my-client", transport)
///         .secret(SecretFile::new("/run/secrets/example-client"))
///         .client_auth(ClientAuth::Post)
///         .scope("read:meters")
///         .build()?;
///     let origins = Origins::new(["https://api.example.com"])?;
///     Authenticator::builder(client.client_credentials(), origins).build()
/// }
/// ```
///
/// # Clone and cost
///
/// Clones and token sources share one allocation with the settings. [`ClientBuilder::build`] checks
/// the settings once. A service that acts for many users therefore makes one client, and calls
/// [`token_exchange`](Self::token_exchange) on it for each user.
///
/// # Security
///
/// Token requests are sent over `https`. Plain `http` is used only for an origin that
/// [`danger_allow_http`](ClientBuilder::danger_allow_http) names. The client secret is read before
/// each token request and is wiped after the request.
#[derive(Clone)]
pub struct Client(Arc<Settings>);

/// Validated settings of a client.
struct Settings {
    place: Place,
    id: String,
    /// Always fits the method in `auth`.
    proof: Proof,
    issuer: Option<String>,
    auth: ClientAuth,
    format: BodyFormat,
    /// Parameters other than those of client authentication and of the grant. No value is empty.
    parameters: Vec<(String, Secret)>,
    /// Knows the values of the extra parameters.
    scrubber: Scrubber,
    rules: ReplyRules,
    clock: SharedClock,
}

/// What proves who the client is.
enum Proof {
    None,
    Secret(SharedSecretSource),
    Assertion(Assertion),
}

/// What a grant adds to a token request.
pub(crate) struct GrantRequest<'a> {
    /// One of [`crate::grant_type`].
    pub(crate) grant_type: &'static str,
    /// The grant's own parameters.
    pub(crate) parameters: &'a [(&'a str, &'a str)],
    /// The secrets among the parameters, which are scrubbed from the vendor's texts.
    pub(crate) secrets: &'a [&'a Secret],
    /// The scope to request.
    pub(crate) scope: AskedScope<'a>,
    /// Whether a refresh token in the reply is kept.
    pub(crate) keeps_refresh_token: bool,
}

/// Which scope a token request asks for.
#[derive(Clone, Copy)]
pub(crate) enum AskedScope<'a> {
    /// The client's.
    OfTheClient,
    /// Another one.
    Other(&'a str),
    None,
}

impl Client {
    /// Returns the metadata of the authorization server, from the cache or from the server. Needs a
    /// client that [`discover`](Self::discover) started.
    ///
    /// Call it at start to detect a wrong issuer early, or to see what the token endpoint supports.
    /// Otherwise the first token request reads the metadata.
    ///
    /// # Errors
    ///
    /// Same as [`Discovery::metadata`](crate::Discovery::metadata). In addition,
    /// [`Config`](auth_core::ErrorKind::Config) on field `issuer` for a client that was built with
    /// a token endpoint.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime with time.
    ///
    /// # Cancel safety
    ///
    /// Same as [`Discovery::metadata`](crate::Discovery::metadata).
    pub async fn metadata(&self) -> Result<Metadata, Error> {
        self.0.place.metadata().await
    }

    pub(crate) fn vendor(&self) -> &str {
        self.0.place.vendor()
    }

    pub(crate) fn now(&self) -> Moment {
        self.0.clock.now()
    }

    /// Adds this client's vendor, step and host to an error.
    pub(crate) fn named(&self, error: Error) -> Error {
        self.0
            .place
            .located(error.with_vendor(self.vendor().to_owned()))
    }

    /// The scope in the settings; empty if no scope is set.
    pub(crate) fn scope(&self) -> &str {
        let mut parameters = self.0.parameters.iter();
        let scope = parameters.find(|(name, _)| name == "scope");
        scope.map_or("", |(_, value)| value.expose())
    }

    /// Checks that no extra parameter is one of the grant's own.
    pub(crate) fn check_own_parameters(&self, own: &[&str]) -> Result<(), Error> {
        let mut names = self.0.parameters.iter().map(|(name, _)| name);
        match names.find(|name| own.contains(&name.as_str())) {
            Some(name) => {
                let problem = format_args!("`{name}` is a parameter that the grant sets itself");
                Err(Error::config("extra", problem))
            }
            None => Ok(()),
        }
    }

    /// Reads the secrets that authenticate the client: the client secret, the client assertion, or
    /// the key that signs it. A public client has none. A grant appends its own secrets to the
    /// list.
    pub(crate) async fn read_secrets(&self) -> Result<Vec<Secret>, Error> {
        Ok(match &self.0.proof {
            Proof::None => Vec::new(),
            Proof::Secret(secret) => vec![secret_setting::read("client_secret", secret).await?],
            Proof::Assertion(assertion) => {
                vec![assertion.read("client_assertion", self.now()).await?]
            }
        })
    }

    /// Returns an assertion for one token request. `proof` is the text that [`Assertion::read`]
    /// returned.
    pub(crate) async fn assert(
        &self,
        assertion: &Assertion,
        proof: &Secret,
    ) -> Result<Secret, Error> {
        let endpoint = self.endpoint().await?;
        self.assert_at(&endpoint, assertion, proof).await
    }

    async fn assert_at(
        &self,
        endpoint: &TokenEndpoint,
        assertion: &Assertion,
        proof: &Secret,
    ) -> Result<Secret, Error> {
        let token_endpoint = endpoint.url().to_string();
        let context = self.assertion_context(&token_endpoint);
        let made = assertion.make(proof, &context).await;
        made.map_err(|error| self.named(error))
    }

    pub(crate) fn with_assertion_context<T>(
        &self,
        use_it: impl FnOnce(&AssertionContext<'_>) -> T,
    ) -> T {
        let token_endpoint = self.0.place.known_url();
        use_it(&self.assertion_context(&token_endpoint))
    }

    fn assertion_context<'a>(&'a self, token_endpoint: &'a str) -> AssertionContext<'a> {
        AssertionContext {
            client_id: &self.0.id,
            issuer: self.0.issuer.as_deref(),
            token_endpoint,
            now: self.now(),
        }
    }

    async fn endpoint(&self) -> Result<Cow<'_, TokenEndpoint>, Error> {
        let names = self.0.parameters.iter().map(|(name, _)| name.as_str());
        self.0.place.endpoint(names).await
    }

    /// Makes the credentials of the client. Scope, audience and other parameters are not part of
    /// the account, because the vendor counts rejected logins of a secret for all of them together.
    pub(crate) fn credentials(&self, secrets: Vec<Secret>) -> Credentials {
        let place = self.0.place.account();
        Credentials::new(&self.account(&place), secrets)
    }

    /// Makes the credentials of a user. The vendor may lock the user's account.
    #[cfg(feature = "password")]
    pub(crate) fn user_credentials(&self, user: &str, secrets: Vec<Secret>) -> Credentials {
        let place = self.0.place.account();
        let [place, proof, client] = self.account(&place);
        Credentials::lockable(&[place, proof, client, user], secrets)
    }

    fn account<'a>(&'a self, place: &'a str) -> [&'a str; 3] {
        [place, self.0.auth.name(), &self.0.id]
    }

    /// Returns one of the grant's secrets. `index` counts from the first secret after those of the
    /// client.
    pub(crate) fn own_secret<'c>(
        &self,
        credentials: &'c Credentials,
        index: usize,
    ) -> Result<&'c Secret, Error> {
        let of_the_client = match self.0.proof {
            Proof::None => 0,
            Proof::Secret(_) | Proof::Assertion(_) => 1,
        };
        secret_at(credentials, of_the_client + index)
    }

    /// Sends one token request with the secrets that `credentials` were made of.
    pub(crate) async fn send(
        &self,
        credentials: &Credentials,
        request: GrantRequest<'_>,
    ) -> Result<AccessToken, Error> {
        let result = self.sent(credentials, request).await;
        if let Err(error) = &result {
            self.0.place.failed(error);
        }
        result
    }

    async fn sent(
        &self,
        credentials: &Credentials,
        request: GrantRequest<'_>,
    ) -> Result<AccessToken, Error> {
        let Settings {
            id, auth, format, ..
        } = &*self.0;
        // Discover first: an assertion is valid for one minute only.
        let endpoint = self.endpoint().await?;
        let (secret, assertion) = match &self.0.proof {
            Proof::None => (None, None),
            Proof::Secret(_) => (Some(secret_at(credentials, 0)?), None),
            Proof::Assertion(assertion) => {
                let proof = secret_at(credentials, 0)?;
                (
                    None,
                    Some(self.assert_at(&endpoint, assertion, proof).await?),
                )
            }
        };
        let authorization = auth.authorization(id, secret);
        let mut parameters = vec![("grant_type", request.grant_type)];
        // The assertion of this grant identifies the client (RFC 7521 section 4.1).
        let anonymous = *auth == ClientAuth::None && request.grant_type == JWT_BEARER;
        if (authorization.is_none() && !anonymous) || auth.repeats_id() {
            parameters.push(("client_id", id));
        }
        if authorization.is_none() {
            parameters.extend(secret.map(|secret| ("client_secret", secret.expose())));
        }
        if let Some(assertion) = &assertion {
            parameters.push(("client_assertion_type", ASSERTION_TYPE));
            parameters.push(("client_assertion", assertion.expose()));
        }
        parameters.extend(request.parameters);
        let others = self.0.parameters.iter();
        let takes_scope = matches!(request.scope, AskedScope::OfTheClient);
        let others = others.filter(|(name, _)| takes_scope || name != "scope");
        if let AskedScope::Other(scope) = request.scope {
            parameters.push(("scope", scope));
        }
        parameters.extend(others.map(|(name, value)| (name.as_str(), value.expose())));
        let mut scrubber = self.0.scrubber.clone();
        let own = secret.into_iter().chain(&assertion);
        for value in own.chain(request.secrets.iter().copied()) {
            scrubber = scrubber.secret(value.clone());
        }
        let mut headers = Vec::new();
        if let Some(authorization) = authorization {
            scrubber = scrubber.secret(authorization.credentials().clone());
            headers.push((AUTHORIZATION, authorization.into_line()));
        }
        let reply = endpoint.post(*format, &headers, &parameters).await?;
        let is_asserted = assertion.is_some() || request.grant_type == JWT_BEARER;
        let difference = ClockDifference::of(reply.headers(), self.now());
        let difference = difference.filter(|_| is_asserted);
        let rules = self.0.rules.clone();
        let rules = rules.with_refresh_token(request.keeps_refresh_token);
        let rules = match request.scope {
            AskedScope::Other(scope) => rules.requested_scope(scope),
            AskedScope::OfTheClient | AskedScope::None => rules,
        };
        let rules = match request.grant_type {
            REFRESH_TOKEN => rules.spends_refresh_token(),
            _ => rules,
        };
        parse_reply(self.vendor(), reply, &rules, &scrubber, self.now()).map_err(|error| {
            let error = verdict::judged(request.grant_type, error);
            let error = match difference {
                Some(difference) => difference.explain(error),
                None => error,
            };
            endpoint.located(error)
        })
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("vendor", &self.vendor())
            .field("auth", &self.0.auth)
            .field("format", &self.0.format)
            .finish_non_exhaustive()
    }
}

/// RFC 7523 section 2.2.
const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// Returns the secret at a position in the list that the credentials were made of.
pub(crate) fn secret_at(credentials: &Credentials, index: usize) -> Result<&Secret, Error> {
    credentials.secret(index).ok_or_else(|| {
        let problem = "secrets are missing; pass what `TokenSource::credentials` returned";
        Error::config("TokenRequest::credentials", problem)
    })
}

#[cfg(test)]
mod tests;
