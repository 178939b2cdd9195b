//! G6: a rejection that only a person can end.

use std::sync::{Arc, Mutex, MutexGuard};

use auth_core::{Authenticator, AuthenticatorOptions, Error, ErrorKind, Origins, Secret, SecretFn};
use auth_oauth2::Client;
use auth_testkit::{Outcome, Reply, ScriptedSource, TestServer, VirtualClock};

use crate::support::{HOUR, MINUTE, SECOND, Stack, elapse, exact, machine, machine_with, served};

fn rejected() -> Error {
    Error::new(ErrorKind::Rejected, "401 invalid_client").with_code("invalid_client")
}

#[tokio::test(start_paused = true)]
async fn g06_after_a_rejection_no_token_request_is_sent_before_the_probe() {
    let source = ScriptedSource::new();
    source.always(Outcome::error(rejected()));
    let authenticator = machine(source.clone());
    authenticator.token().await.unwrap_err();
    // Five minutes, plus a random part of up to 10 percent.
    let seconds = 300;
    for passed in 0..seconds {
        let error = authenticator.token().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Rejected);
        assert_eq!(error.code(), Some("invalid_client"));
        let wait = error.retry_after().unwrap();
        let left = 5 * MINUTE - passed * SECOND;
        assert!(wait >= left && wait <= left + MINUTE / 2);
        elapse(SECOND).await;
    }
    test_report::figure!(
        "G6: {} token request with rejected credentials in {} s, with a call each second",
        source.fetches() => 1,
        seconds => 300,
    );
    for _ in 0..12 * 60 {
        let _ = authenticator.token().await;
        elapse(5 * SECOND).await;
    }
    // One probe in each five to five and a half minutes of the hour.
    let fetches = source.fetches();
    assert!((11..=13).contains(&fetches), "{fetches} token requests");
}

#[tokio::test(start_paused = true)]
async fn g06_the_probe_notices_corrected_credentials() {
    let source = ScriptedSource::new();
    source.then(Outcome::error(rejected()));
    let authenticator = machine(source.clone());
    let error = authenticator.token().await.unwrap_err();
    elapse(error.retry_after().unwrap()).await;
    assert_eq!(authenticator.token().await.unwrap().generation().get(), 1);
    assert_eq!(source.fetches(), 2);
}

#[tokio::test(start_paused = true)]
async fn g06_a_valid_token_is_used_after_a_rejection() {
    let source = ScriptedSource::new();
    source
        .then(Outcome::fresh())
        .always(Outcome::error(rejected()));
    let authenticator = machine_with(source.clone(), |options| options.policy(exact()));
    authenticator.token().await.unwrap();
    elapse(HOUR * 4 / 5).await;
    // The hard deadline is at 59 minutes.
    for _ in 0..11 * 60 {
        assert_eq!(served(&authenticator), 1);
        elapse(SECOND).await;
    }
    let fetches = source.fetches();
    assert!((2..=4).contains(&fetches), "{fetches} token requests");
}

#[tokio::test(start_paused = true)]
async fn g06_every_code_that_needs_a_person_is_final() {
    for code in [
        "invalid_client",
        "invalid_grant",
        "unauthorized_client",
        "invalid_scope",
        "unsupported_grant_type",
        "invalid_request",
    ] {
        let stack = Stack::new();
        stack.server.token().always(Reply::oauth_error(400, code));
        let error = stack.authenticator.token().await.unwrap_err();
        assert_eq!(
            (error.kind(), error.code()),
            (ErrorKind::Rejected, Some(code))
        );
        elapse(5 * MINUTE - SECOND).await;
        let again = stack.authenticator.token().await.unwrap_err();
        assert_eq!(again.code(), Some(code));
        assert_eq!(stack.server.counters().token_requests, 1, "{code}");
    }
}

#[tokio::test(start_paused = true)]
async fn g06_an_unchanged_secret_is_read_again_once_and_not_sent_again() {
    let (server, vault, authenticator) = rotating();
    server.change_client_secret("fake-secret-other");
    let error = authenticator.token().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Rejected);
    assert_eq!(server.counters().token_requests, 1);
    assert_eq!(vault.lock().reads, 2);
}

#[tokio::test(start_paused = true)]
async fn g06_a_secret_that_changed_is_tried_once_more() {
    let (server, vault, authenticator) = rotating();
    server.change_client_secret("fake-secret-other");
    vault.lock().next = Some("fake-secret-other");
    assert_eq!(authenticator.token().await.unwrap().generation().get(), 1);
    assert_eq!(server.counters().token_requests, 2);
}

#[tokio::test(start_paused = true)]
async fn g06_a_secret_that_changed_to_another_wrong_one_is_tried_once() {
    let (server, vault, authenticator) = rotating();
    server.change_client_secret("fake-secret-other");
    vault.lock().next = Some("fake-secret-wrong");
    let error = authenticator.token().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Rejected);
    for _ in 0..299 {
        let error = authenticator.token().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Rejected);
        elapse(SECOND).await;
    }
    assert_eq!(server.counters().token_requests, 2);
}

/// A vault whose secret changes after the first reading, if there is another one.
struct Vault(Mutex<Shelf>);

struct Shelf {
    secret: String,
    next: Option<&'static str>,
    reads: usize,
}

impl Vault {
    fn lock(&self) -> MutexGuard<'_, Shelf> {
        self.0.lock().unwrap()
    }

    fn read(&self) -> Secret {
        let mut shelf = self.lock();
        shelf.reads += 1;
        let secret = Secret::new(shelf.secret.clone());
        if let Some(next) = shelf.next.take() {
            shelf.secret = next.to_owned();
        }
        secret
    }
}

fn rotating() -> (TestServer, Arc<Vault>, Authenticator) {
    let clock = VirtualClock::new();
    let server = TestServer::builder().clock(&clock).in_memory();
    let vault = Arc::new(Vault(Mutex::new(Shelf {
        secret: server.client_secret(),
        next: None,
        reads: 0,
    })));
    let reader = Arc::clone(&vault);
    let secret = SecretFn::new(move || {
        let secret = reader.read();
        async move { Ok(secret) }
    });
    let client =
        Client::builder(server.token_url(), server.client_id(), server.transport()).secret(secret);
    let origins = Origins::new([server.origin()]).unwrap();
    let authenticator =
        Authenticator::builder(client.build().unwrap().client_credentials(), origins)
            .options(AuthenticatorOptions::new().clock(clock))
            .build()
            .unwrap();
    (server, vault, authenticator)
}
