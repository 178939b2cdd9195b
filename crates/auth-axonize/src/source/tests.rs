#![allow(clippy::unwrap_used, reason = "a test fails by it")]

use auth_core::{SecretFn, SecretSource, SharedTransport, TokenRequestReason};
use auth_testkit::TestServer;

use super::*;
use crate::base_url::BaseUrl;
use crate::fake;

fn login(server: &TestServer, password: impl SecretSource) -> Login {
    let base_url = BaseUrl::new(server.origin().to_owned());
    let transport = SharedTransport::new(server.transport());
    let endpoint = |path| base_url.endpoint(path, &transport).unwrap();
    Login {
        login: endpoint("/api/auth/login"),
        verify: endpoint("/api/auth/verifyMultifactorBindingCode"),
        resend: endpoint("/api/auth/resendMultifactorBindingCode"),
        application: Application::Id(server.client_id().into()),
        email: server.user_name().into(),
        password: SharedSecretSource::new(password),
        mfa: None,
        mfa_deadline: Duration::from_secs(300),
        rules: ReplyRules::new()
            .token_member("token")
            .allow_missing_token_type(),
        no_callback: NoCallback::default(),
        clock: SharedClock::default(),
    }
}

#[tokio::test(start_paused = true)]
async fn the_password_that_was_identified_is_sent() {
    let server = fake::login().in_memory();
    let unread = SecretFn::new(|| async { panic!("the password is read a second time") });
    let login = login(&server, unread);
    let credentials = Credentials::lockable(&["me"], [Secret::new(server.user_password())]);
    let token_request = TokenRequest::new(TokenRequestReason::Needed).credentials(credentials);
    assert!(login.fetch(token_request).await.is_ok());

    let error = login
        .fetch(TokenRequest::new(TokenRequestReason::Needed))
        .await
        .unwrap_err();
    assert_eq!(error.field(), Some("TokenRequest::credentials"));
    assert_eq!(server.counters().token_requests, 1);
}

#[tokio::test(start_paused = true)]
async fn the_account_is_user_and_application() {
    let server = fake::login().in_memory();
    let with = |password: &str| Login {
        application: Application::Id("fake-app".into()),
        email: "robot@example.com".into(),
        ..login(&server, Secret::new(password))
    };
    let of = async |login: Login| {
        let credentials = login.credentials().await.unwrap();
        assert!(credentials.is_lockable());
        credentials.id().unwrap()
    };
    let own = of(with("fake-password-1")).await;
    let new = of(with("fake-password-2")).await;
    assert_ne!(new, own);
    assert_eq!(new.account(), own.account());
    let user = Login {
        email: "fake@example.com".into(),
        ..with("fake-password-1")
    };
    assert_ne!(of(user).await.account(), own.account());
    let application = Login {
        application: Application::Url("fake-app".into()),
        ..with("fake-password-1")
    };
    assert_ne!(of(application).await.account(), own.account());
}

#[tokio::test(start_paused = true)]
async fn a_password_that_cannot_be_read_sends_nothing() {
    let server = fake::login().in_memory();
    for kind in [ErrorKind::Unavailable, ErrorKind::Rejected] {
        let broken = SecretFn::new(move || async move { Err(Error::new(kind, "vault: sealed")) });
        let error = login(&server, broken).credentials().await.unwrap_err();
        assert_eq!(error.outcome(), TokenRequestOutcome::NotSent);
    }
}
