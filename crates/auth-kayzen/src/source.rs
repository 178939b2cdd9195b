use std::{error::Error as _, time::Duration};

use auth_core::{
    AccessToken, CredentialMark, Error, ErrorKind, Exchange, Secret, SecretSource,
    SharedSecretSource, SharedTransport, TokenSource,
};
use auth_oauth2::{ReplyRules, ResourceOwnerPassword};
use http::StatusCode;

use crate::KayzenBuilder;

pub(crate) const VENDOR: &str = "kayzen";

/// How long tokens live by the vendor's page, for a reply that does not say.
const LIFETIME: Duration = Duration::from_secs(30 * 60);

/// Makes the password grant as Kayzen wants it.
pub(crate) fn new(
    settings: KayzenBuilder,
    transport: SharedTransport,
) -> Result<KayzenSource, Error> {
    let rules = ReplyRules::new()
        .allow_missing_token_type()
        .default_lifetime(LIFETIME);
    let grant = ResourceOwnerPassword::builder(
        settings.token_url,
        settings.api_key,
        ApiSecret(settings.api_secret),
        settings.email,
        settings.password,
        transport,
    )
    .vendor(VENDOR)
    .client_auth(settings.client_auth)
    .body_format(settings.body_format)
    .reply_rules(rules)
    // The vendor has none.
    .refresh_tokens(false)
    .clock(settings.clock);
    let grant = match settings.http_loopback {
        true => grant.danger_allow_http_loopback(),
        false => grant,
    };
    Ok(KayzenSource(grant.build()?))
}

/// The password grant, whose refusals say what to check.
pub(crate) struct KayzenSource(ResourceOwnerPassword);

impl TokenSource for KayzenSource {
    async fn fetch(&self, exchange: Exchange) -> Result<AccessToken, Error> {
        self.0.fetch(exchange).await.map_err(explained)
    }

    async fn credential_changed(&self) -> bool {
        self.0.credential_changed().await
    }

    async fn credential(&self) -> Option<CredentialMark> {
        self.0.credential().await
    }
}

/// Adds to a refused login what a person can do about it.
fn explained(error: Error) -> Error {
    if !is_refused_login(&error) {
        return error;
    }
    let message = format!(
        "{error}; check API key and secret, e-mail and password: the vendor does not say which \
         are wrong"
    );
    let mut explained = Error::new(error.kind(), message);
    if let Some(code) = error.code() {
        explained = explained.with_code(code.to_owned());
    }
    if let Some(status) = error.status() {
        explained = explained.with_status(status);
    }
    match cause(&error) {
        Some(cause) => explained.with_source(cause.clone()),
        None => explained,
    }
}

/// Other refusals say nothing about the credentials: a redirect, a 404, a place of secrets that is
/// closed. That one does not name the vendor.
fn is_refused_login(error: &Error) -> bool {
    let of_the_vendor = error.to_string().starts_with(VENDOR);
    if error.kind() != ErrorKind::Rejected || !of_the_vendor {
        return false;
    }
    let standard = matches!(error.code(), Some("invalid_client" | "invalid_grant"));
    let unauthorized = error.status() == Some(StatusCode::UNAUTHORIZED);
    match cause(error) {
        Some(cause) => standard || unauthorized || is_refused_login(cause),
        // Nobody was asked, because logins have stopped for what other processes were told.
        None => standard || unauthorized || error.status().is_none(),
    }
}

/// What the vendor said last, where logins have stopped for it.
fn cause(error: &Error) -> Option<&Error> {
    error.source()?.downcast_ref()
}

/// Names the setting of this crate, not the grant's, if the secret that was read is empty.
struct ApiSecret(SharedSecretSource);

impl SecretSource for ApiSecret {
    async fn read(&self) -> Result<Secret, Error> {
        let secret = self.0.read().await?;
        match secret.is_empty() {
            true => Err(Error::config(
                "api_secret",
                "the secret that was read is empty",
            )),
            false => Ok(secret),
        }
    }

    fn fixed(&self) -> Option<&Secret> {
        self.0.fixed()
    }
}

#[cfg(test)]
mod tests;
