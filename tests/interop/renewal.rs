use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use auth_core::RefreshPolicy;
use http::StatusCode;
use serde_json::json;
use tokio::{
    join,
    time::{self, Instant},
};

use crate::{
    server::Server,
    stack::{Api, during, login},
};

pub(crate) async fn short_lifetimes() {
    let server = Server::start(&["--ttl", "3"]).await;
    let api = Api::new(&server, login(&server, "cc-basic"));

    let start = Instant::now();
    let answered = api.traffic(during(Duration::from_secs(8))).await;
    let lifetimes = start.elapsed().as_millis().div_ceil(3_000);

    let stats = server.stats().await;
    let token_requests = u128::from(stats.token_requests());
    assert!(
        (lifetimes..=lifetimes + 1).contains(&token_requests),
        "{token_requests} token requests in {lifetimes} lifetimes"
    );
    assert_eq!(stats.token_success(), stats.token_requests());
    assert_eq!(stats.resource_status(StatusCode::OK), answered);
}

pub(crate) async fn all_tokens_revoked_under_traffic() {
    let server = Server::start(&[]).await;
    let api = Api::new(&server, login(&server, "cc-basic"));
    let done = Arc::new(AtomicBool::new(false));

    let revocations = async {
        for round in 1..=2 {
            answered(&server, 100 * round).await;
            assert_eq!(server.stats().await.token_requests(), round);
            let reply = server.control(json!({"revoke_all": true})).await;
            assert_eq!(reply["revoked"], 1);
        }
        answered(&server, 300).await;
        done.store(true, Ordering::Relaxed);
    };
    let stop = Arc::clone(&done);
    let traffic = api.traffic(move || !stop.load(Ordering::Relaxed));
    let (answered, ()) = join!(traffic, revocations);

    let stats = server.stats().await;
    assert_eq!(
        stats.token_requests(),
        3,
        "one at first, one after each revocation"
    );
    assert_eq!(stats.resource_status(StatusCode::OK), answered);
    let refused = stats.resource_status(StatusCode::UNAUTHORIZED);
    assert!(
        (2..=8).contains(&refused),
        "{refused} refusals for two revocations and four tasks"
    );
}

pub(crate) async fn an_outage_while_the_token_is_usable() {
    let server = Server::start(&["--ttl", "6"]).await;
    let policy = RefreshPolicy::default().refresh_at(0.3).expect("a share");
    let api = Api::with_policy(&server, login(&server, "cc-basic"), policy);
    api.get().await.expect("a token");
    server.control(json!({"token": {"status": 503}})).await;

    let answered = api.traffic(during(Duration::from_millis(3_200))).await;

    let stats = server.stats().await;
    assert_eq!(
        stats.resource_status(StatusCode::OK),
        answered + 1,
        "nobody noticed"
    );
    assert_eq!(
        stats.resource_requests(),
        answered + 1,
        "no token was used up"
    );
    // One at the start, one that failed, one that succeeded, and the next may have started.
    let (requests, success) = (stats.token_requests(), stats.token_success());
    assert!(
        (3..=4).contains(&requests) && success >= 2,
        "{success} of {requests} token requests"
    );
}

/// Waits until the resource has answered this number of requests.
async fn answered(server: &Server, count: u64) {
    let mut pace = time::interval(Duration::from_millis(20));
    while server.stats().await.resource_status(StatusCode::OK) < count {
        pace.tick().await;
    }
}
