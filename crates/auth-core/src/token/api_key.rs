use crate::{AccessToken, Error, SecretSource, SharedSecretSource, TokenRequest, TokenSource};

/// A [`TokenSource`] without token requests: an API key, or another credential that is sent
/// unchanged.
///
/// The key is read once, when the first request needs it. When the API refuses a request, the key
/// is read again in the background. If the key has changed, the request is sent once more with the
/// new key. If not, the caller gets the API's answer and the key stays in use.
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
    /// Makes a source that sends the key of this secret source.
    pub fn new(key: impl SecretSource) -> Self {
        Self {
            key: SharedSecretSource::new(key),
            field: "api_key",
        }
    }

    /// Sets the name of the key in errors. Default: `api_key`.
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
            return Err(Error::config(
                self.field,
                "is empty; set the key that the vendor issued",
            ));
        }
        if !key.expose().bytes().all(|byte| byte.is_ascii_graphic()) {
            let problem = "contains characters that no header may carry; use visible ASCII";
            return Err(Error::config(self.field, problem));
        }
        Ok(AccessToken::permanent(key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ErrorKind, Secret, TokenRequestReason};

    #[tokio::test]
    async fn a_key_that_no_header_may_carry_is_an_error_on_its_field() {
        for key in ["", "fake key", "fake-key\n", "fake-k\u{e9}y"] {
            let source = || ApiKey::new(Secret::new(key));
            for (source, field) in [
                (source(), "api_key"),
                (source().field("webhook_key"), "webhook_key"),
            ] {
                let request = TokenRequest::new(TokenRequestReason::Needed);
                let error = source.fetch(request).await.unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Config);
                assert_eq!(error.field(), Some(field), "{key:?}");
            }
        }
    }
}
