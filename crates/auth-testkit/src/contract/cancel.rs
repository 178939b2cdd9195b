use std::time::Duration;

use http::HeaderMap;

use super::{
    Vendor,
    stand::{Stand, pass},
};
use crate::{Gate, Reply};

/// Callers that go away while they wait change nothing: the token request that they began goes on
/// and serves the next one.
///
/// # Panics
///
/// If that is not so.
pub async fn cancelled_callers_change_nothing<V: Vendor>() {
    let stand = Stand::new::<V>();
    let gate = Gate::new();
    let held = Reply::normal().answer_after(&gate);
    if V::FETCHES {
        stand.server.token().then(held)
    } else {
        stand.server.api().times(8, held)
    };
    let url = format!("{}{}", stand.server.api_url(), V::path());
    let callers: Vec<_> = (0..8)
        .map(|_| stand.send(stand.server.service(), &url, HeaderMap::new()))
        .map(tokio::spawn)
        .collect();
    gate.reached(1).await;
    pass(Duration::from_millis(1)).await;
    for caller in callers {
        caller.abort();
        assert!(caller.await.is_err_and(|end| end.is_cancelled()));
    }
    gate.open();
    stand.get_at_once().await;
    stand
        .expect_token_requests::<V>(1, "the token request outlives its callers")
        .await;
}
