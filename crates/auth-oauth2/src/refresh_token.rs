use std::{
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
};

use auth_core::{
    AccessToken, Credentials, CredentialsId, Error, ErrorKind, RejectedPart, Secret, SecretSource,
    SharedSecretSource, TokenRequest, TokenSource,
};

use crate::{
    client::{AskedScope, Client, GrantRequest},
    grant_type::REFRESH_TOKEN,
    secret_setting::{check, read},
};

/// The refresh token grant (RFC 6749 section 6): requests tokens with the refresh token of a
/// person's login.
///
/// Made by [`Client::refresh_token`]. The login itself (authorization code or device code) happens
/// once, elsewhere, and puts its refresh token into a file or a vault. This source continues from
/// there. If the vendor replaces refresh tokens, each new one is kept. When no refresh token is
/// valid any more, the error says that a person must log in again. The refresh token of the new
/// login is found where the first one was.
///
/// **If the vendor replaces refresh tokens at each use, give the authenticator a store that
/// outlives the process.** Without such a store, the next start spends the first refresh token
/// again. Vendors take that for a theft and revoke all tokens of the login (RFC 9700 section
/// 4.14.2).
///
/// # Cancel safety
///
/// Dropping the future cancels the HTTP request. Whether the vendor has replaced the refresh token
/// is then unknown.
///
/// # Security
///
/// A refresh token is kept only while the token request needs it, and is scrubbed from the vendor's
/// texts. A 64-bit hash is kept of the first refresh token, and of the last one that the vendor
/// rejected.
pub struct RefreshToken {
    client: Client,
    first: SharedSecretSource,
    /// The last refresh token that the vendor rejected.
    rejected: Mutex<Option<Rejected>>,
}

struct Rejected {
    token: Option<CredentialsId>,
    error: Error,
}

impl Client {
    /// Makes a source of tokens for the refresh token of a person's login (RFC 6749 section 6).
    /// `first` is the place where the login puts the refresh token.
    ///
    /// # Example
    ///
    /// ```
    /// # use auth_core::{Error, Transport};
    /// use auth_core::SecretFile;
    /// use auth_oauth2::{Client, RefreshToken};
    ///
    /// # fn source(transport: impl Transport) -> Result<RefreshToken, Error> {
    /// let source = Client::builder("https://login.example.com/token", "my-client", transport)
    ///     .secret(SecretFile::new("/run/secrets/example-client"))
    ///     .build()?
    ///     .refresh_token(SecretFile::new("/run/secrets/example-refresh-token"))?;
    /// # Ok(source)
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Config`](auth_core::ErrorKind::Config) on field `refresh_token` if it is given as an empty
    /// `Secret`.
    pub fn refresh_token(&self, first: impl SecretSource) -> Result<RefreshToken, Error> {
        let first = SharedSecretSource::new(first);
        check(REFRESH_TOKEN, &first)?;
        Ok(RefreshToken {
            client: self.clone(),
            first,
            rejected: Mutex::default(),
        })
    }
}

impl RefreshToken {
    async fn read_first(&self) -> Result<Secret, Error> {
        read(REFRESH_TOKEN, &self.first).await
    }

    fn rejected(&self) -> MutexGuard<'_, Option<Rejected>> {
        self.rejected.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes the error that tells a person to log in again. Its cause is the vendor's last answer.
    fn nothing_left(&self) -> Error {
        let message = "there is no refresh token to spend: a person has to log in again, and what \
                       that brings has to be put where `refresh_token` is read from";
        let error = self.client.named(Error::new(ErrorKind::Rejected, message));
        let error = error.with_rejected_part(RejectedPart::RefreshToken);
        match &*self.rejected() {
            Some(rejected) => error.with_source(rejected.error.clone()),
            None => error,
        }
    }
}

impl TokenSource for RefreshToken {
    /// Sends one token request with the refresh token in `token_request`. Without one,
    /// nothing is sent.
    async fn fetch(&self, token_request: TokenRequest) -> Result<AccessToken, Error> {
        let Some(token) = &token_request.refresh_token else {
            return Err(self.nothing_left());
        };
        let request = GrantRequest {
            grant_type: REFRESH_TOKEN,
            parameters: &[(REFRESH_TOKEN, token.expose())],
            secrets: &[token],
            scope: AskedScope::OfTheClient,
            keeps_refresh_token: true,
        };
        let result = self.client.send(&token_request.credentials, request).await;
        if let Err(error) = &result {
            if error.rejected_part() == Some(RejectedPart::RefreshToken) {
                *self.rejected() = Some(Rejected {
                    token: id_of(token),
                    error: error.clone(),
                });
            }
        }
        result
    }

    /// Reads the client secret and the first refresh token, so that the identity changes when a
    /// person logs in again. A first refresh token that cannot be read counts as removed, because
    /// the vendor may have replaced it.
    async fn credentials(&self) -> Result<Credentials, Error> {
        let mut secrets = self.client.read_secrets().await?;
        secrets.extend(self.read_first().await.ok());
        Ok(self.client.credentials(secrets))
    }

    fn keeps_refresh_tokens(&self) -> bool {
        true
    }

    fn needs_refresh_token(&self) -> bool {
        true
    }

    /// Reads the refresh token of the login. Returns `None` if the vendor rejected it: a vendor may
    /// revoke all tokens of a login whose refresh token is spent twice.
    async fn first_refresh_token(&self) -> Result<Option<Secret>, Error> {
        let first = self.read_first().await?;
        let rejected = self.rejected();
        let rejected = rejected
            .as_ref()
            .is_some_and(|it| it.token == id_of(&first));
        Ok((!rejected).then_some(first))
    }
}

impl fmt::Debug for RefreshToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RefreshToken")
            .field("client", &self.client)
            .finish_non_exhaustive()
    }
}

/// Identifies a refresh token without keeping it.
fn id_of(token: &Secret) -> Option<CredentialsId> {
    Credentials::new(&[], [token.clone()]).id()
}

#[cfg(test)]
mod tests;
