use std::time::Duration;

use super::{
    Vendor,
    stand::{Stand, pass},
};
use crate::{Gate, Reply};

/// Requests are signed as the vendor requires, each is sent once, and one token request serves all.
///
/// # Panics
///
/// If the promise is broken.
pub async fn requests_share_a_credential<V: Vendor>() {
    let stand = Stand::new::<V>();
    for _ in 0..5 {
        stand.get_at_once().await;
    }
    stand
        .expect_token_requests::<V>(1, "one token request serves all requests")
        .await;
    let seen = stand.server.counters();
    assert_eq!((seen.api_requests, seen.api_status(200)), (5, 5));
    assert_eq!((seen.token_in_flight, seen.stray_requests), (0, 0));
}

/// Many callers at the same time without a cached credential: one token request serves all.
///
/// # Panics
///
/// If the promise is broken.
pub async fn cold_callers_share_one_token_request<V: Vendor>() {
    let stand = Stand::new::<V>();
    let gate = Gate::new();
    if V::FETCHES {
        let held = Reply::normal().answer_after(&gate);
        stand.server.token().then(held);
    }
    let mut callers = Vec::new();
    for _ in 0..32 {
        let url = format!("{}{}", stand.server.api_url(), V::path());
        let call = stand.send(stand.server.service(), &url, http::HeaderMap::new());
        callers.push(tokio::spawn(call));
    }
    if V::FETCHES {
        gate.reached(1).await;
        pass(Duration::from_millis(1)).await;
        assert_eq!(stand.server.counters().api_requests, 0);
        gate.open();
    }
    for caller in callers {
        match caller.await {
            Ok(Ok(response)) => assert_eq!(response.status(), 200),
            other => panic!("one of many cold callers: {other:?}"),
        }
    }
    stand
        .expect_token_requests::<V>(1, "one token request serves all cold callers")
        .await;
    assert!(stand.server.counters().max_token_in_flight <= 1);
}

/// No token is sent after its expiry: after a long pause the first request causes a token request,
/// and steady traffic is never refused, with about one token request per lifetime. A credential
/// without expiry is used without end.
///
/// # Panics
///
/// If the promise is broken.
pub async fn nothing_is_sent_past_its_end<V: Vendor>() {
    let stand = Stand::new::<V>();
    let lifetime = stand.server.token_lifetime();
    stand.get_at_once().await;
    for (silence, token_requests) in [(1, 2), (20, 3)] {
        pass(lifetime * silence).await;
        stand.get_at_once().await;
        stand
            .expect_token_requests::<V>(token_requests, "a pause costs one token request")
            .await;
    }
    let before = stand.token_requests::<V>();
    for _ in 0..96 {
        pass(lifetime / 32).await;
        stand.get_at_once().await;
    }
    let more = stand.token_requests::<V>() - before;
    let expected = if V::FETCHES { 2..=5 } else { 0..=0 };
    assert!(
        expected.contains(&more),
        "{more} token requests in three lifetimes"
    );
    let refused = stand
        .server
        .token_uses()
        .iter()
        .any(|used| used.refused > 0);
    assert!(!refused, "a token was sent after its expiry");
}
