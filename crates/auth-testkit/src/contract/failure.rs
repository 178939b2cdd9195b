use std::time::Duration;

use auth_core::ErrorKind;

use super::{
    Vendor,
    refusal::refused_once,
    stand::{Got, Stand, pass},
};
use crate::Reply;

/// A wrong secret is a [`Rejected`](ErrorKind::Rejected) error at the first attempt, and for all
/// later callers without another attempt. It is probed a few times in an hour, or, with
/// [`LOCKOUT`](Vendor::LOCKOUT), sent twice in a day. A corrected secret is used without a restart.
/// The refusal of a static credential is returned to the caller.
///
/// # Panics
///
/// If the promise is broken.
pub async fn a_wrong_secret_is_a_terminal_error<V: Vendor>() {
    let stand = Stand::with::<V>(|_| Ok(WRONG.into()));
    if !V::FETCHES {
        for _ in 0..5 {
            refused_once(&stand).await;
        }
    } else {
        for _ in 0..10 {
            let error = stand.get_nothing().await;
            assert_eq!(error.kind(), ErrorKind::Rejected, "{error}");
            assert!(!error.is_transient());
        }
        let seen = stand.server.counters();
        assert_eq!(
            seen.failed_logins, 1,
            "the error is returned at once, without another attempt"
        );
        let (hours, most) = if V::LOCKOUT { (24, 2) } else { (1, 20) };
        for _ in 0..hours * 60 {
            pass(Duration::from_secs(60)).await;
            stand.get_nothing().await;
        }
        let failed = stand.server.counters().failed_logins;
        assert!(failed <= most, "{failed} failed logins in {hours} h");
    }
    stand.secret.set(V::right_secret(&stand.server));
    stand.recover("a wrong secret").await;
    stand.get_at_once().await;
}

/// After 429 with `Retry-After` no token request is sent before that time. A 429 of the API is not
/// about tokens, and is returned to the caller.
///
/// # Panics
///
/// If the promise is broken.
pub async fn a_throttle_is_kept_to<V: Vendor>() {
    let stand = Stand::new::<V>();
    let busy = Reply::status(429).header("retry-after", "120");
    if V::FETCHES {
        stand.server.token().then(busy.clone());
        for _ in 0..12 {
            let error = stand.get_nothing().await;
            let kind = error.kind();
            assert!(
                matches!(kind, ErrorKind::Throttled | ErrorKind::Quota),
                "{error}"
            );
            let wait = error.retry_after().unwrap_or_default();
            assert!(
                wait > Duration::ZERO && wait <= Duration::from_secs(120),
                "the error states when to retry: {wait:?}"
            );
            assert_eq!(stand.server.counters().token_requests, 1);
            pass(Duration::from_millis(9_900)).await;
        }
        pass(Duration::from_secs(10)).await;
    }
    stand.recover("a throttle").await;
    let token_requests = stand.token_requests::<V>();
    stand.server.api().then(busy);
    let got = stand.get().await;
    assert!(
        matches!(
            got,
            Ok(Got {
                status: 429,
                sends: 1
            })
        ),
        "the API's own limit: {got:?}"
    );
    stand.get_at_once().await;
    assert_eq!(stand.token_requests::<V>(), token_requests);
}

pub(super) const WRONG: &str = "wrong-fake-secret-9b2f";
