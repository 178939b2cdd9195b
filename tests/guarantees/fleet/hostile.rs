use tokio::time::{Instant, sleep};

use super::*;

/// Returns the entry in the store.
async fn entry(fleet: &Fleet) -> StoredEntry {
    let entry = fleet.store.inner.load(&key("read")).await.unwrap();
    entry.unwrap()
}

/// Writes an entry into the store, past all rules except the store's.
async fn put(fleet: &Fleet, version: EntryVersion, bytes: impl Into<bytes::Bytes>) {
    let expected = fleet.store.inner.load(&key("read")).await.unwrap();
    let expected = expected.map(|entry| entry.version);
    let new = NewEntry::new(version, bytes.into(), HOUR);
    let put = fleet.store.inner.replace(&key("read"), expected, new).await;
    assert!(put.unwrap());
}

#[tokio::test(start_paused = true)]
async fn t29_a_process_ignores_an_entry_older_than_one_it_has_seen() {
    let fleet = Fleet::new();
    let process = fleet.process();
    assert_eq!(token(&process).await.unwrap(), "Bearer fake-token-1");
    let old = entry(&fleet).await;
    sleep(2 * SECOND).await;
    let generation = process.token().await.unwrap().generation();
    process.report_accepted(generation);
    process.report_refused(generation);
    assert_eq!(token(&process).await.unwrap(), "Bearer fake-token-2");
    put(&fleet, old.version, old.content.unwrap()).await;
    sleep(2 * SECOND).await;
    let generation = process.token().await.unwrap().generation();
    process.report_accepted(generation);
    process.report_refused(generation);
    assert_eq!(token(&process).await.unwrap(), "Bearer fake-token-3");
    // And replaces it for all processes.
    assert_eq!(
        token(&fleet.process()).await.unwrap(),
        "Bearer fake-token-3"
    );
}

#[tokio::test(start_paused = true)]
async fn t30_a_store_that_was_flushed_costs_one_token_request() {
    let fleet = Fleet::new();
    let processes = fleet.processes(10);
    tokens(&processes).await;
    let flushed = Fleet {
        store: Unreliable::default(),
        ..fleet.clone()
    };
    // Processes with a token notice nothing; one without a token fetches one for all later
    // processes.
    tokens(&processes).await;
    assert_eq!(fleet.token_requests(), 1);
    tokens(&flushed.processes(10)).await;
    assert_eq!(fleet.token_requests(), 2);
}

#[tokio::test(start_paused = true)]
async fn g16_invalid_bytes_in_the_store_cost_at_most_one_token_request() {
    let fleet = Fleet::new();
    let process = fleet.process();
    token(&process).await.unwrap();
    let good = entry(&fleet).await.content.unwrap();
    let mut token_requests = fleet.token_requests();
    let after = |version| EntryVersion::after(Some(version), Duration::ZERO);
    for at in 0..good.len() {
        // Each prefix, and each change of one byte.
        let mut changed = good.to_vec();
        changed[at] ^= 0x80;
        for (bytes, is_cut) in [(good.slice(..at), true), (changed.into(), false)] {
            let version = after(entry(&fleet).await.version);
            put(&fleet, version, bytes).await;
            token(&fleet.process()).await.unwrap();
            let requests = fleet.token_requests() - token_requests;
            token_requests = fleet.token_requests();
            if is_cut {
                assert_eq!(requests, 1, "cut at {at}: treated as missing")
            } else {
                // A changed number is still a number; only sealing detects the change.
                assert!(requests <= 1, "changed at {at}: {requests}")
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn t27_a_store_that_mixes_up_keys_gives_no_process_another_keys_token() {
    let fleet = Fleet::new();
    let own = token(&fleet.process()).await.unwrap();
    let other = key("another");
    let entry = entry(&fleet).await;
    let entry = NewEntry::new(entry.version, entry.content.unwrap(), HOUR);
    assert!(
        fleet
            .store
            .inner
            .replace(&other, None, entry)
            .await
            .unwrap()
    );
    let process = fleet.process_for("another", VirtualClock::new());
    assert_ne!(token(&process).await.unwrap(), own);
    assert_eq!(fleet.token_requests(), 2);
}

#[tokio::test(start_paused = true)]
async fn t31_a_process_that_publishes_late_uses_the_newer_entry() {
    let fleet = Fleet::new();
    fleet.source.script.then(Outcome::fresh().delay(5 * SECOND));
    let slow = fleet.process();
    let waiting = {
        let slow = slow.clone();
        tokio::spawn(async move { token(&slow).await })
    };
    sleep(SECOND).await;
    // Its lease is given to another process, as if it had been stopped for longer than the lease
    // lasts.
    let faster = Fleet {
        store: Unreliable {
            inner: fleet.store.inner.clone(),
            ..Unreliable::default()
        },
        ..fleet.clone()
    };
    let key = key("read");
    let version = EntryVersion::after(None, 1000 * HOUR);
    assert_eq!(fleet.token_requests(), 1);
    let other = MemoryStore::new();
    let theirs = Fleet {
        store: Unreliable {
            inner: other.clone(),
            ..Unreliable::default()
        },
        ..faster.clone()
    };
    assert_eq!(
        token(&theirs.process()).await.unwrap(),
        "Bearer fake-token-2"
    );
    let bytes = other.load(&key).await.unwrap().unwrap().content.unwrap();
    put(&faster, version, bytes).await;
    assert_eq!(waiting.await.unwrap().unwrap(), "Bearer fake-token-2");
    assert_eq!(
        token(&fleet.process()).await.unwrap(),
        "Bearer fake-token-2"
    );
}

#[tokio::test(start_paused = true)]
async fn t30_a_store_that_stops_answering_costs_50_ms_before_and_after_a_token_request() {
    let calls = {
        let fleet = quota_fleet();
        token(&fleet.process()).await.unwrap();
        fleet.store.calls.load(Ordering::SeqCst)
    };
    assert!(calls >= 8, "{calls}");
    for silent_from in 0..=calls {
        let fleet = quota_fleet();
        *fleet.store.silent_from.lock().unwrap() = Some(silent_from);
        let begun = Instant::now();
        token(&fleet.process()).await.unwrap();
        let added = begun.elapsed() - SECOND;
        assert!(
            added <= Duration::from_millis(102),
            "{silent_from}: {added:?}"
        );
        assert_eq!(fleet.token_requests(), 1);
    }
}

/// A token request takes one second, and every part of the protocol is used.
fn quota_fleet() -> Fleet {
    let fleet = Fleet {
        quota: Some(Quota::new(20, HOUR).unwrap()),
        ..Fleet::new()
    };
    fleet.source.script.always(Outcome::fresh().delay(SECOND));
    fleet
}
