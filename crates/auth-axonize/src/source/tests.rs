#![allow(clippy::unwrap_used, reason = "a test fails by it")]

use auth_core::{Reason, SecretFn, SecretSource, SharedTransport};
use auth_testkit::{TestServer, fakes};

use super::*;
use crate::base_url::BaseUrl;

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
        limit: LoginLimit::new(VENDOR),
        clock: SharedClock::default(),
    }
}

#[tokio::test(start_paused = true)]
async fn t26_logins_stop_for_what_the_fleet_saw() {
    let server = fakes::axonize().in_memory();
    let login = login(&server, Secret::new(server.user_password()));
    let after = |times| Exchange::new(Reason::Needed).failed_logins(times);
    assert!(login.fetch(after(1)).await.is_ok());
    let error = login.fetch(after(2)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Rejected);
    assert!(
        error.to_string().starts_with("axonize: not tried again"),
        "{error}"
    );
    assert_eq!(server.counters().token_requests, 1);
}

/// A fleet may run two releases at once: these never change.
#[tokio::test(start_paused = true)]
async fn the_mark_is_one_of_all_that_a_login_shows() {
    let server = fakes::axonize().in_memory();
    let with = |password: &str| Login {
        application: Application::Id("fake-app".into()),
        email: "robot@example.com".into(),
        ..login(&server, Secret::new(password))
    };
    let mark = async |login: Login| login.credential().await.unwrap().get();
    let own = mark(with("fake-password-1")).await;
    assert_eq!(own, 0x046b);
    assert_ne!(mark(with("fake-password-2")).await, own);
    let other = Login {
        email: "fake@example.com".into(),
        ..with("fake-password-1")
    };
    assert_ne!(mark(other).await, own);
    let other = Login {
        application: Application::Url("fake-app".into()),
        ..with("fake-password-1")
    };
    assert_ne!(mark(other).await, own);
    let broken = SecretFn::new(|| async { Err(Error::new(ErrorKind::Unavailable, "vault")) });
    assert_eq!(login(&server, broken).credential().await, None);
}
