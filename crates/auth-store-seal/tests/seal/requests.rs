//! The seal has no effect on requests.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use auth_core::{
    Authenticator, AuthenticatorOptions, Error, ErrorKind, MemoryStore, Origins, TokenStore,
};
use auth_store_seal::{SealedStore, SealingKeys};
use auth_testkit::{LogCapture, ScriptedSource, VirtualClock, assert_no_secret};

use crate::{
    keys::told,
    support::{HOUR, kept, key, sealed, text},
};

fn process(source: &ScriptedSource, clock: &VirtualClock, store: impl TokenStore) -> Authenticator {
    let origins = Origins::new(["https://api.example.com"]).unwrap();
    Authenticator::builder(source.clone(), origins)
        .vendor("example")
        .key(key())
        .options(
            AuthenticatorOptions::new()
                .store(store)
                .clock(clock.clone()),
        )
        .build()
        .unwrap()
}

async fn token(process: &Authenticator) -> String {
    let mut headers = http::HeaderMap::new();
    process.token().await.unwrap().sign(&mut headers);
    headers["authorization"].to_str().unwrap().to_owned()
}

#[tokio::test(start_paused = true)]
async fn g03f_processes_that_share_a_sealed_store_make_one_token_request() {
    let (source, clock) = (ScriptedSource::new(), VirtualClock::new());
    let inner = MemoryStore::new();
    let processes = [(); 2].map(|()| process(&source, &clock, sealed(&inner, 1)));
    for process in &processes {
        assert_eq!(token(process).await, "Bearer fake-token-1");
    }
    // And a process that has just started.
    let started = process(&source, &clock, sealed(&inner, 1));
    assert_eq!(token(&started).await, "Bearer fake-token-1");
    assert_eq!(source.fetches(), 1);
    assert_no_secret(
        kept(&inner, &key()).await.content.unwrap(),
        &["fake-token-1"],
    );

    clock.advance(HOUR).await;
    for process in &processes {
        assert_eq!(token(process).await, "Bearer fake-token-2");
    }
    assert_eq!(source.fetches(), 2);
}

#[tokio::test(start_paused = true)]
async fn t27_fleets_with_different_keys_never_have_each_others_tokens() {
    let (clock, inner) = (VirtualClock::new(), MemoryStore::new());
    let sources = ["fake-ours", "fake-theirs"].map(|name| ScriptedSource::new().prefix(name));
    for turn in 1..=5 {
        for (source, number) in sources.iter().zip(1..) {
            let started = process(source, &clock, sealed(&inner, number));
            let name = ["fake-ours", "fake-theirs"][usize::from(number) - 1];
            assert_eq!(token(&started).await, format!("Bearer {name}-{turn}"));
            // While no other process writes, they share it.
            let next = process(source, &clock, sealed(&inner, number));
            assert_eq!(token(&next).await, format!("Bearer {name}-{turn}"));
        }
    }
    // At the same time: neither blocks the other.
    clock.advance(HOUR).await;
    let both = [(0, 1), (1, 2)].map(|(source, number)| {
        let process = process(&sources[source], &clock, sealed(&inner, number));
        tokio::spawn(async move { token(&process).await })
    });
    let [ours, theirs] = both;
    assert_eq!(ours.await.unwrap(), "Bearer fake-ours-6");
    assert_eq!(theirs.await.unwrap(), "Bearer fake-theirs-6");
}

#[tokio::test(start_paused = true)]
async fn g16_requests_continue_without_a_sealing_key_and_nothing_is_stored() {
    let (source, clock) = (ScriptedSource::new(), VirtualClock::new());
    let inner = MemoryStore::new();
    let missing = Error::new(ErrorKind::Unavailable, "vault: no answer");
    let answer = Arc::new(Mutex::new(Err(missing)));
    let keys = SealingKeys::new(told(&answer)).danger_plain_names();
    let log = LogCapture::new();
    let _installed = log.install();
    let without = process(
        &source,
        &clock,
        SealedStore::new(inner.clone(), keys).unwrap(),
    );
    assert_eq!(token(&without).await, "Bearer fake-token-1");
    assert!(inner.load(&key()).await.unwrap().is_none());
    let second = Duration::from_secs(1);
    let lease = inner.lease(&key(), "another", second).await;
    assert!(lease.unwrap(), "the lease blocks others");
    let text_of_log = log.text();
    assert!(text_of_log.contains("vault: no answer"), "{text_of_log}");

    // The key comes back, and the store is used again.
    *answer.lock().unwrap() = Ok(text(1));
    clock.advance(HOUR).await;
    assert_eq!(token(&without).await, "Bearer fake-token-2");
    let other = process(&source, &clock, sealed(&inner, 1));
    assert_eq!(token(&other).await, "Bearer fake-token-2");
    assert_eq!(source.fetches(), 2);
}
