//! Controls: the same redirects in stacks with mistakes. Here credentials leak and orders are sent
//! twice, which shows that the other tests would notice both.

use auth_reqwest::ReqwestService;
use auth_testkit::{ForeignServer, Reply};
use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use tower::ServiceExt;

use crate::{
    STATUSES,
    kinds::{KINDS, Kind},
    stacks::{Http, bare, below, hyper, middleware, unguarded},
};

#[tokio::test]
async fn without_the_guard_a_follower_below_sends_custom_headers_to_other_origins() {
    for kind in KINDS {
        leaks(kind, |home| unguarded(kind.authenticator(home), hyper())).await;
    }
}

#[tokio::test]
async fn reqwests_default_policy_sends_custom_headers_to_other_origins() {
    for kind in KINDS {
        leaks(kind, |home| {
            let client = below(ReqwestService::danger_from_client(reqwests_own()));
            bare(kind.authenticator(home), client)
        })
        .await;
        leaks(kind, |home| {
            middleware(kind.authenticator(home), reqwests_own())
        })
        .await;
    }
}

/// A reqwest client with its default settings.
fn reqwests_own() -> reqwest::Client {
    let client = reqwest::Client::builder().no_proxy().tls_certs_only([]);
    client.build().unwrap()
}

/// Asserts that the other origin receives every credential header except `Authorization`.
async fn leaks(kind: Kind, build: impl FnOnce(&str) -> Http) {
    let (home, foreign) = (ForeignServer::start().await, ForeignServer::start().await);
    let http = build(home.origin());
    for status in STATUSES {
        foreign.reset();
        home.script().then(Reply::redirect(status, &foreign.url()));
        let request = Request::get(home.url()).body(Full::<Bytes>::default());
        let last = http.clone().oneshot(request.unwrap()).await.unwrap();
        assert_eq!((last, foreign.requests()), (200, 1));
        let seen = foreign.secrets_seen(kind.secrets());
        assert_eq!(seen.len(), kind.custom(), "{status} {kind:?}");
    }
}
