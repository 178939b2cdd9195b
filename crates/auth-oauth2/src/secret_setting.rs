//! Settings that are secrets: checked when they are set, read before each token request.

use auth_core::{Error, Secret, SecretSource as _, SharedSecretSource, TokenRequestOutcome};

/// Checks a secret as far as it is known before it is read.
pub(crate) fn check(field: &'static str, source: &SharedSecretSource) -> Result<(), Error> {
    if source.fixed().is_some_and(Secret::is_empty) {
        return Err(Error::config(field, "must not be empty"));
    }
    source.check()
}

/// Reads a secret that must not be empty. Nothing is sent without it.
pub(crate) async fn read(
    field: &'static str,
    source: &SharedSecretSource,
) -> Result<Secret, Error> {
    let secret = source.read().await;
    let secret = secret.map_err(|error| error.with_outcome(TokenRequestOutcome::NotSent))?;
    if secret.is_empty() {
        return Err(Error::config(field, "the secret that was read is empty"));
    }
    Ok(secret)
}
