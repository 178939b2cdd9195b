//! Both of the vendor's servers in memory, under the vendor's own URLs, and a record of all
//! requests.

#![allow(dead_code, reason = "each test file uses a part of it")]

use std::{sync::Arc, time::Duration};

use auth_core::{AuthenticatorOptions, Secret};
use auth_kaizen::{Central, East, Kaizen, KaizenBuilder, LegacyEndpoint, Region, RegionName};
use auth_testkit::{Recorder, SentRequest, TestServer, VirtualClock};
use auth_tower::AuthLayer;
use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use tower::{Layer as _, ServiceExt as _};

pub(crate) const DAY: Duration = Duration::from_secs(24 * 3600);
pub(crate) const BUILDINGS: &str = "/api/v3/buildings?page_size=100&page=1";

#[derive(Clone)]
pub(crate) struct Vendor(Arc<Servers>);

struct Servers {
    central: TestServer,
    east: TestServer,
    clock: VirtualClock,
    /// The vendor's own URLs.
    urls: Recorder,
}

impl Vendor {
    pub(crate) fn new() -> Self {
        let clock = VirtualClock::new();
        let server = |region: RegionName| {
            TestServer::builder()
                .name(region.as_str())
                .client(client_id(region), client_secret(region))
                .client_auth([auth_testkit::ClientAuth::Post])
                .two_origins()
                .token_lifetime(30 * DAY)
                .clock(&clock)
                .in_memory()
        };
        let (central, east) = (server(RegionName::Central), server(RegionName::East));
        let mut urls = Recorder::new()
            .route(Central::BASE_URL, &central, central.origin())
            .route(East::BASE_URL, &east, east.origin());
        for (token_url, server) in [
            (Central::TOKEN_URL, &central),
            (LegacyEndpoint::ApiHost.url(), &central),
            (LegacyEndpoint::LoginGlobal.url(), &central),
            (East::TOKEN_URL, &east),
        ] {
            urls = urls.route(token_url, server, server.token_url());
        }
        Self(Arc::new(Servers {
            central,
            east,
            clock: clock.clone(),
            urls,
        }))
    }

    pub(crate) fn of<R: Region>(&self) -> &TestServer {
        match R::NAME {
            RegionName::East => &self.0.east,
            _ => &self.0.central,
        }
    }

    /// A user's settings: the right credentials and only defaults.
    pub(crate) fn settings<R: Region>(&self) -> KaizenBuilder<R> {
        let secret = Secret::new(client_secret(R::NAME));
        Kaizen::builder(client_id(R::NAME), secret, self.urls()).options(self.options())
    }

    /// Options for the tests: with the servers' clock.
    pub(crate) fn options(&self) -> AuthenticatorOptions {
        AuthenticatorOptions::new().clock(self.0.clock.clone())
    }

    /// GETs a URL through the layer, and returns the status.
    pub(crate) async fn get<R: Region>(&self, kaizen: &Kaizen<R>, url: &str) -> u16 {
        let client = AuthLayer::new(kaizen.authenticator().clone()).layer(self.urls());
        let request = Request::get(url).header("accept", "application/json");
        let request = request.body(Full::<Bytes>::default()).unwrap();
        client.oneshot(request).await.unwrap().status().as_u16()
    }

    /// GETs the buildings of this server.
    pub(crate) async fn buildings<R: Region>(&self, kaizen: &Kaizen<R>) -> u16 {
        self.get(kaizen, &buildings_url::<R>()).await
    }

    /// The transport to the vendor's own URLs.
    pub(crate) fn urls(&self) -> Recorder {
        self.0.urls.clone()
    }

    pub(crate) fn sent(&self) -> Vec<SentRequest> {
        self.0.urls.sent()
    }
}

pub(crate) fn buildings_url<R: Region>() -> String {
    format!("{}{BUILDINGS}", R::BASE_URL)
}

pub(crate) fn client_id(region: RegionName) -> String {
    format!("fake-client-{region}")
}

/// The secret has characters that a form encodes.
pub(crate) fn client_secret(region: RegionName) -> String {
    format!("fake-secret/1+{region}")
}
