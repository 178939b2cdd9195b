//! Both of the vendor's servers in memory, under the vendor's own URLs, and a record of all that is
//! sent to them.

#![allow(dead_code, reason = "each test file uses a part of it")]

use std::{
    fmt::Write as _,
    sync::{Arc, Mutex},
    time::Duration,
};

use auth_core::{AuthenticatorOptions, Error, Secret, Transport};
use auth_kaizen::{Central, East, Kaizen, KaizenBuilder, LegacyEndpoint, Region, RegionName};
use auth_testkit::{MemoryBody, MemoryError, TestServer, VirtualClock};
use auth_tower::AuthLayer;
use bytes::Bytes;
use http::{Request, Response, Uri};
use http_body_util::Full;
use tower::{Layer as _, Service, ServiceExt as _, service_fn};

pub(crate) const DAY: Duration = Duration::from_secs(24 * 3600);
pub(crate) const BUILDINGS: &str = "/api/v3/buildings?page_size=100&page=1";

#[derive(Clone)]
pub(crate) struct Vendor(Arc<Servers>);

struct Servers {
    central: TestServer,
    east: TestServer,
    clock: VirtualClock,
    sent: Mutex<Vec<Sent>>,
}

/// A request as it left the client.
#[derive(Clone)]
pub(crate) struct Sent(Request<Bytes>);

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
        Self(Arc::new(Servers {
            central: server(RegionName::Central),
            east: server(RegionName::East),
            clock: clock.clone(),
            sent: Mutex::default(),
        }))
    }

    pub(crate) fn of<R: Region>(&self) -> &TestServer {
        match R::NAME {
            RegionName::East => &self.0.east,
            _ => &self.0.central,
        }
    }

    /// Settings as a user has them: with credentials, and nothing else.
    pub(crate) fn settings<R: Region>(&self) -> KaizenBuilder<R> {
        let secret = Secret::new(client_secret(R::NAME));
        Kaizen::builder(client_id(R::NAME), secret, self.clone()).options(self.options())
    }

    /// Options as the tests need them: with the servers' clock.
    pub(crate) fn options(&self) -> AuthenticatorOptions {
        AuthenticatorOptions::new().clock(self.0.clock.clone())
    }

    /// GETs a URL through the layer, and returns the status.
    pub(crate) async fn get<R: Region>(&self, kaizen: &Kaizen<R>, url: &str) -> u16 {
        let client = AuthLayer::new(kaizen.authenticator().clone()).layer(self.http());
        let request = Request::get(url).header("accept", "application/json");
        let request = request.body(Full::<Bytes>::default()).unwrap();
        client.oneshot(request).await.unwrap().status().as_u16()
    }

    /// GETs the buildings of a server's own.
    pub(crate) async fn buildings<R: Region>(&self, kaizen: &Kaizen<R>) -> u16 {
        self.get(kaizen, &buildings_url::<R>()).await
    }

    pub(crate) fn sent(&self) -> Vec<Sent> {
        self.0.sent.lock().unwrap().clone()
    }

    /// The way to the API.
    fn http(
        &self,
    ) -> impl Service<Request<Full<Bytes>>, Response = Response<MemoryBody>, Error = MemoryError> + Clone
    {
        let this = self.clone();
        service_fn(move |request: Request<Full<Bytes>>| {
            let this = this.clone();
            async move {
                // The tests send no bodies to the API.
                let request = request.map(|_| Bytes::new());
                let (server, request) = this.arrive(request);
                server.service().oneshot(request.map(Full::new)).await
            }
        })
    }

    /// Notes a request, and turns it to the test server that stands at its URL.
    fn arrive(&self, mut request: Request<Bytes>) -> (&TestServer, Request<Bytes>) {
        self.0.sent.lock().unwrap().push(Sent(request.clone()));
        let servers = &*self.0;
        let (central, east) = (&servers.central, &servers.east);
        let url = request.uri().to_string();
        let tokens = [
            (Central::TOKEN_URL, central),
            (LegacyEndpoint::ApiHost.url(), central),
            (LegacyEndpoint::LoginGlobal.url(), central),
            (East::TOKEN_URL, east),
        ];
        if let Some((_, server)) = tokens.into_iter().find(|(known, _)| *known == url) {
            *request.uri_mut() = server.token_url().parse().unwrap();
            return (server, request);
        }
        for (origin, server) in [(Central::BASE_URL, central), (East::BASE_URL, east)] {
            if let Some(path) = url.strip_prefix(origin) {
                let url: Uri = format!("{}{path}", server.origin()).parse().unwrap();
                *request.uri_mut() = url;
                return (server, request);
            }
        }
        panic!("the vendor has nothing at {url}");
    }
}

impl Transport for Vendor {
    async fn send(
        &self,
        request: Request<Bytes>,
        max_reply: usize,
    ) -> Result<Response<Bytes>, Error> {
        let (server, request) = self.arrive(request);
        server.transport().send(request, max_reply).await
    }
}

impl Sent {
    pub(crate) fn url(&self) -> String {
        self.0.uri().to_string()
    }

    pub(crate) fn body(&self) -> String {
        String::from_utf8(self.0.body().to_vec()).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.0.headers().get(name)?.to_str().ok()
    }

    /// The whole request as text: method and URL, headers by name, body.
    pub(crate) fn text(&self) -> String {
        let mut text = format!("{} {}\n", self.0.method(), self.0.uri());
        let mut headers: Vec<_> = self.0.headers().iter().collect();
        headers.sort_by_key(|(name, _)| name.as_str());
        for (name, value) in headers {
            writeln!(text, "{name}: {}", value.to_str().unwrap()).unwrap();
        }
        let body = self.body();
        if !body.is_empty() {
            writeln!(text, "\n{body}").unwrap();
        }
        text
    }
}

pub(crate) fn buildings_url<R: Region>() -> String {
    format!("{}{BUILDINGS}", R::BASE_URL)
}

pub(crate) fn client_id(region: RegionName) -> String {
    format!("fake-client-{region}")
}

/// With characters that a form encodes.
pub(crate) fn client_secret(region: RegionName) -> String {
    format!("fake-secret/1+{region}")
}
