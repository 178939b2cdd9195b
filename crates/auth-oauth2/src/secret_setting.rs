//! Secret settings: checked when they are set, read before each token request.

use auth_core::{Error, Secret, SecretSource as _, SharedSecretSource, TokenRequestOutcome};

/// Checks a secret whose source is constant. Other secrets are checked when they are read.
pub(crate) fn check(field: &'static str, source: &SharedSecretSource) -> Result<(), Error> {
    if source.fixed().is_some_and(Secret::is_empty) {
        return Err(Error::config(field, "must not be empty"));
    }
    source.check()
}

/// Reads a secret and checks that it is not empty. The caller sends nothing after an error.
pub(crate) async fn read(
    field: &'static str,
    source: &SharedSecretSource,
) -> Result<Secret, Error> {
    let secret = source.read().await;
    let secret = secret.map_err(|error| error.with_outcome(TokenRequestOutcome::NotSent))?;
    if secret.is_empty() {
        return Err(Error::config(
            field,
            "the secret that was read is empty; check its source",
        ));
    }
    Ok(secret)
}
