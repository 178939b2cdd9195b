//! Effects of the store on requests: fewer token requests, and no failures.

use std::fs;

use auth_core::{Authenticator, AuthenticatorOptions, Origins, Secret};
use auth_oauth2::Client;
use auth_store_file::FileStore;
use auth_testkit::{LogCapture, TestServer};

use crate::temporary::{Temporary, key, shown};

fn authenticator(server: &TestServer, store: FileStore) -> Authenticator {
    let client = Client::builder(server.token_url(), server.client_id(), server.transport())
        .secret(Secret::new(server.client_secret()));
    let clock = server.clock().clone();
    let origins = Origins::new([server.api_url()]).unwrap();
    Authenticator::builder(client.build().unwrap().client_credentials(), origins)
        .key(key())
        .options(
            AuthenticatorOptions::new()
                .store(store.clock(clock.clone()))
                .clock(clock),
        )
        .build()
        .unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_program_that_starts_a_hundred_times_costs_one_token_request() {
    let directory = Temporary::new();
    let server = TestServer::builder().in_memory();
    let mut last = None;
    for _ in 0..100 {
        let token = authenticator(&server, directory.store()).token().await;
        let token = shown(&token.unwrap());
        assert_eq!(last.get_or_insert_with(|| token.clone()), &token);
    }
    assert_eq!(server.counters().token_requests, 1);
}

#[tokio::test(start_paused = true)]
async fn a_token_is_used_in_the_next_run_until_it_expires() {
    let directory = Temporary::new();
    let server = TestServer::builder().in_memory();
    for runs in 1..5 {
        authenticator(&server, directory.store())
            .token()
            .await
            .unwrap();
        authenticator(&server, directory.store())
            .token()
            .await
            .unwrap();
        assert_eq!(server.counters().token_requests, runs);
        server.clock().advance(server.token_lifetime()).await;
    }
}

#[tokio::test(start_paused = true)]
async fn requests_continue_when_the_directory_is_lost() {
    let server = TestServer::builder().in_memory();
    let break_it: [fn(&Temporary); 3] = [
        |directory| fs::remove_dir_all(directory.store_dir()).unwrap(),
        |directory| {
            fs::remove_dir_all(directory.store_dir()).unwrap();
            fs::write(directory.store_dir(), "not a directory").unwrap();
        },
        |directory| {
            // A directory in place of the lock file: this blocks the superuser as well.
            authenticators_lock(directory);
        },
    ];
    for (before, break_it) in (0..).zip(break_it) {
        let directory = Temporary::new();
        let store = directory.store();
        break_it(&directory);
        let log = LogCapture::new();
        let _installed = log.install();
        let authenticator = authenticator(&server, store);
        authenticator.token().await.unwrap();
        assert_eq!(server.counters().token_requests, before + 1);
        let log = log.text();
        assert!(log.contains("file store: "), "{log}");
        assert!(
            log.contains(directory.store_dir().to_str().unwrap()),
            "{log}"
        );
        auth_testkit::assert_no_secret(&log, &server.expose_secrets());
    }
}

/// Creates a directory with the name of the lock file.
fn authenticators_lock(directory: &Temporary) {
    let probe = Temporary::new();
    let store = probe.store();
    let runtime = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        let lease = std::time::Duration::from_secs(1);
        runtime.unwrap().block_on(async {
            use auth_core::TokenStore as _;
            store.lease(&key(), "probe", lease).await.unwrap();
        });
    });
    runtime.join().unwrap();
    let lock = probe.file(".lock");
    fs::create_dir(directory.store_dir().join(lock.file_name().unwrap())).unwrap();
}
