//! Authenticators with a cached token.

use std::{sync::LazyLock, time::Duration};

use auth_core::{
    AccessToken, Authenticator, AuthenticatorBuilder, Error, Origins, Secret, TokenRequest,
    TokenSource,
};

/// A fake access token of this many bytes.
pub(crate) fn token(bytes: usize) -> String {
    "fake-token-".chars().cycle().take(bytes).collect()
}

/// Makes a builder of an authenticator whose tokens have this many bytes and outlive every
/// measurement.
pub(crate) fn builder(bytes: usize) -> AuthenticatorBuilder {
    builder_to(bytes, origins())
}

/// The same, for other origins.
pub(crate) fn builder_to(bytes: usize, origins: Origins) -> AuthenticatorBuilder {
    Authenticator::builder(Repeated(token(bytes).into()), origins)
}

/// The origins of the vendor's API, which all keys share.
pub(crate) fn origins() -> Origins {
    static ORIGINS: LazyLock<Origins> =
        LazyLock::new(|| Origins::new(["https://api.example.com"]).expect("a valid origin"));
    ORIGINS.clone()
}

/// Builds an authenticator and waits for its token.
pub(crate) fn warm(builder: AuthenticatorBuilder) -> Authenticator {
    let authenticator = builder.build().expect("valid settings");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("a runtime");
    runtime
        .block_on(authenticator.token())
        .expect("the source always has a token");
    authenticator
}

/// Returns the same token to each token request.
pub(crate) struct Repeated(pub(crate) Secret);

impl TokenSource for Repeated {
    async fn fetch(&self, _: TokenRequest) -> Result<AccessToken, Error> {
        Ok(AccessToken::new(self.0.clone()).expires_in(Duration::from_secs(24 * 3600)))
    }
}
