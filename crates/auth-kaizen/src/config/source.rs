use auth_core::Error;
use auth_oauth2::{Client, ClientAuth, ClientCredentials};

use crate::{KaizenBuilder, LegacyEndpoint, Region};

/// Makes the client credentials grant as Kaizen expects it: client id and secret in a form, and an
/// audience for legacy endpoints.
pub(crate) fn new<R: Region>(settings: KaizenBuilder<R>) -> Result<ClientCredentials, Error> {
    let (url, audience) = match (settings.legacy, settings.token_url) {
        (Some(legacy), _) => (legacy.url().to_owned(), LegacyEndpoint::AUDIENCE),
        (None, Some(url)) => (url, ""),
        (None, None) => (R::TOKEN_URL.to_owned(), ""),
    };
    let client = Client::builder(url, settings.client_id, settings.transport)
        .secret(settings.client_secret)
        .vendor(R::NAME.vendor())
        .client_auth(ClientAuth::Post)
        .audience(audience)
        .danger_http_hosts(settings.http)
        .clock(settings.options.shared_clock())
        .build()?;
    Ok(client.client_credentials())
}
