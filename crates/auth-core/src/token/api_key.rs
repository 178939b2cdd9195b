use crate::{AccessToken, Error, SecretSource, SharedSecretSource, TokenRequest, TokenSource};

/// A [`TokenSource`] without a token request: an API key, or any other credential that is sent as
/// it is.
///
/// The key is read once, when the first request needs it. When the API refuses a request, the key
/// is read again beside the traffic: if it has changed, the request is sent once more with the new
/// one; if not, the API's answer is passed on and the key stays in use.
///
/// # Example
///
/// ```
/// use auth_core::{ApiKey, Authenticator, Origins, Scheme, SecretEnv};
/// use http::HeaderName;
///
/// # fn main() -> Result<(), auth_core::Error> {
/// let key = ApiKey::new(SecretEnv::new("EXAMPLE_API_KEY"));
/// let authenticator = Authenticator::builder(key, Origins::new(["https://api.example.com"])?)
///     .vendor("example")
///     .scheme(Scheme::header(HeaderName::from_static("x-api-key"))?)
///     .build()?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct ApiKey {
    key: SharedSecretSource,
    field: &'static str,
}

impl ApiKey {
    /// Sends what this source gives.
    pub fn new(key: impl SecretSource) -> Self {
        Self {
            key: SharedSecretSource::new(key),
            field: "api_key",
        }
    }

    /// Sets what the key is called in errors; default `api_key`.
    #[must_use]
    pub fn field(self, name: &'static str) -> Self {
        Self {
            field: name,
            ..self
        }
    }
}

impl TokenSource for ApiKey {
    async fn fetch(&self, _: TokenRequest) -> Result<AccessToken, Error> {
        let key = self.key.read().await?;
        if key.is_empty() {
            return Err(Error::config(self.field, "the key that was read is empty"));
        }
        if !key.expose().bytes().all(|byte| byte.is_ascii_graphic()) {
            let problem = "the key that was read has characters that no header may carry";
            return Err(Error::config(self.field, problem));
        }
        Ok(AccessToken::permanent(key))
    }
}
