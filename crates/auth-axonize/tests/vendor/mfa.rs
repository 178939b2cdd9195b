//! Multi-factor authentication: the rest of its row, and callbacks that do not behave.

use std::{
    future::{pending, ready},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use auth_axonize::{MfaAnswer, MfaChallenge, fake};
use auth_core::{Error, ErrorKind, RejectedPart};
use auth_testkit::{Reply, TestServer, assert_no_secret};

use crate::support::{devices, login};

const MINUTE: Duration = Duration::from_secs(60);

fn code(server: &TestServer) -> MfaAnswer {
    MfaAnswer::Code(fake::binding_codes(server).latest().unwrap().into())
}

#[tokio::test(start_paused = true)]
async fn row_mfa_code_of_the_callback_ends_the_login() {
    let server = Arc::new(fake::mfa().in_memory());
    let fake = Arc::clone(&server);
    let authenticator = login(&server)
        .mfa(move |challenge: MfaChallenge| {
            assert_eq!((challenge.authenticator(), challenge.resends()), ("SMS", 0));
            ready(Ok(code(&fake)))
        })
        .build()
        .unwrap();
    assert_eq!(devices(&server, &authenticator).await.unwrap(), (200, 1));
    let paths: Vec<_> = server
        .recorded()
        .iter()
        .map(|request| request.path().to_owned())
        .collect();
    assert_eq!(
        paths,
        [
            "/api/auth/login",
            "/api/auth/verifyMultifactorBindingCode",
            "/odata/devices/"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn row_mfa_code_is_sent_again_on_request_three_times() {
    for wanted in [1, 3, 4] {
        let server = Arc::new(fake::mfa().in_memory());
        let fake = Arc::clone(&server);
        let authenticator = login(&server)
            .mfa(move |challenge| {
                ready(Ok(match challenge.resends() < wanted {
                    true => MfaAnswer::Resend,
                    false => code(&fake),
                }))
            })
            .build()
            .unwrap();
        let result = devices(&server, &authenticator).await;
        if wanted <= 3 {
            assert_eq!(result.unwrap(), (200, 1));
            assert_eq!(fake::binding_codes(&server).sent(), 1 + u64::from(wanted));
        } else {
            let error = result.unwrap_err();
            assert_eq!(
                (error.kind(), error.field()),
                (ErrorKind::Config, Some("mfa"))
            );
            assert_eq!(fake::binding_codes(&server).sent(), 4);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn row_mfa_without_a_callback_is_an_error_that_says_so() {
    let server = fake::mfa().in_memory();
    let authenticator = login(&server).build().unwrap();
    let error = devices(&server, &authenticator).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Rejected);
    assert_eq!(error.rejected_part(), Some(RejectedPart::Request));
    assert!(!error.is_transient());
    assert!(
        error
            .to_string()
            .contains("multi-factor authentication is on"),
        "{error}"
    );
    assert_no_secret(format!("{error:?}"), &server.expose_secrets());
    // A user whose phone rings all day would be the price of trying on.
    for _ in 0..24 * 60 {
        server.clock().advance(MINUTE).await;
        assert!(devices(&server, &authenticator).await.is_err());
    }
    assert_eq!(fake::binding_codes(&server).sent(), 2);
}

#[tokio::test(start_paused = true)]
async fn row_mfa_wrong_codes_are_sent_ever_more_rarely() {
    let server = fake::mfa().in_memory();
    let authenticator = login(&server)
        .mfa(|_| ready(Ok(MfaAnswer::Code("000000".into()))))
        .build()
        .unwrap();
    let mut at = Vec::new();
    for minute in 0..24 * 60 {
        let error = devices(&server, &authenticator).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Rejected);
        assert_eq!(error.rejected_part(), Some(RejectedPart::SecondFactor));
        if server.counters().failed_logins > at.len() as u64 {
            at.push(minute);
        }
        server.clock().advance(MINUTE).await;
    }
    // A second code may be tried at once. Then the pauses are 10, 20, 40, ... minutes.
    assert_eq!(at.len(), 9, "{at:?}");
    assert_eq!(at[..2], [0, 1]);
    for (index, pair) in at.windows(2).enumerate().skip(1) {
        assert_eq!(pair[1] - pair[0], 5 << index, "{at:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn t26_mistyped_codes_never_count_against_the_password() {
    let server = Arc::new(fake::mfa().in_memory());
    let typing = |mistyped: u64| {
        let (fake, asked) = (Arc::clone(&server), AtomicU64::new(0));
        login(&server)
            .mfa(move |_| {
                let mistypes = asked.fetch_add(1, Ordering::Relaxed) < mistyped;
                ready(Ok(match mistypes {
                    true => MfaAnswer::Code("000000".into()),
                    false => code(&fake),
                }))
            })
            .build()
            .unwrap()
    };
    let authenticator = typing(2);
    let mut minutes = 0;
    while let Err(error) = devices(&server, &authenticator).await {
        let said = error.rejected_part();
        assert_eq!(said, Some(RejectedPart::SecondFactor), "{error}");
        server.clock().advance(MINUTE).await;
        minutes += 1;
    }
    assert_eq!(server.counters().failed_logins, 2);
    // One at once, and one after the pause of two rejected codes.
    assert_eq!(minutes, 1 + 10);
    // Nobody else who logs in as this user has to wait.
    for _ in 0..4 {
        let other = typing(1);
        assert!(devices(&server, &other).await.is_err());
    }
    assert_eq!(devices(&server, &typing(0)).await.unwrap(), (200, 1));
}

#[tokio::test(start_paused = true)]
async fn t26_a_wrong_password_counts_where_codes_are_asked_for_too() {
    let server = fake::mfa().in_memory();
    let authenticator = login(&server)
        .mfa(|_| async { unreachable!("no code was sent") })
        .build()
        .unwrap();
    server.change_user_password("fake-password-of-today");
    let error = devices(&server, &authenticator).await.unwrap_err();
    assert_eq!(error.rejected_part(), Some(RejectedPart::Credentials));
    for _ in 0..24 * 60 {
        server.clock().advance(MINUTE).await;
        assert!(devices(&server, &authenticator).await.is_err());
    }
    assert_eq!(server.counters().failed_logins, 2);
}

#[tokio::test(start_paused = true)]
async fn callbacks_that_do_not_behave_end_in_a_typed_error() {
    type Misbehave = fn() -> Result<MfaAnswer, Error>;
    let panics: Misbehave = || panic!("fake-panic-text");
    let fails: Misbehave = || Err(Error::new(ErrorKind::Unavailable, "the mailbox is away"));
    let empty: Misbehave = || Ok(MfaAnswer::Code("".into()));
    for (misbehave, says) in [
        (panics, "the callback panicked"),
        (fails, "the callback has no code"),
        (empty, "code is empty"),
    ] {
        for at_once in [true, false] {
            let server = fake::mfa().in_memory();
            let authenticator = login(&server)
                .mfa(move |_| {
                    let answer = at_once.then(misbehave);
                    async move { answer.unwrap_or_else(misbehave) }
                })
                .build()
                .unwrap();
            let error = devices(&server, &authenticator).await.unwrap_err();
            assert_eq!(
                (error.kind(), error.field()),
                (ErrorKind::Config, Some("mfa"))
            );
            assert!(error.to_string().contains(says), "{error}");
            assert!(!format!("{error:?}").contains("fake-panic-text"));
            assert_no_secret(format!("{error:?}"), &server.expose_secrets());
            // The next try, and with it the next code, comes after the probe interval.
            assert!(devices(&server, &authenticator).await.is_err());
            assert_eq!(fake::binding_codes(&server).sent(), 1);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_callback_that_never_answers_is_given_up_in_time() {
    let server = fake::mfa().in_memory();
    let asked = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&asked);
    let authenticator = login(&server)
        .mfa(move |challenge| {
            counted.fetch_add(1, Ordering::Relaxed);
            async move {
                match challenge.resends() {
                    0 => {
                        tokio::time::sleep(2 * MINUTE).await;
                        Ok(MfaAnswer::Resend)
                    }
                    _ => pending().await,
                }
            }
        })
        .mfa_deadline(3 * MINUTE)
        .build()
        .unwrap();
    let begun = server.clock().world_elapsed();
    let error = devices(&server, &authenticator).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.field()),
        (ErrorKind::Config, Some("mfa"))
    );
    assert!(error.to_string().contains("took too long"), "{error}");
    // All its answers together.
    let took = server.clock().world_elapsed() - begun;
    assert!((3 * MINUTE..4 * MINUTE).contains(&took), "{took:?}");
    assert_eq!(asked.load(Ordering::Relaxed), 2);
}

#[tokio::test(start_paused = true)]
async fn a_403_that_asks_for_no_code_is_what_it_says() {
    for (body, kind) in [
        ("", ErrorKind::Protocol),
        ("<html>", ErrorKind::Unavailable),
        (r#"{"token":7}"#, ErrorKind::Protocol),
        (r#"{"message":"forbidden"}"#, ErrorKind::Protocol),
        ("[]", ErrorKind::Unavailable),
    ] {
        let server = fake::mfa().in_memory();
        server.token().then(Reply::status(403).body(body));
        let authenticator = login(&server)
            .mfa(|_| async { unreachable!("nothing was asked for") })
            .build()
            .unwrap();
        let error = devices(&server, &authenticator).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert_eq!(error.status().unwrap(), 403);
        let shown = error.to_string().contains("answered 403: forbidden");
        assert_eq!(shown, body.contains("forbidden"), "{error}");
        assert!(!error.to_string().contains("multi-factor"), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_authenticator_that_echoes_shows_no_secret() {
    let server = fake::mfa().in_memory();
    let body = r#"{"token":"fake-second-token","authenticatorCode":"fake-code-77",
        "authenticator":"SMS\u001b[31m fake-second-token user+1@axonize.example.com"}"#;
    server.token().then(Reply::status(403).json(body));
    let authenticator = login(&server)
        .mfa(|challenge| {
            assert_eq!(challenge.authenticator(), "SMS?[31m *** ***");
            ready(Err(Error::new(ErrorKind::Unavailable, "no")))
        })
        .build()
        .unwrap();
    let error = devices(&server, &authenticator).await.unwrap_err();
    assert!(error.to_string().contains("has no code"), "{error}");
}
