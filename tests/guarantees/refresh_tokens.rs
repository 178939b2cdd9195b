//! Refresh tokens: kept, replaced, spent once, and the fallback after them.

use std::sync::{Arc, Mutex};

use auth_core::{
    Authenticator, AuthenticatorOptions, ErrorKind, MemoryStore, Origins, Secret, SecretFn,
    TokenSource,
};
use auth_oauth2::{Client, ClientAuth, RefreshToken, ResourceOwnerPassword};
use auth_testkit::{RefreshTokens, Reply, TestServer, TestServerBuilder, VirtualClock};

use crate::support::{HOUR, MINUTE, soon};

/// One vendor with one user, and one clock.
struct Stand {
    server: TestServer,
    clock: VirtualClock,
}

impl Stand {
    fn new(rule: RefreshTokens) -> Self {
        Self::with(TestServer::builder().refresh_tokens(rule))
    }

    fn with(server: TestServerBuilder) -> Self {
        let clock = VirtualClock::new();
        let server = server.user("fake-user", "fake-password-1").clock(&clock);
        Self {
            server: server.in_memory(),
            clock,
        }
    }

    fn password(&self) -> ResourceOwnerPassword {
        let server = &self.server;
        let builder = Client::builder(server.token_url(), server.client_id(), server.transport())
            .secret(Secret::new(server.client_secret()));
        let client = builder.clock(self.clock.clone()).build().unwrap();
        let password = Secret::new(server.user_password());
        client.password(server.user_name(), password).unwrap()
    }

    /// Makes a process that has just started.
    fn process(&self, source: impl TokenSource, store: Option<&MemoryStore>) -> Authenticator {
        let mut options = AuthenticatorOptions::new().clock(self.clock.clone());
        if let Some(store) = store {
            options = options.store(store.clone());
        }
        Authenticator::builder(source, Origins::new([self.server.origin()]).unwrap())
            .vendor("example")
            .key(
                auth_core::Key::builder("example")
                    .client("my-client")
                    .build(),
            )
            .options(options)
            .build()
            .unwrap()
    }

    /// Gets a token, then another one each time it has expired.
    async fn renewals(&self, process: &Authenticator, times: usize) {
        for _ in 0..times {
            soon(process.token()).await.unwrap();
            self.clock.advance(HOUR).await;
        }
    }

    /// Returns how often the password was sent.
    fn logins(&self) -> usize {
        let sent = self.server.recorded();
        let grants = sent.iter().map(|sent| sent.expose_parameter("grant_type"));
        grants
            .filter(|grant| grant.as_deref() == Some("password"))
            .count()
    }

    /// Returns how often each refresh token was accepted. Asserts that none was sent once too
    /// often.
    fn spent(&self) -> Vec<u64> {
        let uses = self.server.refresh_token_uses();
        assert!(uses.iter().all(|seen| seen.refused == 0), "{uses:?}");
        assert_eq!(self.server.counters().families_revoked, 0);
        uses.iter().map(|seen| seen.accepted).collect()
    }
}

#[tokio::test(start_paused = true)]
async fn s15_a_replaced_refresh_token_is_never_sent_again() {
    let stand = Stand::new(RefreshTokens::Rotated);
    let process = stand.process(stand.password(), None);
    stand.renewals(&process, 5).await;
    assert_eq!(stand.spent(), [1, 1, 1, 1, 0]);
    assert_eq!(stand.logins(), 1);
}

#[tokio::test(start_paused = true)]
async fn s15_a_refresh_token_that_is_repeated_or_left_out_remains_in_use() {
    for rule in [RefreshTokens::Repeated, RefreshTokens::Omitted] {
        let stand = Stand::new(rule);
        let process = stand.process(stand.password(), None);
        stand.renewals(&process, 5).await;
        assert_eq!(stand.spent(), [4], "{rule:?}");
        assert_eq!(stand.logins(), 1, "{rule:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn s07_without_a_refresh_token_each_renewal_is_a_login() {
    let stand = Stand::with(TestServer::builder());
    let process = stand.process(stand.password(), None);
    stand.renewals(&process, 3).await;
    assert_eq!(stand.logins(), 3);
}

#[tokio::test(start_paused = true)]
async fn t32_a_revoked_refresh_token_costs_one_login_and_no_error() {
    let stand = Stand::new(RefreshTokens::Rotated);
    let process = stand.process(stand.password(), None);
    stand.renewals(&process, 2).await;
    stand.server.revoke_refresh_tokens();
    stand.renewals(&process, 2).await;
    assert_eq!(stand.logins(), 2);
    let seen = stand.server.counters();
    assert_eq!((seen.refreshes, seen.failed_logins), (2, 0));
    assert_eq!(seen.token_requests, 5);
}

#[tokio::test(start_paused = true)]
async fn g17f_a_fleet_spends_each_refresh_token_once() {
    let stand = Stand::new(RefreshTokens::Rotated);
    let store = MemoryStore::new();
    let processes: Vec<_> = (0..8)
        .map(|_| stand.process(stand.password(), Some(&store)))
        .collect();
    for _ in 0..5 {
        let waiting: Vec<_> = processes
            .iter()
            .map(|process| tokio::spawn(process.token()))
            .collect();
        for token in waiting {
            soon(token).await.unwrap().unwrap();
        }
        stand.clock.advance(HOUR).await;
    }
    assert_eq!(stand.spent(), [1, 1, 1, 1, 0]);
    assert_eq!(stand.logins(), 1);
}

#[tokio::test(start_paused = true)]
async fn g17f_a_process_continues_with_the_refresh_token_of_the_last_one() {
    let stand = Stand::new(RefreshTokens::Rotated);
    let store = MemoryStore::new();
    for _ in 0..5 {
        let process = stand.process(stand.password(), Some(&store));
        stand.renewals(&process, 1).await;
    }
    assert_eq!(stand.spent(), [1, 1, 1, 1, 0]);
    assert_eq!(stand.logins(), 1);
}

/// A refresh token whose reply is lost locks no account: the next token request follows after the
/// usual back-off, not after the long one that protects a password.
#[tokio::test(start_paused = true)]
async fn g17_lost_answers_to_a_refresh_token_do_not_hold_the_password_back() {
    for store in [None, Some(MemoryStore::new())] {
        let stand = Stand::new(RefreshTokens::Rotated);
        let process = stand.process(stand.password(), store.as_ref());
        stand.renewals(&process, 1).await;
        for _ in 0..2 {
            stand.server.token().then(Reply::normal().cut_after(0));
            let error = soon(process.token()).await.unwrap_err();
            assert!(error.retry_after() <= Some(MINUTE), "{error}");
            stand.clock.advance(MINUTE).await;
        }
        // The refresh token is given up.
        soon(process.token()).await.unwrap();
        assert_eq!(stand.logins(), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn t32_a_lost_answer_costs_one_careful_reuse() {
    let stand = Stand::new(RefreshTokens::Rotated);
    let process = stand.process(stand.password(), None);
    stand.renewals(&process, 1).await;
    // The vendor has replaced the refresh token, and the reply is lost.
    stand.server.token().then(Reply::normal().cut_after(0));
    soon(process.token()).await.unwrap_err();
    stand.clock.advance(MINUTE).await;
    stand.renewals(&process, 2).await;
    let seen = stand.server.counters();
    assert_eq!((seen.refresh_reuses, seen.families_revoked), (1, 1));
    assert_eq!(stand.logins(), 2);
}

/// The place where a person's login puts its refresh token.
#[derive(Clone)]
struct Place(Arc<Mutex<String>>);

impl Place {
    fn new(token: String) -> Self {
        Self(Arc::new(Mutex::new(token)))
    }

    fn put(&self, token: String) {
        *self.0.lock().unwrap() = token;
    }
}

impl Stand {
    fn of_a_person(&self, place: &Place) -> RefreshToken {
        let (url, id, place) = (
            self.server.token_url(),
            self.server.client_id(),
            place.clone(),
        );
        let first = SecretFn::new(move || {
            let token = place.0.lock().unwrap().clone();
            async move { Ok(Secret::new(token)) }
        });
        let builder =
            Client::builder(url, id, self.server.transport()).client_auth(ClientAuth::None);
        let client = builder.clock(self.clock.clone()).build().unwrap();
        client.refresh_token(first).unwrap()
    }
}

fn for_people(rule: RefreshTokens) -> Stand {
    let server = TestServer::builder().client_auth([auth_testkit::ClientAuth::Public]);
    Stand::with(server.refresh_tokens(rule))
}

#[tokio::test(start_paused = true)]
async fn s15_a_login_by_a_person_is_continued() {
    for (rule, spent) in [
        (RefreshTokens::Rotated, &[1, 1, 1, 1, 1, 1, 0][..]),
        (RefreshTokens::Repeated, &[6]),
        (RefreshTokens::Omitted, &[6]),
    ] {
        let stand = for_people(rule);
        let place = Place::new(stand.server.log_in());
        let store = MemoryStore::new();
        // The second process starts with the entry that the first one left in the store.
        for _ in 0..2 {
            let process = stand.process(stand.of_a_person(&place), Some(&store));
            stand.renewals(&process, 3).await;
        }
        assert_eq!(stand.spent(), spent, "{rule:?}");
        assert_eq!(stand.server.counters().token_requests, 6, "{rule:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn t32_without_a_valid_refresh_token_the_error_requests_a_login_which_is_noticed() {
    let stand = for_people(RefreshTokens::Rotated);
    let place = Place::new(stand.server.log_in());
    let process = stand.process(stand.of_a_person(&place), None);
    stand.renewals(&process, 2).await;
    stand.server.revoke_refresh_tokens();
    let asked = stand.server.counters().token_requests;
    for _ in 0..60 {
        let error = soon(process.token()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Rejected, "{error:?}");
        assert!(error.to_string().contains("log in again"), "{error}");
        let text = format!("{error:?}");
        auth_testkit::assert_no_secret(text, &stand.server.expose_secrets());
        stand.clock.advance(MINUTE).await;
    }
    // Only the latest one is sent: the first one was replaced long ago.
    assert_eq!(stand.server.counters().token_requests - asked, 1);
    assert_eq!(stand.server.counters().refresh_reuses, 0);

    place.put(stand.server.log_in());
    stand.clock.advance(10 * MINUTE).await;
    stand.renewals(&process, 3).await;
    let uses = stand.server.refresh_token_uses();
    assert!(uses.iter().all(|seen| seen.accepted <= 1), "{uses:?}");
}
