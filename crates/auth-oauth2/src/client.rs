use std::{fmt, sync::Arc};

use auth_core::{
    AccessToken, Credentials, Error, Moment, Secret, SecretSource as _, SharedClock,
    SharedSecretSource, TokenRequestOutcome,
};
use http::header::AUTHORIZATION;

use crate::{
    BodyFormat, ClientAuth, Metadata, ReplyRules, Scrubber, grant_type::REFRESH_TOKEN, parse_reply,
};

mod builder;
mod place;
mod verdict;

pub use builder::ClientBuilder;

use place::Place;

/// A client (RFC 6749 section 2) at one token endpoint: who asks for tokens, where, and for what.
///
/// A program has one `Client` per registration at an authorization server. Each grant of the client
/// is a [`TokenSource`](auth_core::TokenSource) for an [`Authenticator`](auth_core::Authenticator):
///
/// | you have | call | grant |
/// |---|---|---|
/// | only the client's own secret | [`client_credentials`](Self::client_credentials) | RFC 6749 section 4.4 |
/// | a user name and a password, and a vendor that offers nothing else | `password`, with the feature `password` | RFC 6749 section 4.3 |
/// | a refresh token that a person's login brought | [`refresh_token`](Self::refresh_token) | RFC 6749 section 6 |
/// | a user's access token, to act for the user | [`token_exchange`](Self::token_exchange) | RFC 8693 |
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
/// Clones and sources share one allocation with the settings. The settings are checked once, by
/// [`ClientBuilder::build`]: a service that acts for many users calls
/// [`token_exchange`](Self::token_exchange) on the same client for each user.
///
/// # Security
///
/// Requests go to the token endpoint over `https`, or over `http` to an origin that
/// [`danger_allow_http`](ClientBuilder::danger_allow_http) names. The client secret is read before
/// each token request and is wiped after the request.
#[derive(Clone)]
pub struct Client(Arc<Settings>);

/// Everything is checked.
struct Settings {
    place: Place,
    id: String,
    /// Present exactly if `auth` sends one.
    secret: Option<SharedSecretSource>,
    auth: ClientAuth,
    format: BodyFormat,
    /// Without those that identify the client, and the grant's own; none is empty.
    parameters: Vec<(String, Secret)>,
    /// Knows the values of the vendor's own parameters.
    scrubber: Scrubber,
    rules: ReplyRules,
    clock: SharedClock,
}

/// What a grant adds to the client's part of a token request.
pub(crate) struct GrantRequest<'a> {
    /// One of [`crate::grant_type`].
    pub(crate) grant_type: &'static str,
    /// The grant's own parameters.
    pub(crate) parameters: &'a [(&'a str, &'a str)],
    /// The secrets among the parameters, which are scrubbed from what the vendor says.
    pub(crate) secrets: &'a [&'a Secret],
    /// Whether to ask for the client's scope.
    pub(crate) scope: bool,
    /// Whether a refresh token in the reply is kept.
    pub(crate) keeps_refresh_token: bool,
}

impl Client {
    /// Reads the metadata of the authorization server, for a client that
    /// [`discover`](Self::discover) started: from the cache, or from the server.
    ///
    /// Call it at start to fail early where the issuer is wrong, or to see what the token endpoint
    /// supports. The first token request does the same by itself.
    ///
    /// # Errors
    ///
    /// As [`Discovery::metadata`](crate::Discovery::metadata), and
    /// [`Config`](auth_core::ErrorKind::Config) on field `issuer` for a client that was started
    /// with a token endpoint.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime with time.
    ///
    /// # Cancel safety
    ///
    /// As [`Discovery::metadata`](crate::Discovery::metadata).
    pub async fn metadata(&self) -> Result<Metadata, Error> {
        self.0.place.metadata().await
    }

    pub(crate) fn vendor(&self) -> &str {
        self.0.place.vendor()
    }

    pub(crate) fn now(&self) -> Moment {
        self.0.clock.now()
    }

    /// Makes an error about this client's token requests.
    pub(crate) fn named(&self, error: Error) -> Error {
        self.0
            .place
            .located(error.with_vendor(self.vendor().to_owned()))
    }

    /// Checks that no extra parameter is one that a grant sets itself.
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

    /// Reads the secrets of the client's credentials: the client secret, which a public client does
    /// not have. The secrets of a grant follow.
    pub(crate) async fn read_secrets(&self) -> Result<Vec<Secret>, Error> {
        match &self.0.secret {
            Some(secret) => Ok(vec![read("client_secret", secret).await?]),
            None => Ok(Vec::new()),
        }
    }

    /// Makes the credentials of the client. The scope, the audience and other parameters are no
    /// part of the account: the vendor judges the same secret whatever is asked for.
    pub(crate) fn credentials(&self, secrets: Vec<Secret>) -> Credentials {
        let place = self.0.place.account();
        Credentials::new(&self.account(&place), secrets)
    }

    /// Makes the credentials of a user, whose account the vendor may lock.
    #[cfg(feature = "password")]
    pub(crate) fn user_credentials(&self, user: &str, secrets: Vec<Secret>) -> Credentials {
        let place = self.0.place.account();
        let [place, proof, client] = self.account(&place);
        Credentials::lockable(&[place, proof, client, user], secrets)
    }

    fn account<'a>(&'a self, place: &'a str) -> [&'a str; 3] {
        [place, self.0.auth.name(), &self.0.id]
    }

    /// Returns a secret of the grant's own that the credentials were made of, by its place after
    /// the client secret.
    #[cfg(feature = "password")]
    pub(crate) fn own_secret<'c>(
        &self,
        credentials: &'c Credentials,
        index: usize,
    ) -> Result<&'c Secret, Error> {
        secret_at(credentials, usize::from(self.0.secret.is_some()) + index)
    }

    /// Sends one token request with the client secret that the credentials were made of.
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
            place,
            id,
            auth,
            format,
            ..
        } = &*self.0;
        let secret = match self.0.secret {
            Some(_) => Some(secret_at(credentials, 0)?),
            None => None,
        };
        let authorization = auth.authorization(id, secret);
        let mut parameters = vec![("grant_type", request.grant_type)];
        if authorization.is_none() || auth.repeats_id() {
            parameters.push(("client_id", id));
        }
        if authorization.is_none() {
            parameters.extend(secret.map(|secret| ("client_secret", secret.expose())));
        }
        parameters.extend(request.parameters);
        let others = self.0.parameters.iter();
        let others = others.filter(|(name, _)| request.scope || name != "scope");
        parameters.extend(others.map(|(name, value)| (name.as_str(), value.expose())));
        let mut scrubber = self.0.scrubber.clone();
        for value in secret.into_iter().chain(request.secrets.iter().copied()) {
            scrubber = scrubber.secret(value.clone());
        }
        let mut headers = Vec::new();
        if let Some(authorization) = authorization {
            scrubber = scrubber.secret(authorization.credentials().clone());
            headers.push((AUTHORIZATION, authorization.into_line()));
        }
        let names = self.0.parameters.iter().map(|(name, _)| name.as_str());
        let endpoint = place.endpoint(names).await?;
        let reply = endpoint.post(*format, &headers, &parameters).await?;
        let rules = self.0.rules.clone();
        let rules = rules.with_refresh_token(request.keeps_refresh_token);
        let rules = match request.grant_type {
            REFRESH_TOKEN => rules.spends_refresh_token(),
            _ => rules,
        };
        parse_reply(self.vendor(), reply, &rules, &scrubber, self.now())
            .map_err(|error| endpoint.located(verdict::judged(request.grant_type, error)))
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

/// Checks a secret as far as it is known before it is read.
pub(crate) fn check(field: &'static str, source: &SharedSecretSource) -> Result<(), Error> {
    if source.fixed().is_some_and(Secret::is_empty) {
        return Err(Error::config(field, "must not be empty"));
    }
    source.check()
}

/// Reads a secret that must not be empty. Nothing is sent without it.
pub(crate) async fn read(
    field: &'static str,
    source: &SharedSecretSource,
) -> Result<Secret, Error> {
    let secret = source.read().await;
    let secret = secret.map_err(|error| error.with_outcome(TokenRequestOutcome::NotSent))?;
    if secret.is_empty() {
        return Err(Error::config(field, "the secret that was read is empty"));
    }
    Ok(secret)
}

/// Returns a secret that the credentials were made of.
fn secret_at(credentials: &Credentials, index: usize) -> Result<&Secret, Error> {
    credentials.secret(index).ok_or_else(|| {
        let problem = "secrets are missing; pass what `TokenSource::credentials` returned";
        Error::config("TokenRequest::credentials", problem)
    })
}

#[cfg(test)]
mod tests;
