use std::fmt;

use auth_core::{
    AccessToken, CredentialMark, Error, Moment, Secret, SecretSource as _, SharedClock,
    SharedSecretSource,
};
use http::header::AUTHORIZATION;

use crate::{
    BodyFormat, ClientAuth, ReplyRules, Scrubber, TokenEndpoint, credential_mark, parse_reply,
    version::{Version, Versions},
};

mod builder;
mod refreshing;

pub use builder::GrantBuilder;

pub(crate) use refreshing::REFRESH_TOKEN;
use refreshing::Refreshing;

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
    /// Of the client's secret.
    versions: Versions,
    refreshing: Refreshing,
}

impl Client {
    pub(crate) fn vendor(&self) -> &str {
        self.endpoint.vendor()
    }

    /// Reads the client's secret; a public client has none.
    pub(crate) async fn read_secret(&self) -> Result<Option<Secret>, Error> {
        match &self.secret {
            Some(secret) => read("client_secret", secret).await.map(Some),
            None => Ok(None),
        }
    }

    /// Reads the client's secret, and notes that an exchange is made with it.
    pub(crate) async fn use_secret(&self) -> Result<Option<Secret>, Error> {
        let secret = self.read_secret().await?;
        self.versions.use_up(self.version_of(secret.as_ref()));
        Ok(secret)
    }

    /// Tells whether the client's secret is another one by now.
    pub(crate) async fn secret_has_changed(&self) -> bool {
        let secret = self.read_secret().await;
        secret.is_ok_and(|secret| self.is_another(secret.as_ref()))
    }

    /// Tells whether this is another secret than the last exchange's.
    pub(crate) fn is_another(&self, secret: Option<&Secret>) -> bool {
        self.versions.is_new(self.version_of(secret))
    }

    fn version_of(&self, secret: Option<&Secret>) -> Version {
        match secret {
            Some(secret) => self.versions.of(&[secret]),
            None => self.versions.of(&[]),
        }
    }

    /// Marks all that a request of this grant is made of, because a vendor's verdict may be on any
    /// of it; `None` if the client's secret cannot be read.
    pub(crate) async fn mark(&self, grant: &str, own: &[&Secret]) -> Option<CredentialMark> {
        let secret = self.read_secret().await.ok()?;
        let proof = match secret {
            Some(_) => self.auth.name(),
            None => "none",
        };
        let texts = [
            &*self.endpoint.url().to_string(),
            &self.id,
            proof,
            self.format.name(),
        ];
        let texts = texts.map(Secret::from);
        let nothing = Secret::new("");
        let mut parts: Vec<_> = texts.iter().collect();
        parts.push(secret.as_ref().unwrap_or(&nothing));
        parts.extend(own);
        let names = self.parameters.iter().map(|(name, _)| Secret::new(name));
        let names: Vec<_> = names.collect();
        for (name, (_, value)) in names.iter().zip(&self.parameters) {
            parts.extend([name, value]);
        }
        Some(credential_mark(grant, &parts))
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
        let authorization = secret.and_then(|secret| self.auth.authorization(&self.id, secret));
        let mut parameters = vec![("grant_type", grant_type)];
        if authorization.is_none() {
            parameters.push(("client_id", &self.id));
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
        parse_reply(self.vendor(), reply, &rules, &scrubber, self.now())
    }

    pub(crate) fn debug(&self, name: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct(name)
            .field("vendor", &self.vendor())
            .field("auth", &self.auth)
            .field("format", &self.format)
            .finish_non_exhaustive()
    }
}

/// Reads a credential that must not be empty.
pub(crate) async fn read(
    field: &'static str,
    source: &SharedSecretSource,
) -> Result<Secret, Error> {
    let secret = source.read().await?;
    match secret.is_empty() {
        true => Err(Error::config(field, "the secret that was read is empty")),
        false => Ok(secret),
    }
}
