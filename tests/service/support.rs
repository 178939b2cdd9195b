//! The service and the vendor behind it, without sockets.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use auth_core::{Origins, Secret, SharedTransport, TokenRequestLimit};
use auth_testkit::{TestServer, VirtualClock, assert_no_secret};
use axum::{Router, body::Body};
use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode, header};
use http_body_util::BodyExt;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use tower::ServiceExt;

use crate::{
    journal::Journal,
    outbound::{Outbound, Settings, http},
    service::{self, Operator},
    vendor::{self, TokenRequest},
};

pub(crate) const SECOND: Duration = Duration::from_secs(1);
pub(crate) const MINUTE: Duration = Duration::from_secs(60);

pub(crate) struct World {
    pub(crate) vendor: TestServer,
    pub(crate) clock: VirtualClock,
    pub(crate) outbound: Outbound,
    router: Router,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with_room(1_000)
    }

    /// With room for the tokens of this number of users.
    pub(crate) fn with_room(max_users: usize) -> Self {
        let clock = VirtualClock::new();
        // Before the first token request.
        let metrics = prometheus();
        let journal = Arc::new(Journal::default());
        let vendor = TestServer::builder()
            .vendor(TokenRequest::default())
            .clock(&clock)
            .in_memory();
        let settings = Settings {
            token_url: vendor.token_url(),
            client_id: vendor.client_id().to_owned(),
            client_secret: Secret::new(vendor.client_secret()),
            api_url: vendor.api_url(),
            origins: Origins::new([vendor.origin()]).unwrap(),
            transport: SharedTransport::new(vendor.transport()),
            limit: TokenRequestLimit::new(8).unwrap(),
            max_users,
            clock: clock.clone().into(),
            journal: Arc::clone(&journal),
        };
        let outbound = Outbound::new(settings, http(vendor.service())).unwrap();
        let verify = Arc::new(vendor::expiry_of);
        let router = service::router(
            outbound.clone(),
            verify,
            clock.clone().into(),
            Operator { journal, metrics },
        );
        Self {
            vendor,
            clock,
            outbound,
            router,
        }
    }

    pub(crate) fn rules(&self) -> &TokenRequest {
        self.vendor.rules().unwrap()
    }

    /// A user's token that is valid for this time.
    pub(crate) fn token(&self, user: &str, lifetime: Duration) -> Secret {
        vendor::token_of(user, self.clock.world_wall() + lifetime)
    }

    pub(crate) fn router(&self) -> Router {
        self.router.clone()
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        call(self.router(), path, None).await
    }

    pub(crate) async fn get_as(&self, token: &Secret) -> Answer {
        call(self.router(), "/my/things", Some(token)).await
    }

    /// Holds a text to have no secret of the vendor's, and no token of these users'.
    #[track_caller]
    pub(crate) fn assert_no_secret(&self, text: impl AsRef<[u8]>, tokens: &[&Secret]) {
        let mut secrets = self.vendor.expose_secrets();
        secrets.extend(tokens.iter().map(|token| token.expose().to_owned()));
        assert_no_secret(text, &secrets);
    }
}

/// The one recorder of metrics that all tests of this process write into.
pub(crate) fn prometheus() -> PrometheusHandle {
    static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();
    let install = || PrometheusBuilder::new().install_recorder().unwrap();
    HANDLE.get_or_init(install).clone()
}

/// What a caller of the service gets.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Whose token the API got.
    #[track_caller]
    pub(crate) fn subject(&self) -> String {
        assert_eq!(self.status, StatusCode::OK, "{self:?}");
        let body: serde_json::Value = serde_json::from_str(&self.body).unwrap();
        body["subject"].as_str().unwrap().to_owned()
    }
}

pub(crate) async fn call(router: Router, path: &str, token: Option<&Secret>) -> Answer {
    let mut request = Request::get(path);
    if let Some(token) = token {
        request = request.header(header::AUTHORIZATION, format!("Bearer {}", token.expose()));
    }
    send(router, request.body(Body::empty()).unwrap()).await
}

pub(crate) async fn send(router: Router, request: Request<Body>) -> Answer {
    let (parts, body) = router.oneshot(request).await.unwrap().into_parts();
    let body: Bytes = body.collect().await.unwrap().to_bytes();
    Answer {
        status: parts.status,
        headers: parts.headers,
        body: String::from_utf8(body.to_vec()).unwrap(),
    }
}
