//! One token for several processes, which are authenticators here that share only a store.

use auth_core::{AuthenticatorOptions, ErrorKind, Refusal};
use bytes::Bytes;
use tokio::time::{Instant, sleep};

use super::*;

fn with(store: &Unreliable) -> Fleet {
    Fleet {
        store: store.clone(),
        ..Fleet::new()
    }
}

#[tokio::test(start_paused = true)]
async fn g03f_twenty_cold_processes_make_one_token_request() {
    let fleet = Fleet::new();
    fleet.source.script.then(Outcome::fresh().delay(SECOND));
    let processes: Vec<_> = (0..20).map(|_| fleet.process()).collect();
    let begun = Instant::now();
    let tokens = processes
        .iter()
        .map(|process| tokio::spawn(process.token()));
    for token in tokens.collect::<Vec<_>>() {
        token.await.unwrap().unwrap();
    }
    // From the publication until the last process has the token: a waiting process looks again
    // after at most a quarter of the time that it has waited.
    let longest = begun.elapsed();
    assert!(longest <= SECOND + SECOND / 4, "{longest:?}");
    test_report::figure!(
        "G3: {} token request for {} processes that start at once",
        fleet.token_requests() => 1,
        processes.len() => 20,
    );
    assert_eq!(
        token(&processes[0]).await.unwrap(),
        token(&processes[19]).await.unwrap()
    );
}

#[tokio::test(start_paused = true)]
async fn g03f_a_program_that_starts_a_hundred_times_an_hour_makes_one_token_request() {
    let fleet = Fleet::new();
    for _ in 0..83 {
        token(&fleet.process()).await.unwrap();
        sleep(HOUR * 9 / 10 / 100).await;
    }
    assert_eq!(fleet.token_requests(), 1);
    // After 75 % to 80 % of its lifetime, one of the starts renews the token.
    for _ in 83..100 {
        token(&fleet.process()).await.unwrap();
        sleep(HOUR * 9 / 10 / 100).await;
    }
    assert_eq!(fleet.token_requests(), 2);
}

#[tokio::test(start_paused = true)]
async fn the_granted_scope_of_a_token_is_available_in_every_process() {
    let fleet = Fleet::new();
    let granted = |number: u64| {
        let token = AccessToken::new(format!("fake-token-{number}")).expires_in(HOUR);
        Outcome::token(token.scope(format!("read value-{number}")))
    };
    fleet.source.script.then(granted(1)).then(granted(2));
    let processes = fleet.processes(3);
    let mut tokens = Vec::new();
    for process in &processes {
        tokens.push(process.token().await.unwrap());
    }
    assert_eq!(fleet.token_requests(), 1);
    for token in &tokens {
        assert_eq!(token.granted_scope(), Some("read value-1"));
    }
    // Another token has another scope; a token that is still held keeps its own.
    sleep(MINUTE).await;
    assert!(matches!(
        processes[0].report_refused(tokens[0].generation()),
        Refusal::Renewing(_)
    ));
    sleep(10 * SECOND).await;
    let renewed = processes[0].token().await.unwrap();
    assert_eq!(renewed.granted_scope(), Some("read value-2"));
    assert_eq!(tokens[0].granted_scope(), Some("read value-1"));
    let later = fleet.process().token().await.unwrap();
    assert_eq!(later.granted_scope(), Some("read value-2"));
    assert_eq!(fleet.token_requests(), 2);
    // A vendor that does not state the granted scope.
    let silent = Fleet::new();
    for process in silent.processes(2) {
        assert_eq!(process.token().await.unwrap().granted_scope(), None);
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_within_its_margin_is_not_taken_from_the_store() {
    let fleet = Fleet::new();
    token(&fleet.process()).await.unwrap();
    sleep(HOUR - MINUTE - SECOND).await;
    token(&fleet.process()).await.unwrap();
    assert_eq!(fleet.token_requests(), 1);
    // Less than one minute, the margin.
    sleep(2 * SECOND).await;
    token(&fleet.process()).await.unwrap();
    assert_eq!(fleet.token_requests(), 2);
}

#[tokio::test(start_paused = true)]
async fn g02f_the_fleet_makes_one_token_request_per_lifetime() {
    let fleet = Fleet::new();
    let processes: Vec<_> = (0..10).map(|_| fleet.process()).collect();
    let hours = 10;
    for _ in 0..hours * 60 {
        for process in &processes {
            token(process).await.unwrap();
        }
        sleep(MINUTE).await;
    }
    // Renewed after three quarters of one hour at the earliest.
    test_report::figure!(
        "G2: {} token requests of {} processes in {} hours, with tokens of one hour",
        fleet.token_requests() => 10..=14,
        processes.len() => 10,
        hours => 10,
    );
}

#[tokio::test(start_paused = true)]
async fn g08f_the_fleet_makes_one_token_request_per_refusal() {
    let fleet = Fleet::new();
    let processes: Vec<_> = (0..10).map(|_| fleet.process()).collect();
    for process in &processes {
        token(process).await.unwrap();
    }
    for process in &processes {
        let generation = process.token().await.unwrap().generation();
        process.report_accepted(generation);
        process.report_refused(generation);
        assert!(!token(process).await.unwrap().ends_with("fake-token-1"));
    }
    assert_eq!(fleet.token_requests(), 2);
}

#[tokio::test(start_paused = true)]
async fn g07f_no_other_process_takes_a_refused_token_even_without_another_token() {
    let fleet = Fleet::new();
    let process = fleet.process();
    let generation = process.token().await.unwrap().generation();
    process.report_accepted(generation);
    let error = Error::new(ErrorKind::Unavailable, "no answer");
    fleet.source.script.always(Outcome::error(error));
    let Refusal::Renewing(renewal) = process.report_refused(generation) else {
        panic!("the refused token is renewed");
    };
    assert_eq!(renewal.await.unwrap_err().kind(), ErrorKind::Unavailable);
    // One refusal may concern one request only: the process that holds the token continues to use
    // it.
    assert_eq!(token(&process).await.unwrap(), "Bearer fake-token-1");
    assert!(
        fleet.process().token().await.is_err(),
        "another process does not take the token"
    );
    fleet.source.script.clear();
    sleep(10 * SECOND).await;
    let newest = token(&fleet.process()).await.unwrap();
    assert_ne!(newest, "Bearer fake-token-1");
    process.report_refused(generation);
    assert_eq!(token(&process).await.unwrap(), newest);
}

#[tokio::test(start_paused = true)]
async fn g17_a_lease_of_a_dead_process_delays_callers_by_half_a_deadline() {
    let fleet = Fleet::new();
    // The lease of a process that has ended.
    let lease = 12 * SECOND;
    assert!(
        fleet
            .store
            .lease(&key("read"), "gone", lease)
            .await
            .unwrap()
    );
    let begun = Instant::now();
    token(&fleet.process()).await.unwrap();
    test_report::figure!(
        "G17: {} s until callers get a token although a dead process has the lease, with a deadline of 10 s",
        begun.elapsed().as_secs() => 5,
    );
}

#[tokio::test(start_paused = true)]
async fn g17_a_lease_of_a_dead_process_is_respected_if_the_account_may_be_locked() {
    let fleet = Fleet::with_password();
    let lease = 12 * SECOND;
    let store = &fleet.store;
    assert!(store.lease(&key("read"), "gone", lease).await.unwrap());
    let begun = Instant::now();
    token(&fleet.process()).await.unwrap();
    let waited = begun.elapsed();
    assert!((lease..lease + SECOND).contains(&waited), "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn g17f_twenty_processes_that_wait_for_a_dead_processs_lease_make_one_token_request() {
    let fleet = Fleet::new();
    fleet
        .source
        .script
        .always(Outcome::fresh().delay(9 * SECOND));
    let lease = 12 * SECOND;
    let store = &fleet.store;
    assert!(store.lease(&key("read"), "gone", lease).await.unwrap());
    let begun = Instant::now();
    for told in tokens(&fleet.processes(20)).await {
        told.unwrap();
    }
    let waited = begun.elapsed();
    // Half a deadline for the dead process, and nine seconds for the vendor.
    assert!((14 * SECOND..15 * SECOND).contains(&waited), "{waited:?}");
    assert_eq!(fleet.token_requests(), 1);
}

#[tokio::test(start_paused = true)]
async fn g05_a_silent_vendor_ends_at_the_token_requests_deadline_with_a_store_too() {
    let fleet = Fleet::new();
    fleet.source.script.always(Outcome::never());
    let begun = Instant::now();
    let error = fleet.process().token().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    assert!((10 * SECOND..11 * SECOND).contains(&begun.elapsed()));
}

#[tokio::test(start_paused = true)]
async fn g17_a_failed_token_request_releases_its_lease() {
    let fleet = Fleet::new();
    let error = Error::new(ErrorKind::Unavailable, "no answer");
    fleet.source.script.then(Outcome::error(error));
    assert!(fleet.process().token().await.is_err());
    assert!(
        fleet
            .store
            .lease(&key("read"), "other", SECOND)
            .await
            .unwrap()
    );
}

#[tokio::test(start_paused = true)]
async fn g16_a_store_that_hangs_costs_50_ms_and_is_called_at_most_once_per_flight() {
    let store = Unreliable::default();
    *store.silent_from.lock().unwrap() = Some(0);
    let fleet = with(&store);
    let process = fleet.process();
    let begun = Instant::now();
    token(&process).await.unwrap();
    test_report::figure!(
        "G16: {} ms of delay and {} call of a store that does not answer",
        begun.elapsed().as_millis() => 0..=51,
        store.calls.load(Ordering::SeqCst) => 1,
    );
    // A process that starts a moment later waits as long, and makes no further call.
    let begun = Instant::now();
    token(&fleet.process()).await.unwrap();
    assert!(begun.elapsed() <= Duration::from_millis(51));
    assert_eq!(store.calls.load(Ordering::SeqCst), 2);
    // With one refusal per minute, each flight calls the store once, which takes 50 ms.
    for flights in 1..=10 {
        let generation = process.token().await.unwrap().generation();
        process.report_accepted(generation);
        sleep(MINUTE).await;
        process.report_refused(generation);
        let begun = Instant::now();
        token(&process).await.unwrap();
        assert!(begun.elapsed() <= Duration::from_millis(51));
        assert!(store.calls.load(Ordering::SeqCst) <= 2 + flights);
    }
}

#[tokio::test(start_paused = true)]
async fn g16_a_failed_store_is_called_again_later_and_shared_again() {
    let store = Unreliable::default();
    store.fail(true);
    let fleet = with(&store);
    let process = fleet.process();
    token(&process).await.unwrap();
    assert_eq!(store.calls.load(Ordering::SeqCst), 1);
    store.fail(false);
    // The next renewal finds the store working, and other processes use its token.
    sleep(50 * MINUTE).await;
    token(&process).await.unwrap();
    sleep(SECOND).await;
    assert_eq!(fleet.token_requests(), 2);
    assert_eq!(
        token(&fleet.process()).await.unwrap(),
        token(&process).await.unwrap()
    );
    assert_eq!(fleet.token_requests(), 2);
}

#[tokio::test(start_paused = true)]
async fn g16_a_request_with_a_cached_token_does_not_call_the_store() {
    let store = Unreliable::default();
    let fleet = with(&store);
    let process = fleet.process();
    token(&process).await.unwrap();
    let calls = store.calls.load(Ordering::SeqCst);
    for _ in 0..1_000 {
        token(&process).await.unwrap();
    }
    assert_eq!(store.calls.load(Ordering::SeqCst), calls);
}

#[tokio::test(start_paused = true)]
async fn g16_an_entry_that_cannot_be_decoded_counts_as_missing() {
    let fleet = Fleet::new();
    let foreign = Bytes::from_static(b"auth-core 2\nlayout of a later release");
    fleet
        .store
        .replace(
            &key("read"),
            None,
            NewEntry::new(EntryVersion::new(1), foreign, HOUR),
        )
        .await
        .unwrap();
    token(&fleet.process()).await.unwrap();
    // And is replaced by a valid entry.
    token(&fleet.process()).await.unwrap();
    assert_eq!(fleet.token_requests(), 1);
}

#[tokio::test(start_paused = true)]
async fn t27_different_keys_share_no_token() {
    let fleet = Fleet::new();
    token(&fleet.process()).await.unwrap();
    let other = fleet.process_for("another", VirtualClock::new());
    token(&other).await.unwrap();
    assert_eq!(fleet.token_requests(), 2);
}

#[tokio::test(start_paused = true)]
async fn g03f_a_token_without_a_lifetime_is_not_stored() {
    for brought in [
        AccessToken::new("fake-token"),
        AccessToken::permanent("fake-key"),
    ] {
        let fleet = Fleet::new();
        fleet.source.script.always(Outcome::token(brought));
        token(&fleet.process()).await.unwrap();
        assert!(fleet.store.load(&key("read")).await.unwrap().is_none());
        token(&fleet.process()).await.unwrap();
        assert_eq!(fleet.token_requests(), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn g10f_the_back_off_is_stored_and_not_the_token_that_has_expired_on_arrival() {
    let fleet = Fleet::new();
    let brought = AccessToken::new("fake-token").expires_in(Duration::ZERO);
    fleet.source.script.always(Outcome::token(brought));
    token(&fleet.process()).await.unwrap();
    let entry = fleet.store.load(&key("read")).await.unwrap().unwrap();
    let bytes = entry.content.unwrap();
    assert!(!bytes.windows(10).any(|bytes| bytes == b"fake-token"));
    let error = token(&fleet.process()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Protocol);
    assert_eq!(fleet.token_requests(), 1);
    sleep(error.retry_after().unwrap()).await;
    token(&fleet.process()).await.unwrap();
    assert_eq!(fleet.token_requests(), 2);
}

#[tokio::test(start_paused = true)]
async fn g20_setting_the_clock_back_extends_no_stored_token() {
    let fleet = Fleet::new();
    token(&fleet.process()).await.unwrap();
    let clock = VirtualClock::new();
    clock.jump_wall_back(10 * HOUR);
    let process = fleet.process_for("read", clock);
    token(&process).await.unwrap();
    assert!(process.health().usable_for().unwrap() <= HOUR);
}

/// Each vendor's crate, twice with one store: the second authenticator finds the token of the
/// first.
#[tokio::test(start_paused = true)]
async fn g03f_every_vendor_shares_its_token() {
    use auth_axonize::Axonize;
    use auth_kaizen::{Central, Kaizen};
    use auth_kayzen::Kayzen;
    use auth_testkit::TestServer;
    use auth_verdigris::Verdigris;

    type Make = fn(&TestServer, MemoryStore) -> Result<Authenticator, Error>;
    let verdigris: Make = |server, store| {
        Verdigris::builder(
            server.client_id(),
            Secret::new(server.client_secret()),
            server.transport(),
        )
        .options(
            AuthenticatorOptions::new()
                .clock(server.clock().clone())
                .store(store),
        )
        .token_url(server.token_url())
        .base_url(server.origin())
        .build()
    };
    let kaizen: Make = |server, store| {
        let secret = Secret::new(server.client_secret());
        let kaizen = Kaizen::<Central>::builder(server.client_id(), secret, server.transport())
            .options(
                AuthenticatorOptions::new()
                    .clock(server.clock().clone())
                    .store(store),
            )
            .token_url(server.token_url())
            .base_url(server.origin())
            .build()?;
        Ok(kaizen.into())
    };
    let kayzen: Make = |server, store| {
        let secret = Secret::new(server.client_secret());
        let password = Secret::new(server.user_password());
        Kayzen::builder(
            server.client_id(),
            secret,
            server.user_name(),
            password,
            server.transport(),
        )
        .options(
            AuthenticatorOptions::new()
                .clock(server.clock().clone())
                .store(store),
        )
        .token_url(server.token_url())
        .base_url(server.origin())
        .build()
    };
    let axonize: Make = |server, store| {
        let password = Secret::new(server.user_password());
        Axonize::login(
            server.origin(),
            server.client_id(),
            server.user_name(),
            password,
            server.transport(),
        )
        .options(
            AuthenticatorOptions::new()
                .clock(server.clock().clone())
                .store(store),
        )
        .build()
    };
    let store = MemoryStore::new();
    for (server, make) in [
        (auth_verdigris::fake::server(), verdigris),
        (auth_kaizen::fake::central(), kaizen),
        (auth_kayzen::fake::server(), kayzen),
        (auth_axonize::fake::login(), axonize),
    ] {
        let server = server.in_memory();
        for _ in 0..3 {
            let authenticator = make(&server, store.clone()).unwrap();
            authenticator.warm_up().await.unwrap();
        }
        assert_eq!(server.counters().token_requests, 1, "{server:?}");
    }
}
