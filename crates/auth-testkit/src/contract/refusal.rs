use std::time::Duration;

use super::{
    Vendor,
    stand::{Got, Stand, pass},
};

/// A token that the API refuses is replaced by one token request, and the request is sent once
/// more. A static credential has no replacement: the refusal is returned after one send, and the
/// credential stays in use.
///
/// # Panics
///
/// If the promise is broken.
pub async fn a_refusal_is_answered_by_one_renewal<V: Vendor>() {
    let stand = Stand::new::<V>();
    stand.get_at_once().await;
    if !V::FETCHES {
        stand.server.always_refuse(true);
        refused_once(&stand).await;
        stand.server.always_refuse(false);
        stand.get_at_once().await;
        return;
    }
    for token_requests in 2..=3 {
        pass(Duration::from_secs(120)).await;
        stand.server.revoke_all();
        let got = stand.get().await;
        assert!(
            matches!(
                got,
                Ok(Got {
                    status: 200,
                    sends: 2
                })
            ),
            "a revoked token is replaced once: {got:?}"
        );
        stand
            .expect_token_requests::<V>(token_requests, "one token request for one refusal")
            .await;
        stand.get_at_once().await;
    }
}

/// If an API refuses everything, the refusal is returned, after two sends at most, and at most a
/// few token requests are sent. When the API recovers, requests succeed.
///
/// # Panics
///
/// If the promise is broken.
pub async fn an_endless_refusal_is_passed_on<V: Vendor>() {
    let stand = Stand::new::<V>();
    stand.get_at_once().await;
    stand.server.always_refuse(true);
    for _ in 0..60 {
        let before = stand.server.counters().api_requests;
        match stand.get().await {
            Ok(got) => assert!((400..500).contains(&got.status), "{got:?}"),
            Err(error) => panic!("the refusal itself must be returned, not: {error}"),
        }
        let sends = stand.server.counters().api_requests - before;
        let most = if V::FETCHES { 2 } else { 1 };
        assert!((1..=most).contains(&sends), "{sends} sends");
        pass(Duration::from_secs(1)).await;
    }
    let token_requests = stand.token_requests::<V>();
    assert!(
        token_requests <= 9,
        "{token_requests} token requests in a minute of refusals"
    );
    stand.server.always_refuse(false);
    stand.recover("an endless refusal").await;
    stand.get_at_once().await;
}

/// The refusal is returned after one send.
pub(super) async fn refused_once(stand: &Stand) {
    let before = stand.server.counters().api_requests;
    match stand.get().await {
        Ok(got) => assert!((400..500).contains(&got.status), "{got:?}"),
        Err(error) => panic!("the refusal itself must be returned, not: {error}"),
    }
    let sends = stand.server.counters().api_requests - before;
    assert_eq!(sends, 1, "there is no other key to send");
}
