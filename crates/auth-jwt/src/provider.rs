use auth_core::Error;
use jsonwebtoken::crypto::CryptoProvider;

/// Returns the provider that the program installed in `jsonwebtoken`, otherwise the one of this
/// crate's features. Never panics, with any features that other crates enable.
pub(crate) fn provider() -> Result<&'static CryptoProvider, Error> {
    let own = of_features();
    CryptoProvider::try_get_default().or(own).ok_or_else(|| {
        let problem = "no cryptography is chosen; enable the feature `aws-lc-rs` or \
                       `rust-crypto` of the crate `auth-jwt`";
        Error::config("cargo features", problem)
    })
}

#[cfg(feature = "aws-lc-rs")]
fn of_features() -> Option<&'static CryptoProvider> {
    Some(&jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER)
}

#[cfg(all(feature = "rust-crypto", not(feature = "aws-lc-rs")))]
fn of_features() -> Option<&'static CryptoProvider> {
    Some(&jsonwebtoken::crypto::rust_crypto::DEFAULT_PROVIDER)
}

#[cfg(not(any(feature = "aws-lc-rs", feature = "rust-crypto")))]
fn of_features() -> Option<&'static CryptoProvider> {
    None
}
