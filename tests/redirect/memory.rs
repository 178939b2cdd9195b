//! Redirects that loopback sockets cannot serve: from `https` to `http`, and between host names.

use auth_testkit::{ForeignServer, Reply, TestServer};
use bytes::Bytes;
use http::{Request, Uri};
use http_body_util::Full;
use tower::ServiceExt;

use crate::{
    STATUSES,
    kinds::KINDS,
    stacks::{Below, below, inside, outside, unguarded},
};

const TARGETS: [&str; 8] = [
    "http://api.test/",
    "http://api.test:443/",
    "https://api.test:80/",
    "https://api.test:8443/",
    "https://sub.api.test/",
    "https://test/",
    "https://api.test./",
    "https://api.test.evil.test/",
];

/// The permitted origin is `https://api.test`; every other origin is one foreign server.
struct Network {
    home: ForeignServer,
    elsewhere: ForeignServer,
    client: Below,
}

impl Network {
    fn new() -> Self {
        let home = ForeignServer::in_memory("api");
        let elsewhere = ForeignServer::in_memory("elsewhere");
        let service = TestServer::builder()
            .in_memory()
            .service()
            .with_foreign(&home)
            .with_foreign(&elsewhere);
        let client = service.map_request(reroute);
        Self {
            client: below(client),
            home,
            elsewhere,
        }
    }
}

fn reroute(mut request: Request<Full<Bytes>>) -> Request<Full<Bytes>> {
    let target = request.uri().to_string();
    if !target.starts_with("https://api.test/") {
        *request.uri_mut() = Uri::from_static("https://elsewhere.test/");
    }
    request
}

#[tokio::test(start_paused = true)]
async fn g12_no_redirect_to_another_scheme_or_name_carries_a_secret() {
    let mut cells = 0;
    for kind in KINDS {
        for (name, stack) in [("outside", outside as fn(_, _) -> _), ("inside", inside)] {
            for target in TARGETS {
                for status in STATUSES {
                    let network = Network::new();
                    let authenticator = kind.authenticator("https://api.test");
                    let http = stack(authenticator, network.client.clone());
                    network.home.script().then(Reply::redirect(status, target));
                    let cell = format!("{status} {target} {name} {:?}", kind.secrets());
                    let request = Request::get("https://api.test/").body(Full::default());
                    assert_eq!(http.oneshot(request.unwrap()).await.unwrap(), 200);
                    assert!(kind.signed(&network.home.recorded()[0]), "{cell}");
                    let seen = network.elsewhere.secrets_seen(kind.secrets());
                    assert_eq!(seen, [], "{cell}");
                    let came = (network.home.requests(), network.elsewhere.requests());
                    assert_eq!(came, (1, 1), "{cell}");
                    cells += 1;
                }
            }
        }
    }
    assert_eq!(cells, 3 * 2 * TARGETS.len() * STATUSES.len());
}

/// A refusal of another origin does not cause a second order at the first origin.
#[tokio::test(start_paused = true)]
async fn g14_an_order_that_was_redirected_to_another_origin_is_not_sent_again() {
    for kind in KINDS {
        for (name, stack) in [("outside", outside as fn(_, _) -> _), ("inside", inside)] {
            for target in TARGETS {
                for status in STATUSES {
                    let network = Network::new();
                    let http = stack(
                        kind.authenticator("https://api.test"),
                        network.client.clone(),
                    );
                    network.home.script().then(Reply::redirect(status, target));
                    network.elsewhere.script().then(Reply::status(401));
                    let cell = format!("{status} {target} {name} {:?}", kind.secrets());
                    let request = Request::post("https://api.test/").body(Full::from("order"));
                    assert_eq!(http.oneshot(request.unwrap()).await.unwrap(), 401, "{cell}");
                    let came = (network.home.requests(), network.elsewhere.requests());
                    assert_eq!(came, (1, 1), "{cell}");
                    let seen = network.elsewhere.secrets_seen(kind.secrets());
                    assert_eq!(seen, [], "{cell}");
                }
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn without_the_guard_a_redirected_order_is_sent_again() {
    for kind in KINDS {
        for target in TARGETS {
            let network = Network::new();
            let http = unguarded(
                kind.authenticator("https://api.test"),
                network.client.clone(),
            );
            network.home.script().then(Reply::redirect(307, target));
            let request = Request::get("https://api.test/").body(Full::default());
            assert_eq!(http.oneshot(request.unwrap()).await.unwrap(), 200);
            let seen = network.elsewhere.secrets_seen(kind.secrets());
            assert_eq!(seen.len(), kind.custom(), "{target} {kind:?}");
        }
    }
}
