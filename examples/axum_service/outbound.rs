//! The API that the service calls, and the token that it uses.

use std::{sync::Arc, time::Duration};

use auth_core::{
    Authenticator, AuthenticatorMap, AuthenticatorOptions, Error, Health, Key, KeyPart, MapHealth,
    Origins, Secret, SharedClock, SharedTransport, TokenRequestLimit,
};
use auth_metrics::MetricsObserver;
use auth_oauth2::Client;
use auth_tower::{Auth, AuthLayer, KeyedAuth};
use axum::body::Body;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use tower::{BoxError, Layer, Service, ServiceBuilder, ServiceExt, util::BoxCloneSyncService};

use crate::{inbound::User, journal::Journal};

/// Any HTTP client.
pub(crate) type Http = BoxCloneSyncService<Request<Full<Bytes>>, Response<Body>, BoxError>;

/// Gives a client a deadline for each send, and forgets which client it is.
pub(crate) fn http<S, B>(client: S) -> Http
where
    S: Service<Request<Full<Bytes>>, Response = Response<B>> + Clone + Send + Sync + 'static,
    S::Future: Send + 'static,
    S::Error: Into<BoxError>,
    B: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    let client = ServiceBuilder::new()
        .map_response(|response: Response<B>| response.map(Body::new))
        .timeout(SEND)
        .service(client);
    BoxCloneSyncService::new(client)
}

pub(crate) struct Settings {
    pub(crate) token_url: String,
    pub(crate) client_id: String,
    pub(crate) client_secret: Secret,
    pub(crate) api_url: String,
    /// Where tokens may go: the API's origin.
    pub(crate) origins: Origins,
    /// To the token endpoint: never through a client that signs.
    pub(crate) transport: SharedTransport,
    /// On how much the token endpoint is asked, for all users together.
    pub(crate) limit: TokenRequestLimit,
    /// Of how many users tokens are kept.
    pub(crate) max_users: usize,
    pub(crate) clock: SharedClock,
    /// Is told what happens to all tokens.
    pub(crate) journal: Arc<Journal>,
}

/// The API behind, as this service sees it.
#[derive(Clone)]
pub(crate) struct Outbound {
    itself: Authenticator,
    users: AuthenticatorMap,
    as_itself: Auth<Http>,
    as_user: KeyedAuth<Http>,
    /// What all users' keys have in common.
    client: (String, String),
    api_url: String,
}

/// What the API answered, or why it was not asked.
pub(crate) type Answer = Result<Response<Body>, auth_tower::Error<BoxError>>;

impl Outbound {
    pub(crate) fn new(settings: Settings, http: Http) -> Result<Self, Error> {
        let client = (settings.token_url.clone(), settings.client_id.clone());
        let api_url = settings.api_url.clone();
        let oauth = oauth(&settings)?;
        let itself = itself(&settings, &oauth)?;
        let users = users(settings, oauth)?;
        Ok(Self {
            as_itself: AuthLayer::new(itself.clone()).layer(http.clone()),
            as_user: AuthLayer::keyed(users.clone()).layer(http),
            itself,
            users,
            client,
            api_url,
        })
    }

    /// Asks the API as the service itself.
    pub(crate) async fn get(&self, path: &str) -> Answer {
        let request = self.request(path);
        self.as_itself.clone().oneshot(request).await
    }

    /// Asks the API on behalf of a user.
    pub(crate) async fn get_as(&self, user: &User, path: &str) -> Answer {
        let mut request = self.request(path);
        request.extensions_mut().insert(self.key(user));
        self.as_user.clone().oneshot(request).await
    }

    /// Forgets a user's token: they have signed out, or their own token has expired.
    pub(crate) fn forget(&self, user: &User) {
        self.users.remove(&self.key(user));
    }

    pub(crate) async fn warm_up(&self) -> Result<(), Error> {
        self.itself.warm_up().await
    }

    pub(crate) fn health(&self) -> Health {
        self.itself.health()
    }

    /// How the users' tokens do, and which five do worst.
    pub(crate) fn users_health(&self) -> MapHealth {
        self.users.health(5)
    }

    /// Everything that the user's authenticator is made of.
    fn key(&self, user: &User) -> Key {
        let (token_url, client_id) = &self.client;
        Key::builder(VENDOR)
            .issuer(token_url)
            .client(client_id)
            .subject(&user.token)
            .extra(EXPIRES, user.expires.as_secs().to_string())
            .build()
    }

    fn request(&self, path: &str) -> Request<Full<Bytes>> {
        let request = Request::get(format!("{}{path}", self.api_url));
        request.body(Full::default()).expect("a path of our own")
    }
}

/// The service as a client of the authorization server: for itself and for all users.
fn oauth(settings: &Settings) -> Result<Client, Error> {
    let (url, transport) = (&settings.token_url, settings.transport.clone());
    let builder = Client::builder(url, &settings.client_id, transport)
        .secret(settings.client_secret.clone())
        .vendor(VENDOR)
        .clock(settings.clock.clone());
    // The fake vendor's URL says so.
    if url.starts_with("http:") {
        return builder.danger_allow_http(url)?.build();
    }
    builder.build()
}

/// What the service's own authenticator and those of the users have in common.
fn options(settings: &Settings) -> AuthenticatorOptions {
    AuthenticatorOptions::new()
        .clock(settings.clock.clone())
        .observer((Arc::clone(&settings.journal), MetricsObserver::new()))
}

fn itself(settings: &Settings, oauth: &Client) -> Result<Authenticator, Error> {
    Authenticator::builder(oauth.client_credentials(), settings.origins.clone())
        .vendor(VENDOR)
        .options(options(settings).label("itself"))
        .build()
}

fn users(settings: Settings, oauth: Client) -> Result<AuthenticatorMap, Error> {
    let (max_users, clock) = (settings.max_users, settings.clock.clone());
    let options = options(&settings)
        .limit(settings.limit.clone())
        // One label for all users: no metric and no log line names one.
        .label("user")
        // One user is never on many threads at once.
        .shards(1);
    let make = move |key: &Key| {
        let nobody = || Error::config("subject", "is missing in the key");
        let subject = key.subject().ok_or_else(nobody)?;
        let expires = key.get(KeyPart::Extra(EXPIRES)).unwrap_or_default();
        let expires = Duration::from_secs(expires.parse().unwrap_or(0));
        let now = settings.clock.now().since_unix_epoch();
        // Nothing that is had for the user's token outlives it.
        let source = oauth
            .token_exchange(subject)?
            .subject_expires_in(expires.saturating_sub(now));
        Authenticator::builder(source, settings.origins.clone())
            .vendor(VENDOR)
            .options(options.clone())
            .build()
    };
    AuthenticatorMap::builder(make)
        .max_entries(max_users)
        .clock(clock)
        .build()
}

const VENDOR: &str = "example";
const EXPIRES: &str = "exp";
/// For one send of a request, without the wait for a token.
const SEND: Duration = Duration::from_secs(10);
