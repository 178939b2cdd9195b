//! Multi-factor authentication: its documented facts, and callbacks that fail.

use std::{
    future::{pending, ready},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use auth_axonize::{LoginBuilder, MfaAnswer, MfaChallenge, fake};
use auth_core::{
    Authenticator, AuthenticatorMap, AuthenticatorOptions, Error, ErrorKind, Key, MemoryStore,
    RejectedPart,
};
use auth_testkit::{Reply, TestServer, VirtualClock, assert_no_secret};

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
async fn row_mfa_code_is_requested_again_at_most_three_times() {
    for wanted in [1, 3, 4] {
        let server = Arc::new(fake::mfa().in_memory());
        let fake = Arc::clone(&server);
        let authenticator = login(&server)
            .mfa(move |challenge| {
                ready(Ok(if challenge.resends() < wanted {
                    MfaAnswer::Resend
                } else {
                    code(&fake)
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
async fn row_mfa_without_a_callback_is_an_error_that_names_the_setting() {
    let server = fake::mfa().in_memory();
    let authenticator = login(&server).build().unwrap();
    let error = devices(&server, &authenticator).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Rejected);
    assert_eq!(error.rejected_part(), Some(RejectedPart::SecondFactor));
    assert!(!error.is_transient());
    assert!(
        error
            .to_string()
            .contains("multi-factor authentication is on"),
        "{error}"
    );
    assert_no_secret(format!("{error:?}"), &server.expose_secrets());
    // More logins would send the user one code after the other.
    for _ in 0..24 * 60 {
        server.clock().advance(MINUTE).await;
        assert!(devices(&server, &authenticator).await.is_err());
    }
    assert_eq!(fake::binding_codes(&server).sent(), 2);
}

#[tokio::test(start_paused = true)]
async fn row_mfa_wrong_codes_lengthen_the_interval_between_logins() {
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
    // A second code may be sent at once. Then the intervals are 10, 20, 40, ... minutes.
    assert_eq!(at.len(), 9, "{at:?}");
    assert_eq!(at[..2], [0, 1]);
    for (index, pair) in at.windows(2).enumerate().skip(1) {
        assert_eq!(pair[1] - pair[0], 5 << index, "{at:?}");
    }
}

/// A login whose user mistypes the first `mistyped` codes.
fn typing(server: &Arc<TestServer>, mistyped: u64) -> LoginBuilder {
    let (fake, asked) = (Arc::clone(server), AtomicU64::new(0));
    login(server).mfa(move |_| {
        let mistypes = asked.fetch_add(1, Ordering::Relaxed) < mistyped;
        ready(Ok(if mistypes {
            MfaAnswer::Code("000000".into())
        } else {
            code(&fake)
        }))
    })
}

/// Each authenticator sends one request per minute until one of them has a token. Returns the
/// minutes.
async fn minutes_until_a_token(server: &TestServer, asking: &[Authenticator]) -> u64 {
    for minute in 0..DAY {
        for authenticator in asking {
            match devices(server, authenticator).await {
                Ok(answer) => {
                    assert_eq!(answer, (200, 1));
                    return minute;
                }
                Err(error) => {
                    let said = error.rejected_part();
                    assert_eq!(said, Some(RejectedPart::SecondFactor), "{error}");
                }
            }
        }
        server.clock().advance(MINUTE).await;
    }
    panic!("no token within a day");
}

/// In minutes.
const DAY: u64 = 24 * 60;

#[tokio::test(start_paused = true)]
async fn t26_after_one_mistyped_code_a_new_one_is_tried_at_once() {
    let server = Arc::new(fake::mfa().in_memory());
    let authenticator = typing(&server, 1).build().unwrap();
    assert!(devices(&server, &authenticator).await.is_err());
    // The shortest back-off.
    server.clock().advance(Duration::from_secs(1)).await;
    assert_eq!(devices(&server, &authenticator).await.unwrap(), (200, 1));

    let server = Arc::new(fake::mfa().in_memory());
    let mistyping = typing(&server, 1).build().unwrap();
    assert!(devices(&server, &mistyping).await.is_err());
    let other = typing(&server, 0).build().unwrap();
    assert_eq!(devices(&server, &other).await.unwrap(), (200, 1));
}

#[tokio::test(start_paused = true)]
async fn t26_mistyped_codes_never_count_against_the_password() {
    let server = Arc::new(fake::mfa().in_memory());
    let authenticator = typing(&server, 2).build().unwrap();
    // The second code at once, and the third after the interval for two rejected codes.
    let minutes = minutes_until_a_token(&server, &[authenticator]).await;
    assert_eq!(minutes, 1 + 10);
    assert_eq!(server.counters().failed_logins, 2);
    // An accepted code clears the count: a second mistake starts without a wait.
    for mistyped in [1, 0] {
        let other = typing(&server, mistyped).build().unwrap();
        assert_eq!(devices(&server, &other).await.is_ok(), mistyped == 0);
    }
    assert_eq!(server.counters().failed_logins, 3);
}

#[tokio::test(start_paused = true)]
async fn t26_rejected_codes_are_counted_across_authenticators() {
    let server = Arc::new(fake::mfa().in_memory());
    let asking: Vec<_> = (0..5)
        .map(|_| typing(&server, 9).build().unwrap())
        .collect();
    let mut at = Vec::new();
    for minute in 0..DAY {
        for authenticator in &asking {
            let error = devices(&server, authenticator).await.unwrap_err();
            assert_eq!(error.rejected_part(), Some(RejectedPart::SecondFactor));
            if server.counters().failed_logins > at.len() as u64 {
                at.push(minute);
            }
        }
        server.clock().advance(MINUTE).await;
    }
    // Five authenticators send as many logins as one: two at once, then after 10, 20, 40, ...
    // minutes.
    assert_eq!(at, [0, 0, 10, 30, 70, 150, 310, 630, 1270]);
    assert_eq!(fake::binding_codes(&server).sent(), at.len() as u64);
}

#[tokio::test(start_paused = true)]
async fn t26_evicted_authenticators_forget_no_rejected_code() {
    let server = Arc::new(fake::mfa().in_memory());
    let maker = Arc::clone(&server);
    let room_for_one = AuthenticatorMap::builder(move |_| typing(&maker, 9).build())
        .max_entries(1)
        .clock(server.clock().clone())
        .build()
        .unwrap();
    for tenant in 0..40 {
        let key = Key::builder("axonize").client(format!("fake-tenant-{tenant}"));
        let tenant = room_for_one.get(&key.build()).unwrap();
        let error = devices(&server, &tenant).await.unwrap_err();
        assert_eq!(error.rejected_part(), Some(RejectedPart::SecondFactor));
    }
    assert_eq!(room_for_one.len(), 1);
    assert_eq!(server.counters().failed_logins, 2);
}

/// A separate process: it has its own clock and its own counts.
fn process(builder: LoginBuilder, store: &MemoryStore) -> Authenticator {
    let options = AuthenticatorOptions::new()
        .store(store.clone())
        .clock(VirtualClock::new());
    builder.options(options).build().unwrap()
}

#[tokio::test(start_paused = true)]
async fn t26f_rejected_codes_are_counted_across_processes_with_one_store() {
    let server = Arc::new(fake::mfa().in_memory());
    let store = MemoryStore::new();
    let mut at = Vec::new();
    for minute in 0..DAY {
        // Each process starts, fails and ends.
        let process = process(typing(&server, 9), &store);
        let error = devices(&server, &process).await.unwrap_err();
        assert_eq!(error.rejected_part(), Some(RejectedPart::SecondFactor));
        if server.counters().failed_logins > at.len() as u64 {
            at.push(minute);
        }
        server.clock().advance(MINUTE).await;
    }
    assert_eq!(at, [0, 1, 11, 31, 71, 151, 311, 631, 1271]);
    // The interval after the ninth rejection ends, and the right code is accepted. No caller waits
    // for 30 days.
    let right = process(typing(&server, 0), &store);
    let minutes = minutes_until_a_token(&server, &[right]).await;
    assert_eq!(minutes, 1271 + 1280 - DAY);
}

#[tokio::test(start_paused = true)]
async fn t26f_two_mistyped_codes_of_two_processes_do_not_block_the_right_password() {
    let server = Arc::new(fake::mfa().in_memory());
    let store = MemoryStore::new();
    let processes = [(); 2].map(|()| process(typing(&server, 1), &store));
    for process in &processes {
        assert!(devices(&server, process).await.is_err());
        server.clock().advance(MINUTE).await;
    }
    let minutes = minutes_until_a_token(&server, &processes).await;
    assert_eq!(minutes, 10 - 1);
    assert_eq!(server.counters().failed_logins, 2);
    // The accepted code clears the count in the store.
    let late = process(typing(&server, 0), &store);
    assert_eq!(devices(&server, &late).await.unwrap(), (200, 1));
    assert_eq!(fake::binding_codes(&server).sent(), 3);
}

#[tokio::test(start_paused = true)]
async fn t26_a_changed_password_or_the_operator_ends_the_pause_of_rejected_codes() {
    for by_operator in [true, false] {
        let server = Arc::new(fake::mfa().in_memory());
        for _ in 0..2 {
            let mistyping = typing(&server, 1).build().unwrap();
            assert!(devices(&server, &mistyping).await.is_err());
        }
        let waiting = typing(&server, 0).build().unwrap();
        let error = devices(&server, &waiting).await.unwrap_err();
        assert!(
            error.to_string().contains("no login is sent yet"),
            "{error}"
        );
        let wait = error.retry_after().unwrap();
        assert!((9 * MINUTE..=10 * MINUTE).contains(&wait), "{wait:?}");
        let other = if by_operator {
            waiting.clear_rejections();
            waiting
        } else {
            server.change_user_password("fake-password-of-today");
            typing(&server, 0).build().unwrap()
        };
        assert_eq!(devices(&server, &other).await.unwrap(), (200, 1));
    }
}

#[tokio::test(start_paused = true)]
async fn t26_logins_without_a_callback_are_counted_across_authenticators() {
    let server = fake::mfa().in_memory();
    for _ in 0..20 {
        let fresh = login(&server).build().unwrap();
        assert!(devices(&server, &fresh).await.is_err());
    }
    assert_eq!(fake::binding_codes(&server).sent(), 2);
}

#[tokio::test(start_paused = true)]
async fn t26_a_wrong_password_is_counted_with_multi_factor_authentication_too() {
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
async fn failing_callbacks_cause_a_typed_error() {
    type Misbehave = fn() -> Result<MfaAnswer, Error>;
    let panics: Misbehave = || panic!("fake-panic-text");
    let fails: Misbehave = || Err(Error::new(ErrorKind::Unavailable, "the mailbox is away"));
    let empty: Misbehave = || Ok(MfaAnswer::Code("".into()));
    for (misbehave, says) in [
        (panics, "the callback panicked"),
        (fails, "the callback returned an error"),
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
            // The next login, and with it the next code, is sent after the probe interval.
            assert!(devices(&server, &authenticator).await.is_err());
            assert_eq!(fake::binding_codes(&server).sent(), 1);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_callback_that_never_answers_ends_at_its_deadline() {
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
    assert!(
        error.to_string().contains("within `mfa_deadline`"),
        "{error}"
    );
    // The deadline covers all answers together.
    let took = server.clock().world_elapsed() - begun;
    assert!((3 * MINUTE..4 * MINUTE).contains(&took), "{took:?}");
    assert_eq!(asked.load(Ordering::Relaxed), 2);
}

#[tokio::test(start_paused = true)]
async fn a_403_without_a_challenge_is_a_rejected_login() {
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
async fn an_authenticator_name_that_echoes_secrets_is_scrubbed() {
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
    assert!(error.to_string().contains("returned an error"), "{error}");
}
