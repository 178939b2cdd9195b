use std::{
    fmt,
    hash::{BuildHasher as _, RandomState},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use auth_core::{
    AccessToken, Clock, Error, ErrorKind, Exchange, Secret, SecretSource, SharedSecretSource,
    SharedTransport, TokenSource, Transport,
};
use bytes::Bytes;
use http::{Request, Uri};

use crate::{BodyFormat, ClientAuth, ReplyRules, Scrubber, parse_reply, request};

mod builder;

pub use builder::ClientCredentialsBuilder;

/// The client credentials grant (RFC 6749 section 4.4): a program's token for itself.
///
/// Hand it to an [`Authenticator`](auth_core::Authenticator), which decides when to call it. One
/// call is one request, without retries; the client secret is read for each anew.
///
/// # Example
///
/// ```
/// # use auth_core::{Error, Transport};
/// use auth_core::Secret;
/// use auth_oauth2::{ClientAuth, ClientCredentials};
///
/// # fn source(transport: impl Transport) -> Result<ClientCredentials, Error> {
/// let source = ClientCredentials::builder(
///     "https://login.example.com/oauth2/token",
///     "my-client",
///     Secret::new("fake-secret"),
///     transport,
/// )
/// .client_auth(ClientAuth::Post)
/// .scope("read:meters")
/// .build()?;
/// # Ok(source)
/// # }
/// ```
///
/// # Cancel safety
///
/// Dropping an exchange drops the request. Nothing is kept of it, and nothing goes on.
///
/// # Security
///
/// The secret is kept as long as the request needs it; of the last one a keyed 64-bit fingerprint
/// stays, to tell whether it has changed. The request's body and its `Authorization` header are
/// wiped with their last clone, the reply's body if nobody shares it.
pub struct ClientCredentials {
    endpoint: Uri,
    vendor: String,
    client_id: String,
    secret: SharedSecretSource,
    transport: SharedTransport,
    auth: ClientAuth,
    format: BodyFormat,
    /// Without those that identify the client; none is empty.
    parameters: Vec<(String, Secret)>,
    /// Knows the values of the vendor's own parameters.
    scrubber: Scrubber,
    max_reply: usize,
    rules: ReplyRules,
    clock: Arc<dyn Clock>,
    fingerprints: RandomState,
    /// The secret of the last exchange; zero before the first.
    last_secret: AtomicU64,
}

impl ClientCredentials {
    /// Starts with what every vendor needs: the token endpoint's URL, the client's identifier, where
    /// its secret comes from, and the way to send requests.
    pub fn builder(
        token_url: impl Into<String>,
        client_id: impl Into<String>,
        client_secret: impl SecretSource,
        transport: impl Transport,
    ) -> ClientCredentialsBuilder {
        ClientCredentialsBuilder::new(
            token_url.into(),
            client_id.into(),
            SharedSecretSource::new(client_secret),
            SharedTransport::new(transport),
        )
    }

    /// One exchange; why it takes place makes no difference to this grant.
    async fn exchange(&self) -> Result<AccessToken, Error> {
        let secret = self.secret.read().await?;
        if secret.is_empty() {
            return Err(Error::config(
                "client_secret",
                "the secret that was read is empty",
            ));
        }
        self.last_secret
            .store(self.fingerprint(&secret), Ordering::Release);
        let (request, scrubber) = self.request(&secret);
        let reply = self.transport.send(request, self.max_reply).await?;
        if reply.body().len() > self.max_reply {
            let message = format!("{}: token endpoint's reply is too large", self.vendor);
            return Err(Error::new(ErrorKind::Protocol, message).with_status(reply.status()));
        }
        parse_reply(
            &self.vendor,
            reply,
            &self.rules,
            &scrubber,
            self.clock.now(),
        )
    }

    fn request(&self, secret: &Secret) -> (Request<Bytes>, Scrubber) {
        let authorization = self.auth.authorization(&self.client_id, secret);
        let mut parameters = vec![("grant_type", "client_credentials")];
        if authorization.is_none() {
            parameters.push(("client_id", &self.client_id));
            parameters.push(("client_secret", secret.expose()));
        }
        let others = self
            .parameters
            .iter()
            .map(|(name, value)| (name.as_str(), value.expose()));
        parameters.extend(others);
        let request = request::token_request(
            &self.endpoint,
            self.format,
            authorization.as_ref(),
            &parameters,
        );
        let mut scrubber = self.scrubber.clone().secret(secret.clone());
        if let Some(authorization) = authorization {
            scrubber = scrubber.secret(authorization.credentials().clone());
        }
        (request, scrubber)
    }

    fn fingerprint(&self, secret: &Secret) -> u64 {
        self.fingerprints.hash_one(secret.expose()) | 1
    }
}

impl TokenSource for ClientCredentials {
    async fn fetch(&self, _: Exchange) -> Result<AccessToken, Error> {
        self.exchange().await
    }

    async fn credential_changed(&self) -> bool {
        match self.secret.read().await {
            Ok(secret) if !secret.is_empty() => {
                let last = self.last_secret.load(Ordering::Acquire);
                last != 0 && last != self.fingerprint(&secret)
            }
            _ => false,
        }
    }
}

impl fmt::Debug for ClientCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientCredentials")
            .field("vendor", &self.vendor)
            .field("auth", &self.auth)
            .field("format", &self.format)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
