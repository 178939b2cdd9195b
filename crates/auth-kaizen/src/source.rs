use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use auth_core::{AccessToken, Credentials, Error, Exchange, TokenSource};
use auth_oauth2::{ClientAuth, ClientCredentials};

use crate::{KaizenBuilder, LegacyEndpoint, Region};

/// Makes the client credentials grant as Kaizen wants it: the client's identity in a form, and an
/// audience where the endpoint is one of old.
pub(crate) fn new<R: Region>(
    settings: KaizenBuilder<R>,
    granted: GrantedScope,
) -> Result<KaizenSource, Error> {
    let (url, audience) = match (settings.legacy, settings.token_url) {
        (Some(legacy), _) => (legacy.url().to_owned(), LegacyEndpoint::AUDIENCE),
        (None, Some(url)) => (url, ""),
        (None, None) => (R::TOKEN_URL.to_owned(), ""),
    };
    let source = ClientCredentials::builder(
        url,
        settings.client_id,
        settings.client_secret,
        settings.transport,
    )
    .vendor(R::NAME.vendor())
    .client_auth(ClientAuth::Post)
    .audience(audience)
    .danger_http_hosts(settings.http)
    .clock(settings.options.shared_clock());
    Ok(KaizenSource {
        grant: source.build()?,
        granted,
    })
}

/// The client credentials grant, which keeps what the last token was granted.
pub(crate) struct KaizenSource {
    grant: ClientCredentials,
    granted: GrantedScope,
}

impl TokenSource for KaizenSource {
    async fn fetch(&self, exchange: Exchange) -> Result<AccessToken, Error> {
        let token = self.grant.fetch(exchange).await?;
        self.granted.set(token.granted_scope());
        Ok(token)
    }

    async fn credentials(&self) -> Result<Credentials, Error> {
        self.grant.credentials().await
    }
}

impl fmt::Debug for KaizenSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.grant, f)
    }
}

/// The scope of the last token that this process fetched; clones share it.
#[derive(Clone, Default)]
pub(crate) struct GrantedScope(Arc<Mutex<Option<Arc<str>>>>);

impl GrantedScope {
    pub(crate) fn get(&self) -> Option<Arc<str>> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn set(&self, scope: Option<&str>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = scope.map(Arc::from);
    }
}
