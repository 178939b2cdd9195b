use std::time::Duration;

use auth_core::{
    AccessToken, Authenticator, Error, ErrorKind, Origins, TokenRequest, TokenRequestReason,
    TokenSource,
};

use crate::{Gate, Outcome, ScriptedSource};

fn token_request() -> TokenRequest {
    TokenRequest::new(TokenRequestReason::Needed)
}

async fn fetch(source: &ScriptedSource) -> Result<AccessToken, Error> {
    source.fetch(token_request()).await
}

#[tokio::test]
async fn fresh_tokens_are_unique_and_live_an_hour() {
    let source = ScriptedSource::new();
    let first = fetch(&source).await.unwrap();
    let second = fetch(&source).await.unwrap();
    assert_eq!(first.secret().expose(), "fake-token-1");
    assert_eq!(second.secret().expose(), "fake-token-2");
    assert_eq!(first.lifetime(), Some(Duration::from_secs(3600)));
    let other = ScriptedSource::new().prefix("fake-other").lifetime(None);
    let token = fetch(&other).await.unwrap();
    assert_eq!(
        (token.secret().expose(), token.lifetime()),
        ("fake-other-1", None)
    );
}

#[tokio::test]
async fn an_authenticator_is_served_and_its_reason_kept() {
    let source = ScriptedSource::new();
    let origins = Origins::new(["https://api.test"]).unwrap();
    let authenticator = Authenticator::builder(source.clone(), origins)
        .build()
        .unwrap();
    let token = authenticator.token().await.unwrap();
    let mut headers = http::HeaderMap::new();
    token.sign(&mut headers);
    assert_eq!(headers["authorization"], "Bearer fake-token-1");
    assert_eq!(
        source.log()[0].token_request.reason,
        TokenRequestReason::Needed
    );
}

#[tokio::test]
async fn outcomes_come_in_order_and_then_as_always() {
    let source = ScriptedSource::new();
    let failure =
        |message: &'static str| Outcome::error(Error::new(ErrorKind::Unavailable, message));
    let zero = AccessToken::new("fake-mine").expires_in(Duration::ZERO);
    source
        .then(failure("first"))
        .times(2, Outcome::token(zero))
        .always(failure("always"));
    assert_eq!(fetch(&source).await.unwrap_err().to_string(), "first");
    for _ in 0..2 {
        let token = fetch(&source).await.unwrap();
        assert_eq!(token.secret().expose(), "fake-mine");
        assert_eq!(token.lifetime(), Some(Duration::ZERO));
    }
    assert_eq!(fetch(&source).await.unwrap_err().to_string(), "always");
    source.clear();
    assert_eq!(
        fetch(&source).await.unwrap().secret().expose(),
        "fake-token-5"
    );
}

#[tokio::test]
async fn a_gate_holds_token_requests_back() {
    let source = ScriptedSource::new();
    let gate = Gate::new();
    source.times(2, Outcome::fresh().after(&gate));
    let fetch = |source: ScriptedSource| async move { source.fetch(token_request()).await };
    let (a, b) = (
        tokio::spawn(fetch(source.clone())),
        tokio::spawn(fetch(source.clone())),
    );
    gate.reached(2).await;
    source.fetches_reached(2).await;
    assert_eq!((source.in_flight(), source.max_in_flight()), (2, 2));
    assert!(!a.is_finished() && !b.is_finished());
    gate.open();
    a.await.unwrap().unwrap();
    b.await.unwrap().unwrap();
    assert_eq!((source.in_flight(), source.max_in_flight()), (0, 2));
}

#[tokio::test(start_paused = true)]
async fn delays_and_times_are_tokios() {
    let source = ScriptedSource::new();
    source.then(Outcome::fresh().delay(Duration::from_secs(3)));
    fetch(&source).await.unwrap();
    fetch(&source).await.unwrap();
    let times: Vec<_> = source
        .log()
        .iter()
        .map(|fetch| fetch.at.as_secs())
        .collect();
    assert_eq!(times, [0, 3]);
}

#[tokio::test]
async fn a_planned_panic_and_an_endless_token_request_leave_nothing_behind() {
    let source = ScriptedSource::new();
    source.then(Outcome::panic()).then(Outcome::never());
    for _ in 0..2 {
        let source = source.clone();
        let before = source.fetches();
        let task = tokio::spawn({
            let source = source.clone();
            async move { source.fetch(token_request()).await }
        });
        source.fetches_reached(before + 1).await;
        task.abort();
        task.await.unwrap_err();
    }
    assert_eq!((source.fetches(), source.in_flight()), (2, 0));
}

#[tokio::test]
async fn credentials_change_during_a_token_request_or_at_once() {
    let source = ScriptedSource::new();
    let read = async || source.credentials().await.unwrap();
    let first = read().await;
    source.change_credential();
    assert_eq!(
        read().await,
        first,
        "the next token request has the old ones"
    );
    fetch(&source).await.unwrap();
    let second = read().await;
    assert_ne!(second, first);
    fetch(&source).await.unwrap();
    assert_eq!(read().await, second, "once");
    source.change_credential_now();
    assert_ne!(read().await, second);
    assert_eq!(source.credential_reads(), 5);
}
