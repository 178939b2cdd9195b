//! The refusal back-off: no token request while new tokens are refused too.

use super::*;

#[tokio::test(start_paused = true)]
async fn g9_renewals_without_effect_start_a_refusal_back_off() {
    let world = World::warm().await;
    let api = Api::refusing();
    let mut client = world.over(api.clone());
    send(&mut client, get(URL)).await.unwrap();

    // The API may learn of the second token late: the same token is sent again.
    let response = send(&mut client, get(URL)).await.unwrap();
    let outcome = AuthOutcome::of(&response);
    assert!(matches!(outcome.not_replayed(), Some(NotReplayed::Twice)));
    assert_eq!((outcome.sends(), outcome.refused().unwrap().get()), (2, 2));
    assert_eq!(outcome.waited(), SECOND);
    assert_refusal(response, "fake-token-2").await;
    assert_eq!((api.calls(), world.source.fetches()), (4, 2));

    // After repeated refusals, it is sent only once.
    let second = world.authenticator.try_token().unwrap().generation();
    for _ in 0..4 {
        world.clock.advance(SECOND).await;
        world.authenticator.report_refused(second);
    }
    let response = send(&mut client, get(URL)).await.unwrap();
    let outcome = AuthOutcome::of(&response);
    assert!(matches!(
        outcome.not_replayed(),
        Some(NotReplayed::RefusalBackOff)
    ));
    assert_eq!((outcome.sends(), outcome.refused().unwrap().get()), (1, 2));
    assert_eq!(outcome.waited(), Duration::ZERO);
    assert_refusal(response, "fake-token-2").await;
    assert_eq!((api.calls(), world.source.fetches()), (5, 2));

    // After the trial of the token, one more renewal is tried.
    world.clock.advance(SECOND).await;
    send(&mut client, get(URL)).await.unwrap();
    assert_eq!(api.tokens()[5..], ["fake-token-2", "fake-token-3"]);
    assert_eq!(world.source.fetches(), 3);
}

#[tokio::test(start_paused = true)]
async fn g9_an_api_that_always_refuses_causes_few_token_requests() {
    let world = World::warm().await;
    let api = Api::refusing();
    let mut client = world.over(api.clone());
    for _ in 0..3600 {
        send(&mut client, get(URL)).await.unwrap();
        world.clock.advance(SECOND).await;
    }
    let (sends, fetches) = (api.calls(), world.source.fetches());
    assert!(fetches <= 10, "{fetches} token requests in an hour");
    // Some requests are sent twice with the same token while it is on trial.
    assert!(
        sends <= 3600 + 3 * fetches,
        "{sends} sends, {fetches} token requests"
    );
}

#[tokio::test(start_paused = true)]
async fn an_accepted_new_token_ends_the_refusal_back_off() {
    let world = World::warm().await;
    let api = Api::new();
    let mut client = world.over(api.clone());
    for revoked in ["fake-token-1", "fake-token-2", "fake-token-3"] {
        // Real revocations, one directly after the other.
        api.revoke(revoked);
        let response = send(&mut client, get(URL)).await.unwrap();
        assert_eq!(response.status(), 200, "{revoked}");
        assert_eq!(AuthOutcome::of(&response).sends(), 2);
    }
    assert_eq!(world.source.fetches(), 4);
}

#[tokio::test(start_paused = true)]
async fn only_an_accepted_token_ends_the_refusal_back_off() {
    // The second response says nothing about the token, or accepts it.
    for (status, fetches) in [(407, 2), (429, 2), (503, 2), (200, 3)] {
        let world = World::warm().await;
        let api = Api::answering(move |seen| {
            let mut response = unauthorized(seen);
            if seen.token() == Some("fake-token-2") && seen.headers.contains_key("x-first") {
                *response.status_mut() = StatusCode::from_u16(status).unwrap();
            }
            Ok(response)
        });
        let mut client = world.over(api.clone());
        let mut first = get(URL);
        first
            .headers_mut()
            .insert("x-first", HeaderValue::from_static("1"));
        let response = send(&mut client, first).await.unwrap();
        assert_eq!(response.status(), status);
        assert_eq!(AuthOutcome::of(&response).sends(), 2);

        let response = send(&mut client, get(URL)).await.unwrap();
        let outcome = AuthOutcome::of(&response);
        assert!(
            matches!(outcome.not_replayed(), Some(NotReplayed::Twice)),
            "{outcome:?}"
        );
        assert_eq!(world.source.fetches(), fetches, "{status}");
        // While on trial, the second token is sent again; after an acceptance, it is replaced.
        let last = format!("fake-token-{fetches}");
        assert_eq!(
            api.tokens(),
            ["fake-token-1", "fake-token-2", "fake-token-2", &last],
            "{status}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn after_a_failed_renewal_the_refusal_is_returned_unchanged() {
    let world = World::warm().await;
    // After the minimum time between two token requests.
    world.clock.advance(SECOND).await;
    let failure = Error::new(ErrorKind::Unavailable, "no answer");
    world
        .source
        .always(Outcome::error(failure).delay(3 * SECOND));
    let api = Api::refusing();
    let response = in_time(world.over(api.clone()).oneshot(get(URL)))
        .await
        .unwrap();

    let outcome = AuthOutcome::of(&response);
    let Some(NotReplayed::NoToken(error)) = outcome.not_replayed() else {
        panic!("{outcome:?}");
    };
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.retry_after().is_some());
    assert_eq!((outcome.sends(), outcome.refused().unwrap().get()), (1, 1));
    assert_eq!(outcome.generation().unwrap().get(), 1);
    assert_eq!(outcome.waited(), 3 * SECOND);
    assert_refusal(response, "fake-token-1").await;
    assert_eq!((api.calls(), api.readied()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn g5_during_the_back_off_a_late_refusal_is_returned_at_once() {
    let world = World::warm().await;
    let (service, mut handle) = mock::pair();
    let mut client = world.over(service);
    let mut start = async || tokio::spawn(start(&mut client, get(URL)).await);
    let calls = [start().await, start().await];
    let failure = Error::new(ErrorKind::Unavailable, "no answer");
    world.source.always(Outcome::error(failure));
    let mut outcomes = Vec::new();
    for call in calls {
        let (_, reply) = in_time(handle.next_request()).await.unwrap();
        reply.send_response(status(401));
        let response = in_time(call).await.unwrap().unwrap();
        let outcome = AuthOutcome::of(&response);
        assert_eq!(
            (response.status(), outcome.sends()),
            (StatusCode::UNAUTHORIZED, 1)
        );
        outcomes.push(outcome);
    }
    let Some(NotReplayed::NoToken(error)) = outcomes[0].not_replayed() else {
        panic!("{outcomes:?}");
    };
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    // The late refusal starts no renewal: the token stays in use.
    let late = &outcomes[1];
    assert!(
        matches!(late.not_replayed(), Some(NotReplayed::RefusalBackOff)),
        "{late:?}"
    );
    assert_eq!(late.waited(), Duration::ZERO);
    let token = world.authenticator.try_token().unwrap();
    assert_eq!(Some(token.generation()), late.refused());
    settle().await;
    assert_eq!(world.source.fetches(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_late_refusal_of_an_expired_token_is_returned_at_once_during_the_back_off() {
    let world = World::warm().await;
    let (service, mut handle) = mock::pair();
    let call = tokio::spawn(start(&mut world.over(service), get(URL)).await);
    let (_, reply) = in_time(handle.next_request()).await.unwrap();
    world.clock.advance(7_200 * SECOND).await;
    let failure = Error::new(ErrorKind::Unavailable, "no answer");
    world.source.always(Outcome::error(failure));
    in_time(world.authenticator.token()).await.unwrap_err();
    reply.send_response(status(401));
    let response = in_time(call).await.unwrap().unwrap();
    let outcome = AuthOutcome::of(&response);
    let Some(NotReplayed::NoToken(error)) = outcome.not_replayed() else {
        panic!("{outcome:?}");
    };
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_eq!(
        (response.status(), outcome.sends()),
        (StatusCode::UNAUTHORIZED, 1)
    );
    assert_eq!(outcome.waited(), Duration::ZERO);
}
