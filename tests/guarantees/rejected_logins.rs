//! Rejected logins: one count per account, for all authenticators, scopes and audiences.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use auth_core::{
    Authenticator, AuthenticatorOptions, Error, ErrorKind, Key, MemoryStore, Origins, Secret,
    SecretFn, SecretSource,
};
use auth_oauth2::{Client, ClientBuilder, ResourceOwnerPassword};
use auth_testkit::{RefreshTokens, Reply, TestServer, VirtualClock};

use crate::support::{HOUR, MINUTE, soon};

/// One vendor with one user. The count is per process of the operating system, so each test has its
/// own user.
struct Stand {
    server: TestServer,
    clock: VirtualClock,
}

impl Stand {
    fn new(user: &str) -> Self {
        let clock = VirtualClock::new();
        let server = TestServer::builder()
            .refresh_tokens(RefreshTokens::Rotated)
            .user(user, "fake-password-1")
            .clock(&clock);
        Self {
            server: server.in_memory(),
            clock,
        }
    }

    fn client(&self) -> ClientBuilder {
        let server = &self.server;
        Client::builder(server.token_url(), server.client_id(), server.transport())
            .secret(Secret::new(server.client_secret()))
            .clock(self.clock.clone())
    }

    fn login(&self, password: impl SecretSource) -> ResourceOwnerPassword {
        let client = self.client().build().unwrap();
        client.password(self.server.user_name(), password).unwrap()
    }

    fn wrong(&self) -> ResourceOwnerPassword {
        self.wrong_with(self.client())
    }

    fn wrong_with(&self, client: ClientBuilder) -> ResourceOwnerPassword {
        let password = Secret::new("fake-password-0");
        let client = client.build().unwrap();
        client.password(self.server.user_name(), password).unwrap()
    }

    fn process(&self, login: ResourceOwnerPassword) -> Authenticator {
        self.builder(login).options(self.options()).build().unwrap()
    }

    fn builder(&self, login: ResourceOwnerPassword) -> auth_core::AuthenticatorBuilder {
        let origins = Origins::new([self.server.origin()]).unwrap();
        Authenticator::builder(login, origins).vendor("example")
    }

    fn options(&self) -> AuthenticatorOptions {
        AuthenticatorOptions::new().clock(self.clock.clone())
    }

    /// Calls each process once per minute.
    async fn ask(&self, processes: &[Authenticator], minutes: u64) {
        for _ in 0..minutes {
            for process in processes {
                let error = soon(process.token()).await.unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Rejected, "{error}");
            }
            self.clock.advance(MINUTE).await;
        }
    }

    fn sent(&self) -> u64 {
        self.server.counters().token_requests
    }
}

const DAY_IN_MINUTES: u64 = 24 * 60;

#[tokio::test(start_paused = true)]
async fn t26_a_wrong_password_is_sent_twice_and_then_once_a_day() {
    let stand = Stand::new("t26-one-a-day");
    let process = stand.process(stand.wrong());
    for sent in [2, 3, 4] {
        stand
            .ask(std::slice::from_ref(&process), DAY_IN_MINUTES)
            .await;
        assert_eq!(stand.sent(), sent);
    }
    let error = soon(process.token()).await.unwrap_err();
    let text = error.to_string();
    assert!(text.contains("correct them where they are kept"), "{text}");
    assert!(!format!("{error:?}").contains("fake-password"), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn t26_three_authenticators_send_a_wrong_password_twice() {
    let stand = Stand::new("t26-three");
    let processes: Vec<_> = (0..3).map(|_| stand.process(stand.wrong())).collect();
    stand.ask(&processes, DAY_IN_MINUTES).await;
    assert_eq!(stand.sent(), 2);
}

#[tokio::test(start_paused = true)]
async fn t26_five_scopes_send_a_wrong_password_twice() {
    let stand = Stand::new("t26-scopes");
    let of =
        |scope: &str| stand.process(stand.wrong_with(stand.client().scope(scope).audience(scope)));
    let processes = ["a", "b", "c", "d", "e"].map(of);
    stand.ask(&processes, DAY_IN_MINUTES).await;
    assert_eq!(stand.sent(), 2);
}

#[tokio::test(start_paused = true)]
async fn t26f_five_scopes_in_one_store_send_a_wrong_password_twice() {
    let stand = Stand::new("t26f-scopes");
    let store = MemoryStore::new();
    let of = |scope: &str| {
        let key = Key::builder("example").client("my-client").scope(scope);
        let builder = stand.builder(stand.wrong_with(stand.client().scope(scope)));
        let builder = builder.key(key.build());
        let options = stand.options().store(store.clone());
        builder.options(options).build().unwrap()
    };
    let processes = ["a", "b", "c", "d", "e"].map(of);
    stand.ask(&processes, DAY_IN_MINUTES).await;
    assert_eq!(stand.sent(), 2);
}

#[tokio::test(start_paused = true)]
async fn t26_an_authenticator_that_was_dropped_leaves_its_count() {
    let stand = Stand::new("t26-dropped");
    for _ in 0..20 {
        stand.ask(&[stand.process(stand.wrong())], 1).await;
    }
    assert_eq!(stand.sent(), 2);
}

#[tokio::test(start_paused = true)]
async fn t26_each_password_is_sent_twice_also_when_an_old_one_returns() {
    let stand = Stand::new("t26-versions");
    for _ in 0..4 {
        for password in ["fake-password-0", "fake-password-2", "fake-password-3"] {
            let process = stand.process(stand.login(Secret::new(password)));
            stand.ask(&[process], 10).await;
        }
    }
    assert_eq!(stand.sent(), 6);
    let right = stand.process(stand.login(Secret::new("fake-password-1")));
    soon(right.token()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn t26_another_account_has_its_own_count() {
    let stand = Stand::new("t26-me");
    stand.ask(&[stand.process(stand.wrong())], 60).await;
    assert_eq!(stand.sent(), 2);
    let client = stand.client().build().unwrap();
    let you = client
        .password("t26-you", Secret::new("fake-password-0"))
        .unwrap();
    stand.ask(&[stand.process(you)], 60).await;
    assert_eq!(stand.sent(), 4);
}

#[tokio::test(start_paused = true)]
async fn t26_a_changed_password_is_used_at_once() {
    let stand = Stand::new("t26-changed");
    let word = Arc::new(Mutex::new("fake-password-0"));
    let current = word.clone();
    let password = SecretFn::new(move || {
        let word = *current.lock().unwrap();
        async move { Ok(Secret::new(word)) }
    });
    let process = stand.process(stand.login(password));
    stand.ask(std::slice::from_ref(&process), 60).await;
    *word.lock().unwrap() = "fake-password-1";
    // By a new authenticator; the rejection in this one lasts until its probe.
    let fresh = stand.process(stand.login(Secret::new("fake-password-1")));
    soon(fresh.token()).await.unwrap();
    stand.clock.advance(6 * MINUTE).await;
    soon(process.token()).await.unwrap();
    assert_eq!(stand.sent(), 4);
}

#[tokio::test(start_paused = true)]
async fn t26_failures_that_do_not_concern_the_password_do_not_count() {
    let stand = Stand::new("t26-outages");
    let scope = r#"{"error":"invalid_scope"}"#;
    let vault = Error::new(ErrorKind::Rejected, "vault: permission denied");
    let closed = SecretFn::new(move || {
        let vault = vault.clone();
        async move { Err(vault) }
    });
    let closed = stand.process(stand.login(closed));
    for _ in 0..3 {
        assert!(soon(closed.token()).await.is_err());
        for reply in [
            Reply::status(503),
            Reply::status(404),
            Reply::status(302).header("location", "https://example.com/"),
            Reply::status(400).json(scope),
        ] {
            stand.server.token().then(reply);
            let process = stand.process(stand.wrong());
            assert!(soon(process.token()).await.is_err());
        }
        stand.clock.advance(HOUR).await;
    }
    let failed = || stand.server.counters().failed_logins;
    assert_eq!(failed(), 0);
    stand.ask(&[stand.process(stand.wrong())], 60).await;
    assert_eq!(failed(), 2);
}

#[tokio::test(start_paused = true)]
async fn t26_an_accepted_login_clears_the_count() {
    let stand = Stand::new("t26-cleared");
    let rejected = r#"{"error":"invalid_grant"}"#;
    for _ in 0..5 {
        stand.server.token().then(Reply::status(400).json(rejected));
        let right = || stand.process(stand.login(Secret::new("fake-password-1")));
        assert!(soon(right().token()).await.is_err());
        soon(right().token()).await.unwrap();
    }
    assert_eq!(stand.sent(), 10);
}

#[tokio::test(start_paused = true)]
async fn t26_a_rejected_refresh_token_does_not_count_against_the_password() {
    let stand = Stand::new("t26-refresh");
    let process = stand.process(stand.login(Secret::new("fake-password-1")));
    for _ in 0..5 {
        soon(process.token()).await.unwrap();
        stand.server.revoke_refresh_tokens();
        stand.clock.advance(HOUR).await;
    }
    soon(process.token()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn t26_rejected_logins_do_not_prevent_a_refresh() {
    let stand = Stand::new("t26-still-refreshes");
    let process = stand.process(stand.login(Secret::new("fake-password-1")));
    soon(process.token()).await.unwrap();
    // The password is changed at the vendor, whose refresh tokens remain valid.
    stand.server.change_user_password("fake-password-9");
    let other = stand.process(stand.login(Secret::new("fake-password-1")));
    stand.ask(&[other], 60).await;
    for _ in 0..5 {
        soon(process.token()).await.unwrap();
        stand.clock.advance(HOUR).await;
    }
    assert_eq!(stand.server.counters().failed_logins, 2);
}

/// Evicted authenticators keep the count of rejected logins.
#[tokio::test(start_paused = true)]
async fn t26_thirty_tenants_with_room_for_ten_send_their_wrong_passwords_twice() {
    let stand = Arc::new(Stand::new("t26-tenants"));
    let maker = Arc::clone(&stand);
    let client = stand.client().build().unwrap();
    let tenants = auth_core::AuthenticatorMap::builder(move |key: &Key| {
        let user = key.get(auth_core::KeyPart::Subject).unwrap_or_default();
        let login = client.password(user, Secret::new("fake-password-0"))?;
        let builder = maker.builder(login);
        builder.options(maker.options()).build()
    })
    .max_entries(10)
    .clock(stand.clock.clone())
    .build()
    .unwrap();
    for _ in 0..60 {
        for number in 0..30 {
            let user = Secret::new(format!("t26-tenant-{number}"));
            let key = Key::builder("example").subject(&user).build();
            let error = soon(tenants.get(&key).unwrap().token()).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Rejected, "{error}");
        }
        stand.clock.advance(MINUTE).await;
    }
    assert!(tenants.len() <= 10, "{}", tenants.len());
    assert_eq!(stand.sent(), 60);
}

/// A rejection after the deadline is not received, but the vendor counts it.
#[tokio::test(start_paused = true)]
async fn t26_a_vendor_that_rejects_after_the_deadline_gets_fewer_and_fewer_logins() {
    let stand = Stand::new("t26-slow");
    let late = Reply::status(401).delay(Duration::from_secs(12));
    stand.server.token().always(late);
    let process = stand.process(stand.wrong());
    for _ in 0..3600 {
        let failed = soon(process.token()).await;
        assert!(failed.is_err());
        stand.clock.advance(Duration::from_secs(1)).await;
    }
    assert!(stand.sent() <= 6, "{} logins in an hour", stand.sent());
}
