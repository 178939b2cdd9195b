//! A wrong password locks no account.

#![allow(clippy::unwrap_used, reason = "a test fails by it")]

#[path = "support/vendor.rs"]
mod vendor;

use std::{error::Error as _, sync::Mutex, time::Duration};

use auth_core::{
    Authenticator, Error, ErrorKind, MemoryStore, Secret, SecretFn, SecretSource as _,
};
use auth_oauth2::BodyFormat;
use auth_testkit::{Reply, assert_no_secret};
use http::StatusCode;

use crate::vendor::{HOUR, MINUTE, Vault, Vendor};

/// The policy's default interval plus its random tenth.
const PROBE: Duration = Duration::from_secs(5 * 60 + 30);

/// Sends one request per minute, and returns the results.
async fn requests(
    vendor: &Vendor,
    authenticator: &Authenticator,
    time: Duration,
) -> Vec<Result<u16, Error>> {
    let mut results = Vec::new();
    for _ in 0..time.as_secs() / 60 {
        results.push(vendor.campaigns(authenticator).await);
        vendor.pass(MINUTE).await;
    }
    results
}

fn assert_says_what_to_do(error: &Error) {
    let text = error.to_string();
    assert_eq!(error.kind(), ErrorKind::Rejected, "{text}");
    assert!(text.starts_with("kayzen: "), "{text}");
    // The vendor's last message is kept while no logins are sent.
    let said = error.source().map_or(text, ToString::to_string);
    let check = "check API key and secret, e-mail and password";
    assert!(said.contains(check), "{said}");
    assert!(said.contains("answered 401"), "{said}");
    assert!(said.contains(": Invalid login credentials"), "{said}");
    assert_no_secret(format!("{error:?}"), &["fake-password-1"]);
}

#[tokio::test(start_paused = true)]
async fn t26_a_wrong_password_is_sent_twice_in_a_day() {
    for format in [BodyFormat::Form, BodyFormat::Json] {
        let vendor = Vendor::new();
        let settings = vendor.with_password(Secret::new("fake-password-1"));
        let authenticator = settings.body_format(format).build().unwrap();
        let results = requests(&vendor, &authenticator, 24 * HOUR).await;
        assert_eq!(results.len(), 24 * 60);
        for result in results {
            assert_says_what_to_do(&result.unwrap_err());
        }
        let seen = vendor.server().counters();
        assert_eq!((seen.token_requests, seen.failed_logins), (2, 2));
        assert_eq!(seen.api_requests, 0);
    }
}

#[tokio::test(start_paused = true)]
async fn t26_a_wrong_password_is_sent_once_a_day_after_that() {
    let vendor = Vendor::new();
    let settings = vendor.with_password(Secret::new("fake-password-1"));
    let authenticator = settings.build().unwrap();
    for sent in [2, 3, 4] {
        requests(&vendor, &authenticator, 24 * HOUR).await;
        assert_eq!(vendor.server().counters().failed_logins, sent);
    }
}

#[tokio::test(start_paused = true)]
async fn t26f_ten_processes_send_a_wrong_password_twice_in_a_day() {
    let vendor = Vendor::new();
    let store = MemoryStore::new();
    let process = || {
        let settings = vendor.with_password(Secret::new("fake-password-1"));
        let options = vendor.options().store(store.clone());
        settings.options(options).build().unwrap()
    };
    let mut processes: Vec<_> = (0..10).map(|_| process()).collect();
    for minute in 0..24 * 60 {
        // One process restarts every hour without any memory of the past.
        if minute % 60 == 0 {
            processes.remove(0);
            processes.push(process());
        }
        for process in &processes {
            assert!(vendor.campaigns(process).await.is_err());
        }
        vendor.pass(MINUTE).await;
    }
    let seen = vendor.server().counters();
    assert_eq!((seen.token_requests, seen.failed_logins), (2, 2));
}

#[tokio::test(start_paused = true)]
async fn t26_a_wrong_api_secret_is_sent_twice_as_well() {
    let vendor = Vendor::new();
    let password = Secret::new(vendor.server().user_password());
    let settings = vendor.with_secrets(Secret::new("fake-secret-1"), password);
    let authenticator = settings.build().unwrap();
    for result in requests(&vendor, &authenticator, 24 * HOUR).await {
        assert_says_what_to_do(&result.unwrap_err());
    }
    assert_eq!(vendor.server().counters().token_requests, 2);
}

#[tokio::test(start_paused = true)]
async fn a_corrected_password_is_used_within_the_probe_interval() {
    let vendor = Vendor::new();
    let vault = Vault::new("fake-password-1");
    let authenticator = vendor.with_password(vault.source()).build().unwrap();
    for result in requests(&vendor, &authenticator, 24 * HOUR).await {
        assert!(result.is_err());
    }
    vault.replace(&vendor.server().user_password());
    let results = requests(&vendor, &authenticator, PROBE + MINUTE).await;
    assert!(results.last().unwrap().is_ok(), "{results:?}");
    let seen = vendor.server().counters();
    assert_eq!((seen.token_requests, seen.failed_logins), (3, 2));
}

#[tokio::test(start_paused = true)]
async fn another_wrong_password_gets_two_logins_again() {
    let vendor = Vendor::new();
    let vault = Vault::new("fake-password-1");
    let authenticator = vendor.with_password(vault.source()).build().unwrap();
    requests(&vendor, &authenticator, HOUR).await;
    vault.replace("fake-password-2");
    requests(&vendor, &authenticator, HOUR).await;
    vault.replace("fake-password-1");
    requests(&vendor, &authenticator, HOUR).await;
    assert_eq!(vendor.server().counters().failed_logins, 4);
}

#[tokio::test(start_paused = true)]
async fn a_password_rotated_between_logins_fails_no_request() {
    let vendor = Vendor::new();
    let vault = Vault::new(&vendor.server().user_password());
    let authenticator = vendor.with_password(vault.source()).build().unwrap();
    for round in 1..=4 {
        let results = requests(&vendor, &authenticator, HOUR).await;
        assert!(results.into_iter().all(|result| result.unwrap() == 200));
        let password = format!("fake-password-{round}");
        vendor.server().change_user_password(&*password);
        vault.replace(&password);
    }
    assert_eq!(vendor.server().counters().failed_logins, 0);
}

#[tokio::test(start_paused = true)]
async fn a_password_file_updated_late_costs_one_failed_login() {
    let vendor = Vendor::new();
    let vault = Vault::new(&vendor.server().user_password());
    let authenticator = vendor.with_password(vault.source()).build().unwrap();
    requests(&vendor, &authenticator, MINUTE).await;
    vendor.server().change_user_password("fake-password-2");
    // Renewal is due after 24 minutes at the latest, and the next try five minutes later.
    let results = requests(&vendor, &authenticator, 25 * MINUTE).await;
    assert!(
        results.iter().all(Result::is_ok),
        "the old token stays in use"
    );
    assert_eq!(vendor.server().counters().failed_logins, 1);
    vault.replace("fake-password-2");
    let results = requests(&vendor, &authenticator, HOUR).await;
    assert!(results.last().unwrap().is_ok());
    assert_eq!(vendor.server().counters().failed_logins, 1);
}

#[tokio::test(start_paused = true)]
async fn a_password_that_changes_during_a_login_is_tried_at_once() {
    let vendor = Vendor::new();
    let right = Vault::new(&vendor.server().user_password());
    let stale = Mutex::new(Some(Vault::new("fake-password-1")));
    let password = SecretFn::new(move || {
        let vault = stale.lock().unwrap().take();
        let source = vault.unwrap_or_else(|| right.clone()).source();
        async move { source.read().await }
    });
    let authenticator = vendor.with_password(password).build().unwrap();
    assert_eq!(vendor.campaigns(&authenticator).await.unwrap(), 200);
    assert_eq!(vendor.server().counters().failed_logins, 1);
}

#[tokio::test(start_paused = true)]
async fn an_outage_does_not_count_as_a_rejected_login() {
    let vendor = Vendor::new();
    vendor.server().token().times(20, Reply::status(503));
    let authenticator = vendor.settings().build().unwrap();
    let results = requests(&vendor, &authenticator, HOUR).await;
    assert!(results.last().unwrap().is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_vault_that_denies_access_is_not_a_rejection_by_the_vendor() {
    let vendor = Vendor::new();
    let vault = SecretFn::new(|| async {
        let denied = Error::new(ErrorKind::Rejected, "vault: permission denied");
        Err(denied.with_status(StatusCode::UNAUTHORIZED))
    });
    let authenticator = vendor.with_password(vault).build().unwrap();
    let error = authenticator.token().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Rejected);
    assert!(error.to_string().contains("vault: permission denied"));
    assert!(!error.to_string().contains("check"), "{error}");
    assert_eq!(vendor.logins().len(), 0);
}
