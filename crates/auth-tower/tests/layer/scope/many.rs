//! Many requests that require different scopes at the same time.

use super::*;

/// The API requires a scope of the request's query.
fn by_query() -> Api {
    Api::answering(|seen| {
        let query = seen.uri.query().unwrap_or_default();
        let wanted = query.rsplit('&').next().unwrap_or_default();
        if scope_of(seen).split(' ').any(|scope| scope == wanted) {
            return Ok(ok());
        }
        let challenge = format!(r#"Bearer error="insufficient_scope", scope="{wanted}""#);
        Ok(forbidden(403, &challenge))
    })
}

fn wants(scope: usize) -> Request<Full<Bytes>> {
    get(&format!("{URL}&s{scope}"))
}

#[tokio::test(start_paused = true)]
async fn a_scope_that_is_required_during_a_token_request_does_not_use_up_the_next_one() {
    let limits = WiderScope::any().max_requests(2);
    let world = World::permitting(Vendor::granting("read s1 s2"), limits).await;
    let gate = Gate::new();
    *world.vendor.gate.lock().unwrap() = Some(gate.clone());
    let client = AuthLayer::new(world.authenticator.clone()).layer(by_query());
    let mut requests = JoinSet::new();
    for scope in 1..=2 {
        requests.spawn(client.clone().oneshot(wants(scope)));
        settle().await;
    }
    gate.open();
    in_time(requests.join_all()).await;
    // The floor between two token requests.
    world.clock.advance(Duration::from_secs(60)).await;
    let response = in_time(client.oneshot(wants(2))).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(world.vendor.asked(), ["read", "read s1", "read s1 s2"]);
}

#[tokio::test(start_paused = true)]
async fn a_scope_that_the_quota_stops_uses_up_no_token_request() {
    let quota = Quota::new(2, HOUR).unwrap();
    let world = World::new(Vendor::granting("read a"), |options| {
        options
            .wider_scope(WiderScope::any().max_requests(1))
            .quota(quota)
    })
    .await;
    for _ in 0..20 {
        let response = world.send(&wanting(403, "a")).await;
        let outcome = AuthOutcome::of(&response);
        assert!(
            matches!(outcome.not_replayed(), Some(NotReplayed::NoToken(error))
                if error.kind() == ErrorKind::Quota),
            "{outcome:?}"
        );
    }
    assert_eq!(world.vendor.asked(), ["read"]);
}

/// Scopes that requests require. The vendor grants six of them.
const SCOPES: usize = 8;
const REQUESTS: usize = 1_000;

#[tokio::test(start_paused = true)]
async fn g03_a_thousand_requests_for_different_scopes_stay_within_the_limit_and_all_are_answered() {
    for seed in 0..20 {
        let mut random = fastrand::Rng::with_seed(seed);
        let grants = "read s0 s1 s2 s3 s4 s5";
        let world = World::permitting(Vendor::granting(grants), WiderScope::any()).await;
        let api = by_query();
        let client = AuthLayer::new(world.authenticator.clone()).layer(api.clone());
        let mut requests = JoinSet::new();
        let mut cancelled = 0;
        for number in 0..REQUESTS {
            let handle = requests.spawn(client.clone().oneshot(wants(random.usize(..SCOPES))));
            if random.u8(..) < 64 {
                if number % 2 == 0 {
                    settle().await;
                }
                handle.abort();
            }
            if random.u8(..) < 4 {
                world.clock.advance(Duration::from_secs(60)).await;
            }
        }
        while let Some(answered) = in_time(requests.join_next()).await {
            let Ok(answered) = answered else {
                cancelled += 1;
                continue;
            };
            let response = answered.unwrap();
            let is_typed = cause(&response).is_some()
                || matches!(AuthOutcome::of(&response).not_replayed(),
                    Some(NotReplayed::NoToken(error)) if matches!(error.kind(),
                        ErrorKind::Rejected | ErrorKind::Throttled | ErrorKind::Closed));
            assert!(
                response.status() == StatusCode::OK || is_typed,
                "{:?}",
                AuthOutcome::of(&response)
            );
        }
        let asked = world.vendor.asked();
        assert!(cancelled > 50, "{cancelled}");
        assert!((2..=1 + 4).contains(&asked.len()), "{asked:?}");
        // What was granted is signed with at once.
        world.clock.advance(Duration::from_secs(60)).await;
        let calls = api.calls();
        for scope in 0..SCOPES - 2 {
            let response = in_time(client.clone().oneshot(wants(scope))).await.unwrap();
            assert_eq!(response.status(), StatusCode::OK, "{scope} {asked:?}");
        }
        assert!(api.calls() - calls <= 2 * SCOPES);
    }
}
