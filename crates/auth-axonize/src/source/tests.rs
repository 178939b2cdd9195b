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
        issuer: server.origin().to_owned(),
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
        clock: SharedClock::default(),
    }
}

#[tokio::test(start_paused = true)]
async fn the_credentials_are_those_of_one_user_of_one_application() {
    let server = fakes::axonize().in_memory();
    let with = |password: &str| Login {
        application: Application::Id("fake-app".into()),
        email: "robot@example.com".into(),
        ..login(&server, Secret::new(password))
    };
    let id = async |login: Login| {
        let credentials = login.credentials().await.unwrap();
        assert!(credentials.is_lockable());
        credentials.id().unwrap()
    };
    let own = id(with("fake-password-1")).await;
    let next = id(with("fake-password-2")).await;
    assert_ne!(next, own);
    assert_eq!(next.account(), own.account(), "of the same account");
    let others = [
        Login {
            email: "fake@example.com".into(),
            ..with("fake-password-1")
        },
        Login {
            application: Application::Url("fake-app".into()),
            ..with("fake-password-1")
        },
        Login {
            issuer: "https://other.test".into(),
            ..with("fake-password-1")
        },
    ];
    for other in others {
        assert_ne!(id(other).await.account(), own.account());
    }
}

#[tokio::test(start_paused = true)]
async fn a_vault_that_does_not_answer_sends_nothing() {
    let server = fakes::axonize().in_memory();
    let broken = SecretFn::new(|| async { Err(Error::new(ErrorKind::Unavailable, "vault")) });
    let error = login(&server, broken).credentials().await.unwrap_err();
    assert_eq!(error.outcome(), RequestOutcome::NotSent);
    assert_eq!(server.counters().token_requests, 0);
}

/// One login, as an authenticator sends it.
async fn fetch(login: Login) -> Error {
    let credentials = login.credentials().await.unwrap();
    let exchange = Exchange::new(Reason::Needed).credentials(credentials);
    login.fetch(exchange).await.unwrap_err()
}

#[tokio::test(start_paused = true)]
async fn a_rejection_says_which_factor_it_is_about() {
    let server = fakes::axonize().in_memory();
    let error = fetch(login(&server, Secret::new("fake-password-1"))).await;
    assert_eq!(error.rejected_part(), Some(RejectedPart::Credentials));

    let server = fakes::axonize_mfa().in_memory();
    let right = || login(&server, Secret::new(server.user_password()));
    let error = fetch(right()).await;
    assert_eq!(error.rejected_part(), Some(RejectedPart::SecondFactor));
    assert!(error.to_string().contains("no callback"), "{error}");

    let answers = |answer: fn() -> Result<MfaAnswer, Error>| {
        Some(Callback::new(move |_| std::future::ready(answer())))
    };
    let wrong_code = Login {
        mfa: answers(|| Ok(MfaAnswer::Code("000000".into()))),
        ..right()
    };
    let error = fetch(wrong_code).await;
    assert_eq!(error.rejected_part(), Some(RejectedPart::SecondFactor));
    for callback in [
        answers(|| Err(Error::new(ErrorKind::Unavailable, "no"))),
        answers(|| Ok(MfaAnswer::Code("".into()))),
        answers(|| Ok(MfaAnswer::Resend)),
    ] {
        let error = fetch(Login {
            mfa: callback,
            ..right()
        })
        .await;
        assert_eq!(error.field(), Some("mfa"));
        assert_eq!(
            error.outcome(),
            RequestOutcome::NotUnderstood,
            "it was sent"
        );
    }
}
