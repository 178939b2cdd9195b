use std::fmt;

use auth_core::{
    AccessToken, Credentials, Error, Moment, RequestOutcome, Secret, SecretSource as _,
    SharedClock, SharedSecretSource,
};
use http::header::AUTHORIZATION;

use crate::{BodyFormat, ClientAuth, ReplyRules, Scrubber, TokenEndpoint, parse_reply};

mod builder;
mod refreshing;
mod verdict;

pub use builder::GrantBuilder;

pub(crate) use refreshing::REFRESH_TOKEN;
use refreshing::Refreshing;
#[cfg(feature = "password")]
pub(crate) use verdict::PASSWORD;

/// A grant of RFC 6749: one of the sources of this crate that [`GrantBuilder`] makes.
///
/// Sealed: a grant knows how requests are made, which is this crate's to change.
pub trait Grant: sealed::Grant {}

impl<G: sealed::Grant> Grant for G {}

pub(crate) mod sealed {
    use auth_core::Error;

    use super::Client;

    #[allow(unnameable_types, reason = "sealed: nobody else implements it")]
    pub trait Grant: Sized {
        /// What the grant needs beside the client's own settings.
        type Own;
        /// The parameters that it sets by itself.
        const PARAMETERS: &'static [&'static str];

        fn new(client: Client, own: Self::Own) -> Result<Self, Error>;
    }
}

/// A client at a token endpoint: what the grants have in common.
#[derive(Debug)]
#[allow(unnameable_types, reason = "of the sealed trait's")]
pub struct Client {
    endpoint: TokenEndpoint,
    id: String,
    /// None of a public client.
    secret: Option<SharedSecretSource>,
    auth: ClientAuth,
    format: BodyFormat,
    /// Without those that identify the client, and the grant's own; none is empty.
    parameters: Vec<(String, Secret)>,
    /// Knows the values of the vendor's own parameters.
    scrubber: Scrubber,
    rules: ReplyRules,
    clock: SharedClock,
    refreshing: Refreshing,
}

impl Client {
    pub(crate) fn vendor(&self) -> &str {
        self.endpoint.vendor()
    }

    /// Reads the secrets of the client's credentials: the client secret, which a public client does
    /// not have. The secrets of a grant follow.
    pub(crate) async fn read_secrets(&self) -> Result<Vec<Secret>, Error> {
        match &self.secret {
            Some(secret) => Ok(vec![read("client_secret", secret).await?]),
            None => Ok(Vec::new()),
        }
    }

    /// Makes the credentials of the client. The scope, the audience and other parameters are no part
    /// of the account: the vendor judges the same secret whatever is asked for.
    pub(crate) fn credentials(&self, secrets: Vec<Secret>) -> Credentials {
        let url = self.endpoint.normalized_url();
        Credentials::new(&self.account(&url), secrets)
    }

    /// Makes the credentials of a user, whose account the vendor may lock.
    #[cfg(feature = "password")]
    pub(crate) fn user_credentials(&self, user: &str, secrets: Vec<Secret>) -> Credentials {
        let url = self.endpoint.normalized_url();
        let [url, proof, client] = self.account(&url);
        Credentials::lockable(&[url, proof, client, user], secrets)
    }

    fn account<'a>(&'a self, url: &'a str) -> [&'a str; 3] {
        let proof = self.secret.as_ref().map_or("none", |_| self.auth.name());
        [url, proof, &self.id]
    }

    /// Returns a secret of the grant's own that the credentials were made of, by its place after the
    /// client secret.
    #[cfg(feature = "password")]
    pub(crate) fn own_secret<'c>(
        &self,
        credentials: &'c Credentials,
        index: usize,
    ) -> Result<&'c Secret, Error> {
        secret_at(credentials, usize::from(self.secret.is_some()) + index)
    }

    /// Returns the client secret that the credentials were made of; `None` for a public client.
    pub(crate) fn secret_of<'c>(
        &self,
        credentials: &'c Credentials,
    ) -> Result<Option<&'c Secret>, Error> {
        match self.secret {
            Some(_) => secret_at(credentials, 0).map(Some),
            None => Ok(None),
        }
    }

    pub(crate) fn now(&self) -> Moment {
        self.clock.now()
    }

    /// One exchange. The secrets, which are among the values of `own`, are scrubbed from whatever
    /// the vendor says.
    pub(crate) async fn exchange(
        &self,
        secret: Option<&Secret>,
        grant_type: &str,
        own: &[(&str, &str)],
        secrets: &[&Secret],
    ) -> Result<AccessToken, Error> {
        let others = self.parameters.iter();
        self.send(secret, grant_type, own, others, secrets).await
    }

    async fn send<'a>(
        &'a self,
        secret: Option<&Secret>,
        grant_type: &str,
        own: &[(&str, &str)],
        others: impl Iterator<Item = &'a (String, Secret)>,
        secrets: &[&Secret],
    ) -> Result<AccessToken, Error> {
        let authorization = self.auth.authorization(&self.id, secret);
        let mut parameters = vec![("grant_type", grant_type)];
        if authorization.is_none() || self.auth.repeats_id() {
            parameters.push(("client_id", &self.id));
        }
        if authorization.is_none() {
            parameters.extend(secret.map(|secret| ("client_secret", secret.expose())));
        }
        let others = others.map(|(name, value)| (name.as_str(), value.expose()));
        parameters.extend(own);
        parameters.extend(others);
        let mut scrubber = self.scrubber.clone();
        for value in secret.into_iter().chain(secrets.iter().copied()) {
            scrubber = scrubber.secret(value.clone());
        }
        let mut headers = Vec::new();
        if let Some(authorization) = authorization {
            scrubber = scrubber.secret(authorization.credentials().clone());
            headers.push((AUTHORIZATION, authorization.into_line()));
        }
        let reply = self
            .endpoint
            .post(self.format, &headers, &parameters)
            .await?;
        let rules = self.rules.clone();
        let rules = rules.with_refresh_token(self.keeps_refresh_tokens());
        let rules = match grant_type {
            REFRESH_TOKEN => rules.spends_refresh_token(),
            _ => rules,
        };
        parse_reply(self.vendor(), reply, &rules, &scrubber, self.now())
            .map_err(|error| verdict::judged(grant_type, error))
    }

    pub(crate) fn debug(&self, name: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct(name)
            .field("vendor", &self.vendor())
            .field("auth", &self.auth)
            .field("format", &self.format)
            .finish_non_exhaustive()
    }
}

/// Checks a secret as far as it is known before it is read.
pub(crate) fn check(field: &'static str, source: &SharedSecretSource) -> Result<(), Error> {
    match source.fixed().is_some_and(Secret::is_empty) {
        true => Err(Error::config(field, "must not be empty")),
        false => source.check(),
    }
}

/// Reads a secret that must not be empty. Nothing is sent without it.
pub(crate) async fn read(
    field: &'static str,
    source: &SharedSecretSource,
) -> Result<Secret, Error> {
    let secret = source.read().await;
    let secret = secret.map_err(|error| error.with_outcome(RequestOutcome::NotSent))?;
    match secret.is_empty() {
        true => Err(Error::config(field, "the secret that was read is empty")),
        false => Ok(secret),
    }
}

/// Returns a secret that the credentials were made of.
pub(crate) fn secret_at(credentials: &Credentials, index: usize) -> Result<&Secret, Error> {
    credentials.secret(index).ok_or_else(|| {
        let problem = "secrets are missing; pass what `TokenSource::credentials` returned";
        Error::config("Exchange::credentials", problem)
    })
}
