use std::time::Duration;

use auth_core::{
    AccessToken, Credentials, Error, RejectedPart, Secret, SecretSource, SharedSecretSource,
    TokenRequest, TokenSource,
};
use auth_oauth2::{Client, ReplyRules, ResourceOwnerPassword};
use http::StatusCode;

use crate::KayzenBuilder;

pub(crate) const VENDOR: &str = "kayzen";

/// The lifetime of a token by the vendor's page, for a reply that does not state it.
const LIFETIME: Duration = Duration::from_secs(30 * 60);

/// The vendor's words for a wrong login, where other vendors say `invalid_client` or
/// `invalid_grant`.
const WRONG_LOGIN: [&str; 3] = [
    "Authentication error",
    "Invalid API Key",
    "Invalid login credentials",
];

/// Makes the password grant as Kayzen expects it.
pub(crate) fn new(settings: KayzenBuilder) -> Result<KayzenSource, Error> {
    let rules = ReplyRules::new()
        .allow_missing_token_type()
        .description_member("message")
        .credential_codes(WRONG_LOGIN)
        .default_lifetime(LIFETIME);
    let client = Client::builder(settings.token_url, settings.api_key, settings.transport)
        .secret(ApiSecret(settings.api_secret))
        .vendor(VENDOR)
        .client_auth(settings.client_auth)
        .body_format(settings.body_format)
        .reply_rules(rules)
        .danger_http_hosts(settings.http)
        .clock(settings.options.shared_clock())
        .build()?;
    let grant = client.password(settings.email, settings.password)?;
    // The vendor has no refresh tokens.
    Ok(KayzenSource(grant.refresh_tokens(false)))
}

/// The password grant, with advice in its rejections.
pub(crate) struct KayzenSource(ResourceOwnerPassword);

impl TokenSource for KayzenSource {
    async fn fetch(&self, token_request: TokenRequest) -> Result<AccessToken, Error> {
        self.0.fetch(token_request).await.map_err(explained)
    }

    async fn credentials(&self) -> Result<Credentials, Error> {
        self.0.credentials().await
    }
}

/// Adds to a rejected login what the operator can check.
fn explained(error: Error) -> Error {
    if !is_rejected_login(&error) {
        return error;
    }
    error.with_advice("check API key and secret, e-mail and password")
}

/// Unknown words count as a rejected login, to be safe, but the error does not blame the login.
fn is_rejected_login(error: &Error) -> bool {
    let known = error.code().is_some_and(|code| {
        matches!(code, "invalid_client" | "invalid_grant") || WRONG_LOGIN.contains(&code)
    });
    let unauthorized = error.status() == Some(StatusCode::UNAUTHORIZED);
    error.rejected_part() == Some(RejectedPart::Credentials) && (known || unauthorized)
}

/// Names the setting of this crate, not the one of the grant, if the secret is read as empty.
struct ApiSecret(SharedSecretSource);

impl SecretSource for ApiSecret {
    async fn read(&self) -> Result<Secret, Error> {
        let secret = self.0.read().await?;
        if secret.is_empty() {
            Err(Error::config(
                "api_secret",
                "the secret that was read is empty; check its source",
            ))
        } else {
            Ok(secret)
        }
    }

    fn fixed(&self) -> Option<&Secret> {
        self.0.fixed()
    }

    fn check(&self) -> Result<(), Error> {
        self.0.check()
    }
}

#[cfg(test)]
mod tests;
