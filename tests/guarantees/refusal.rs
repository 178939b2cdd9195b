//! G7 to G9: the consequences of a refused token.

use auth_core::{AccessToken, ErrorKind, Refusal, TokenRequestReason};
use auth_testkit::{Gate, Outcome, Reply, ScriptedSource};
use auth_tower::NotReplayed;
use tower::ServiceExt;

use crate::support::{
    Answer, HOUR, MINUTE, SECOND, Stack, elapse, machine, poll_once, served, soon, unavailable,
};

#[tokio::test(start_paused = true)]
async fn g07_a_refused_token_is_replaced_once_and_the_request_sent_once_more() {
    let stack = Stack::new();
    stack.get_well().await;
    stack.server.revoke_all();
    let answer = stack.get_well().await;
    assert_eq!(answer.outcome.sends(), 2);
    assert_eq!(answer.outcome.refused().unwrap().get(), 1);
    assert_eq!(answer.outcome.generation().unwrap().get(), 2);
    let seen = stack.server.counters();
    assert_eq!((seen.token_requests, seen.api_requests), (2, 3));
}

#[tokio::test(start_paused = true)]
async fn g07_a_revoked_token_is_dropped_after_a_few_refusals_even_without_another() {
    let stack = Stack::new();
    stack.get_well().await;
    stack.server.revoke_all();
    stack.server.token().always(Reply::status(503));
    let answer = stack.get().await.unwrap();
    assert_eq!(answer.status, 401);
    assert!(matches!(
        answer.outcome.not_replayed(),
        Some(NotReplayed::NoToken(error)) if error.kind() == ErrorKind::Unavailable
    ));
    let mut refused = 1;
    for _ in 0..100 {
        match stack.get().await {
            Ok(answer) => {
                assert_eq!((answer.status, answer.outcome.sends()), (401, 1));
                refused += 1;
            }
            Err(auth_tower::Error::Auth(error)) => {
                assert_eq!(error.kind(), ErrorKind::Unavailable);
            }
            Err(error) => panic!("{error}"),
        }
        elapse(SECOND).await;
    }
    // Doubted at first, because one refusal may concern one request only; then dropped.
    assert!((5..=20).contains(&refused), "{refused} refused");
    assert_eq!(stack.server.token_uses()[0].refused, refused);
}

#[tokio::test(start_paused = true)]
async fn g07_a_refusal_during_a_renewal_waits_for_that_renewal() {
    let source = ScriptedSource::new();
    let gate = Gate::new();
    source
        .then(Outcome::fresh())
        .then(Outcome::fresh().after(&gate));
    let authenticator = machine(source.clone());
    let token = authenticator.token().await.unwrap();
    elapse(50 * MINUTE).await;
    assert_eq!(served(&authenticator), 1);
    soon(gate.reached(1)).await;
    assert!(matches!(
        authenticator.report_refused(token.generation()),
        Refusal::Renewing(_)
    ));
    let waiting = tokio::spawn(authenticator.token());
    elapse(SECOND).await;
    gate.open();
    assert_eq!(soon(waiting).await.unwrap().unwrap().generation().get(), 2);
    assert_eq!(source.fetches(), 2);
}

#[tokio::test(start_paused = true)]
async fn g07_the_source_receives_the_reason_refused() {
    let source = ScriptedSource::new();
    let authenticator = machine(source.clone());
    let token = authenticator.token().await.unwrap();
    authenticator.report_accepted(token.generation());
    authenticator.report_refused(token.generation());
    assert_eq!(authenticator.token().await.unwrap().generation().get(), 2);
    assert_eq!(
        source.log()[1].token_request.reason,
        TokenRequestReason::Refused
    );
}

#[tokio::test(start_paused = true)]
async fn g07_a_waiting_caller_gets_the_next_token_if_earlier_ones_were_refused() {
    let source = ScriptedSource::new();
    let authenticator = machine(source.clone());
    let mut slow = authenticator.token();
    // More than three renewals in a row are delayed, and no caller waits for those.
    for round in 1..=4 {
        assert!(poll_once(&mut slow).is_pending());
        let quick = soon(authenticator.token()).await.unwrap();
        assert_eq!(quick.generation().get(), round);
        authenticator.report_accepted(quick.generation());
        authenticator.report_refused(quick.generation());
    }
    assert_eq!(soon(slow).await.unwrap().generation().get(), 5);
    assert_eq!(source.fetches(), 5);
    let newest = authenticator.token().await.unwrap().generation();
    authenticator.report_accepted(newest);
    elapse(SECOND / 2).await;
    assert!(matches!(
        authenticator.report_refused(newest),
        Refusal::BackOff
    ));
    assert_eq!(authenticator.token().await.unwrap().generation(), newest);
}

#[tokio::test(start_paused = true)]
async fn g08_late_refusals_during_a_renewal_start_no_second_token_request() {
    let source = ScriptedSource::new();
    let gate = Gate::new();
    source
        .times(2, Outcome::fresh())
        .then(Outcome::error(unavailable().with_retry_after(MINUTE)).after(&gate));
    let authenticator = machine(source.clone());
    let old = authenticator.token().await.unwrap().generation();
    authenticator.report_accepted(old);
    authenticator.report_refused(old);
    authenticator.token().await.unwrap();
    elapse(50 * MINUTE).await;
    assert_eq!(served(&authenticator), 2);
    soon(gate.reached(1)).await;
    // During the flight, and during the back-off after it.
    for _ in 0..100 {
        assert!(matches!(
            authenticator.report_refused(old),
            Refusal::Superseded(_)
        ));
        elapse(SECOND / 100).await;
    }
    gate.open();
    for _ in 0..50 {
        assert!(matches!(
            authenticator.report_refused(old),
            Refusal::Superseded(_)
        ));
        elapse(SECOND).await;
    }
    assert_eq!((source.fetches(), source.max_in_flight()), (3, 1));
}

#[tokio::test(start_paused = true)]
async fn g08_a_late_refusal_causes_a_replay_and_no_token_request() {
    let stack = Stack::new();
    stack.get_well().await;
    // A request that the API delays while its token is revoked and replaced.
    let gate = Gate::new();
    stack
        .server
        .api()
        .then(Reply::normal().process_after(&gate));
    let late = tokio::spawn(stack.client().oneshot(stack.request()));
    soon(gate.reached(1)).await;
    stack.server.revoke_all();
    assert_eq!(
        stack.get_well().await.outcome.generation().unwrap().get(),
        2
    );
    gate.open();
    let late = Answer::read(soon(late).await.unwrap().unwrap()).await;
    assert_eq!(late.status, 200);
    assert_eq!(late.outcome.generation().unwrap().get(), 2);
    // Two were needed before.
    test_report::figure!(
        "G8: {} token requests and {} sends for a request whose old token is refused",
        stack.server.counters().token_requests - 2 => 0,
        late.outcome.sends() => 2,
    );
}

#[tokio::test(start_paused = true)]
async fn g08_late_refusals_do_not_affect_the_newer_token() {
    let source = ScriptedSource::new();
    let authenticator = machine(source.clone());
    let old = authenticator.token().await.unwrap().generation();
    authenticator.report_accepted(old);
    authenticator.report_refused(old);
    authenticator.token().await.unwrap();
    for _ in 0..1_000 {
        let Refusal::Superseded(token) = authenticator.report_refused(old) else {
            panic!("the newer token is cached");
        };
        assert_eq!(token.generation().get(), 2);
        elapse(SECOND / 10).await;
    }
    assert_eq!(source.fetches(), 2);
}

#[tokio::test(start_paused = true)]
async fn g08_a_token_that_is_issued_again_does_not_count_as_newer() {
    let source = ScriptedSource::new();
    let token = AccessToken::new("fake-token-kept").expires_in(MINUTE);
    source.times(2, Outcome::token(token));
    let authenticator = machine(source.clone());
    let old = authenticator.token().await.unwrap().generation();
    elapse(MINUTE).await;
    assert_eq!(authenticator.token().await.unwrap().generation(), old);
    // Late, but the refusal of the cached token.
    assert!(matches!(
        authenticator.report_refused(old),
        Refusal::Renewing(_)
    ));
    let token = authenticator.token().await.unwrap();
    assert_eq!((token.generation().get(), source.fetches()), (2, 3));
}

#[tokio::test(start_paused = true)]
async fn g09_a_second_refusal_is_returned_unchanged() {
    let stack = Stack::new();
    stack.get_well().await;
    stack.server.api().then(Reply::refuse()).then(
        Reply::challenge("Bearer error=\"invalid_token\", error_description=\"still not\"")
            .header("www-authenticate", "Basic realm=\"fake\"")
            .header("x-trace", "fake-trace-2")
            .body("the second refusal"),
    );
    let answer = stack.get().await.unwrap();
    assert_eq!((answer.status, answer.outcome.sends()), (401, 2));
    assert!(matches!(
        answer.outcome.not_replayed(),
        Some(NotReplayed::Twice)
    ));
    assert_eq!(answer.body, "the second refusal");
    let challenges: Vec<_> = answer.headers.get_all("www-authenticate").iter().collect();
    assert_eq!(
        challenges,
        [
            "Bearer error=\"invalid_token\", error_description=\"still not\"",
            "Basic realm=\"fake\""
        ]
    );
    assert_eq!(answer.headers["x-trace"], "fake-trace-2");
    let seen = stack.server.counters();
    assert_eq!((seen.token_requests, seen.api_requests), (2, 3));
}

#[tokio::test(start_paused = true)]
async fn g09_refusal_back_off_ends_when_the_api_accepts_a_renewed_token() {
    let stack = Stack::new();
    stack.get_well().await;
    // One per minute is not a storm.
    for generation in 2..20 {
        stack.server.revoke_all();
        let answer = stack.get_well().await;
        assert_eq!(answer.outcome.sends(), 2);
        assert_eq!(answer.outcome.generation().unwrap().get(), generation);
        elapse(MINUTE).await;
    }
    assert_eq!(stack.server.counters().token_requests, 19);
}

#[tokio::test(start_paused = true)]
async fn g09_tokens_that_are_accepted_once_and_then_refused_are_renewed_less_and_less_often() {
    let stack = Stack::new();
    stack.get_well().await;
    // Like a vendor with one valid token per client, and two processes.
    for _ in 0..HOUR.as_secs() {
        stack.server.revoke_all();
        // A refusal is returned, or there is no token any more.
        let answered = stack.get().await;
        assert!(!matches!(answered, Err(auth_tower::Error::Inner(_))));
        elapse(SECOND).await;
    }
    let requests = stack.server.counters().token_requests;
    assert!((60..=75).contains(&requests), "{requests} token requests");
}

#[tokio::test(start_paused = true)]
async fn g09_during_the_refusal_back_off_a_refusal_is_returned_with_its_reason() {
    let stack = Stack::new();
    stack.get_well().await;
    // More than three renewals in a row are delayed, although the API accepts their tokens.
    for _ in 0..4 {
        stack.server.revoke_all();
        assert_eq!(stack.get_well().await.outcome.sends(), 2);
        elapse(SECOND / 2).await;
    }
    stack.server.always_refuse(true);
    let answer = stack.get().await.unwrap();
    assert_eq!((answer.status, answer.outcome.sends()), (401, 1));
    assert!(matches!(
        answer.outcome.not_replayed(),
        Some(NotReplayed::RefusalBackOff)
    ));
    // The API recovers: the kept token is valid again.
    stack.server.always_refuse(false);
    assert_eq!(stack.get_well().await.outcome.sends(), 1);
    assert_eq!(stack.server.counters().token_requests, 5);
}

#[tokio::test(start_paused = true)]
async fn g09_after_a_refusal_without_a_renewal_the_machine_still_works() {
    let source = ScriptedSource::new();
    source
        .then(Outcome::fresh())
        .then(Outcome::error(unavailable()));
    let authenticator = machine(source.clone());
    let old = authenticator.token().await.unwrap().generation();
    authenticator.report_accepted(old);
    elapse(SECOND).await;
    let Refusal::Renewing(renewal) = authenticator.report_refused(old) else {
        panic!("the refused token is renewed");
    };
    let error = renewal.await.unwrap_err();
    // The next token request is not due yet: the next refusal is returned.
    assert!(matches!(
        authenticator.report_refused(old),
        Refusal::BackOff
    ));
    assert_eq!(authenticator.token().await.unwrap().generation(), old);
    elapse(error.retry_after().unwrap()).await;
    let Refusal::Renewing(renewal) = authenticator.report_refused(old) else {
        panic!("the back-off is over");
    };
    assert_eq!(renewal.await.unwrap().generation().get(), 2);
}
