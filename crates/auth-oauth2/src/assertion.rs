use std::{fmt, future::Future, pin::Pin, sync::Arc};

use auth_core::{
    Error, Moment, Secret, SecretEnv, SecretFile, SecretFn, SecretSource as _, SharedSecretSource,
    TokenRequestOutcome,
};

use crate::secret_setting::{check, read};

mod issued;

/// The source of an assertion (RFC 7521): a JWT that proves who the client is, or for whom a token
/// is requested.
///
/// | the assertion | made by |
/// |---|---|
/// | is issued by another program, for example a projected Kubernetes service account token or a SPIFFE JWT-SVID | `From` of [`SecretFile`], [`SecretEnv`], [`SecretFn`], [`Secret`] and [`SharedSecretSource`] |
/// | is signed by this program for each token request, for example `private_key_jwt` | [`signed`](Self::signed); the crate `auth-jwt` has a signer |
///
/// Used by [`ClientBuilder::client_assertion`](crate::ClientBuilder::client_assertion) and
/// [`Client::jwt_bearer`](crate::Client::jwt_bearer).
///
/// # Example
///
/// ```
/// use auth_core::SecretFile;
/// use auth_oauth2::Assertion;
///
/// let path = "/var/run/secrets/azure/tokens/azure-identity-token";
/// let assertion = Assertion::from(SecretFile::new(path));
/// ```
#[derive(Clone)]
pub struct Assertion(Kind);

#[derive(Clone)]
enum Kind {
    Issued(SharedSecretSource),
    Signed(Arc<dyn DynSigner>),
}

impl Assertion {
    /// Makes an assertion source that signs a new assertion for each token request.
    pub fn signed(signer: impl AssertionSigner) -> Self {
        Self(Kind::Signed(Arc::new(signer)))
    }

    /// Checks what can be checked before the first token request.
    pub(crate) fn check(
        &self,
        field: &'static str,
        context: &AssertionContext<'_>,
    ) -> Result<(), Error> {
        match &self.0 {
            Kind::Issued(source) => {
                check(field, source)?;
                match source.fixed() {
                    Some(assertion) => issued::check(field, assertion, context.now),
                    None => Ok(()),
                }
            }
            Kind::Signed(signer) => signer.check(context),
        }
    }

    /// Reads the text that identifies the credentials: the issued assertion or the signing key.
    pub(crate) async fn read(&self, field: &'static str, now: Moment) -> Result<Secret, Error> {
        match &self.0 {
            Kind::Issued(source) => {
                let assertion = read(field, source).await?;
                issued::check(field, &assertion, now)?;
                Ok(assertion)
            }
            Kind::Signed(signer) => {
                let key = signer.read_key().await;
                key.map_err(|error| error.with_outcome(TokenRequestOutcome::NotSent))
            }
        }
    }

    /// Returns the assertion for one token request. `proof` is what [`read`](Self::read) returned.
    pub(crate) async fn make(
        &self,
        proof: &Secret,
        context: &AssertionContext<'_>,
    ) -> Result<Secret, Error> {
        match &self.0 {
            Kind::Issued(_) => Ok(proof.clone()),
            Kind::Signed(signer) => {
                let assertion = signer.sign(proof, context).await;
                assertion.map_err(|error| error.with_outcome(TokenRequestOutcome::NotSent))
            }
        }
    }
}

impl fmt::Debug for Assertion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Kind::Issued(_) => "Assertion(issued)",
            Kind::Signed(_) => "Assertion(signed)",
        })
    }
}

impl From<SharedSecretSource> for Assertion {
    fn from(source: SharedSecretSource) -> Self {
        Self(Kind::Issued(source))
    }
}

impl From<SecretFile> for Assertion {
    fn from(file: SecretFile) -> Self {
        SharedSecretSource::new(file).into()
    }
}

impl From<SecretEnv> for Assertion {
    fn from(variable: SecretEnv) -> Self {
        SharedSecretSource::new(variable).into()
    }
}

impl From<Secret> for Assertion {
    fn from(assertion: Secret) -> Self {
        SharedSecretSource::new(assertion).into()
    }
}

impl<F, R> From<SecretFn<F>> for Assertion
where
    F: Fn() -> R + Send + Sync + 'static,
    R: Future<Output = Result<Secret, Error>> + Send,
{
    fn from(closure: SecretFn<F>) -> Self {
        SharedSecretSource::new(closure).into()
    }
}

/// Signs assertions, one for each token request, for example with a private key in a file or a key
/// management service.
///
/// The crate `auth-jwt` has an implementation for keys in PEM and JWK form. Implement the trait for
/// a key that does not leave its service.
///
/// # Example
///
/// ```
/// use auth_core::{Error, Secret};
/// use auth_oauth2::{AssertionContext, AssertionSigner};
///
/// /// A key that never leaves its service.
/// struct Remote(&'static str);
///
/// # async fn ask(_: &str, _: &str) -> Result<Secret, Error> { Ok(Secret::new("")) }
/// impl AssertionSigner for Remote {
///     async fn read_key(&self) -> Result<Secret, Error> {
///         // The name of the newest version: another name is another key.
///         ask(self.0, "newest version").await
///     }
///
///     async fn sign(&self, key: &Secret, context: &AssertionContext<'_>) -> Result<Secret, Error> {
///         let claims = format!(r#"{{"iss":"{0}","sub":"{0}"}}"#, context.client_id);
///         ask(key.expose(), &claims).await
///     }
/// }
/// ```
///
/// # Cancel safety
///
/// Both futures are dropped when the token request's deadline passes. An implementation must
/// tolerate that.
pub trait AssertionSigner: Send + Sync + 'static {
    /// Reads the key, or a name of the key's version if the key stays elsewhere. Called before each
    /// token request, and once more after the authorization server rejected the assertion: if the
    /// text changed, one more token request follows at once.
    ///
    /// # Errors
    ///
    /// Same as [`SecretSource::read`](auth_core::SecretSource::read). After an error no token
    /// request is sent.
    fn read_key(&self) -> impl Future<Output = Result<Secret, Error>> + Send;

    /// Makes an assertion with a key that [`read_key`](Self::read_key) returned. Each call must
    /// make a different assertion, because servers reject an assertion that they have seen before
    /// (RFC 7523 section 3, `jti`).
    ///
    /// # Errors
    ///
    /// [`Config`](auth_core::ErrorKind::Config) if the key does not fit. After an error no token
    /// request is sent.
    fn sign(
        &self,
        key: &Secret,
        context: &AssertionContext<'_>,
    ) -> impl Future<Output = Result<Secret, Error>> + Send;

    /// Checks settings before the key is read. Builders call this method. Default: checks nothing.
    ///
    /// # Errors
    ///
    /// [`Config`](auth_core::ErrorKind::Config), and [`Error::field`] names the wrong setting.
    fn check(&self, _context: &AssertionContext<'_>) -> Result<(), Error> {
        Ok(())
    }
}

/// Facts about the token request that an [`AssertionSigner`] signs an assertion for.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct AssertionContext<'a> {
    /// The client identifier: `iss` and `sub` of a client assertion (RFC 7523 section 3).
    pub client_id: &'a str,
    /// The authorization server's issuer identifier (RFC 8414 section 2), which is the `aud` of a
    /// client assertion. `None` unless [`Client::discover`](crate::Client::discover) or
    /// [`ClientBuilder::issuer`](crate::ClientBuilder::issuer) set it.
    pub issuer: Option<&'a str>,
    /// The URL of the token endpoint. Older servers expect this URL as `aud`. Empty in
    /// [`AssertionSigner::check`] of a client that discovers the token endpoint.
    pub token_endpoint: &'a str,
    /// The current time, by the client's clock.
    pub now: Moment,
}

impl<'a> AssertionContext<'a> {
    /// Describes a token request. For tests of a signer.
    #[must_use]
    pub fn new(client_id: &'a str, token_endpoint: &'a str, now: Moment) -> Self {
        Self {
            client_id,
            issuer: None,
            token_endpoint,
            now,
        }
    }

    /// Sets the authorization server's issuer identifier (RFC 8414 section 2), for example
    /// `https://login.example.com`. Default: none.
    #[must_use]
    pub fn with_issuer(mut self, issuer: &'a str) -> Self {
        self.issuer = Some(issuer);
        self
    }
}

/// [`AssertionSigner`] behind a pointer.
trait DynSigner: Send + Sync {
    fn read_key(&self) -> BoxSecret<'_>;
    fn sign<'a>(&'a self, key: &'a Secret, context: &'a AssertionContext<'_>) -> BoxSecret<'a>;
    fn check(&self, context: &AssertionContext<'_>) -> Result<(), Error>;
}

type BoxSecret<'a> = Pin<Box<dyn Future<Output = Result<Secret, Error>> + Send + 'a>>;

impl<S: AssertionSigner> DynSigner for S {
    fn read_key(&self) -> BoxSecret<'_> {
        Box::pin(AssertionSigner::read_key(self))
    }

    fn sign<'a>(&'a self, key: &'a Secret, context: &'a AssertionContext<'_>) -> BoxSecret<'a> {
        Box::pin(AssertionSigner::sign(self, key, context))
    }

    fn check(&self, context: &AssertionContext<'_>) -> Result<(), Error> {
        AssertionSigner::check(self, context)
    }
}

#[cfg(test)]
mod tests;
