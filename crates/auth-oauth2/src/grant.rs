use std::fmt;

use auth_core::{
    AccessToken, Error, Moment, Secret, SecretSource as _, SharedClock, SharedSecretSource,
};
use http::header::AUTHORIZATION;

use crate::{
    BodyFormat, ClientAuth, ReplyRules, Scrubber, TokenEndpoint, parse_reply, version::Versions,
};

mod builder;

pub use builder::GrantBuilder;

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
    secret: SharedSecretSource,
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
}

impl Client {
    pub(crate) fn vendor(&self) -> &str {
        self.endpoint.vendor()
    }

    pub(crate) async fn read_secret(&self) -> Result<Secret, Error> {
        read("client_secret", &self.secret).await
    }

    /// Reads the client's secret, and notes that an exchange is made with it.
    pub(crate) async fn use_secret(&self) -> Result<Secret, Error> {
        let secret = self.read_secret().await?;
        self.versions.use_up(self.versions.of(&[&secret]));
        Ok(secret)
    }

    /// Tells whether the client's secret is another one by now.
    pub(crate) async fn secret_has_changed(&self) -> bool {
        let secret = self.read_secret().await;
        secret.is_ok_and(|secret| self.versions.is_new(self.versions.of(&[&secret])))
    }

    pub(crate) fn now(&self) -> Moment {
        self.clock.now()
    }

    /// One exchange. The secrets, which are among the values of `own`, are scrubbed from whatever
    /// the vendor says.
    pub(crate) async fn exchange(
        &self,
        secret: &Secret,
        grant_type: &str,
        own: &[(&str, &str)],
        secrets: &[&Secret],
    ) -> Result<AccessToken, Error> {
        let authorization = self.auth.authorization(&self.id, secret);
        let mut parameters = vec![("grant_type", grant_type)];
        if authorization.is_none() {
            parameters.push(("client_id", &self.id));
            parameters.push(("client_secret", secret.expose()));
        }
        let others = self.parameters.iter();
        let others = others.map(|(name, value)| (name.as_str(), value.expose()));
        parameters.extend(own);
        parameters.extend(others);
        let mut scrubber = self.scrubber.clone().secret(secret.clone());
        for value in secrets {
            scrubber = scrubber.secret((*value).clone());
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
        parse_reply(self.vendor(), reply, &self.rules, &scrubber, self.now())
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
