use std::time::Duration;

use auth_core::{Authenticator, Clock, ErrorKind, Moment, Origins, RejectedPart, SecretFn};

use super::*;
use crate::{
    AssertionSigner,
    testing::{Recorder, credentials, fetch, reply},
};

const URL: &str = "https://api.example.com/app/sessions";
const GRANTED: &str = r#"{"token":"fake-token","expires_at":"2030-01-01T01:00:00Z"}"#;

/// Writes down what the assertion is for, in place of a signature.
struct Fake;

impl AssertionSigner for Fake {
    async fn read_key(&self) -> Result<Secret, Error> {
        Ok(Secret::new("fake-key-1"))
    }

    async fn sign(&self, key: &Secret, context: &AssertionContext<'_>) -> Result<Secret, Error> {
        let (client, endpoint) = (context.client_id, context.token_endpoint);
        assert_eq!(context.issuer, None);
        let now = context.now.since_unix_epoch().as_secs();
        let text = format!("{}:{client}:{endpoint}:{now}", key.expose());
        Ok(Secret::new(text))
    }

    fn check(&self, context: &AssertionContext<'_>) -> Result<(), Error> {
        match context.client_id {
            "wrong" => Err(Error::config("signing_key", "does not fit")),
            _ => Ok(()),
        }
    }
}

/// `Sun, 06 Nov 1994 08:49:37 GMT`.
const NOW: u64 = 784_111_777;

#[derive(Debug)]
struct Stopped;

impl Clock for Stopped {
    fn now(&self) -> Moment {
        Moment::new(Duration::from_secs(5), Duration::from_secs(NOW))
    }
}

fn login(transport: &Recorder) -> AssertionLoginBuilder {
    let rules = ReplyRules::new()
        .token_member("token")
        .description_member("message")
        .default_lifetime(Duration::from_secs(3600));
    AssertionLogin::builder(URL, "me", Assertion::signed(Fake), transport.clone())
        .header(header::USER_AGENT, "my-app")
        .reply_rules(rules)
        .clock(Stopped)
}

#[tokio::test]
async fn the_assertion_is_in_the_header_and_the_body_is_empty() {
    let transport = Recorder::answering([reply(201, GRANTED)]);
    let source = login(&transport).build().unwrap();
    let token = fetch(&source).await.unwrap();
    assert_eq!(token.secret().expose(), "fake-token");
    assert_eq!(token.lifetime(), Some(Duration::from_secs(3600)));
    let request = transport.last();
    assert_eq!(
        (request.method().as_str(), request.uri().to_string()),
        ("POST", URL.into())
    );
    assert_eq!(request.body(), "{}");
    let mut headers: Vec<_> = request.headers().iter().collect();
    headers.sort_unstable_by_key(|(name, _)| name.as_str());
    let headers: Vec<_> = headers
        .into_iter()
        .map(|(name, value)| (name.as_str(), value.to_str().unwrap()))
        .collect();
    let assertion = format!("Bearer fake-key-1:me:{URL}:{NOW}");
    assert_eq!(
        headers,
        [
            ("accept", "application/json"),
            ("accept-encoding", "identity"),
            ("authorization", &assertion),
            ("content-type", "application/json"),
            ("user-agent", "my-app"),
        ]
    );
    assert!(request.headers()["authorization"].is_sensitive());
    assert_eq!(
        credentials(&source).await.secret(0),
        Some(&Secret::new("fake-key-1"))
    );
}

#[tokio::test]
async fn g06_a_rejected_assertion_is_sent_once_and_appears_in_no_text() {
    let echo = format!(r#"{{"message":"Bad credentials fake-key-1:me:{URL}:{NOW}"}}"#);
    let transport = Recorder::answering([reply(401, &echo)]);
    let source = login(&transport).build().unwrap();
    let shown = format!("{source:?} {:?}", login(&transport));
    let origins = Origins::new(["https://api.example.com"]).unwrap();
    let authenticator = Authenticator::builder(source, origins).build().unwrap();
    for _ in 0..5 {
        let error = authenticator.token().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Rejected);
        assert_eq!(error.rejected_part(), Some(RejectedPart::Credentials));
        let text = format!("{error} {error:?} {shown}");
        assert!(text.contains("Bad credentials"), "{text}");
        assert!(!text.contains("fake-key-1"), "{text}");
    }
    assert_eq!(transport.calls(), 1);
}

#[tokio::test]
async fn a_rejection_names_a_wrong_clock() {
    for (date, says) in [
        (
            Some("Sun, 06 Nov 1994 07:49:37 GMT"),
            "3600 s ahead of the server's",
        ),
        (
            Some("Sun, 06 Nov 1994 09:49:37 GMT"),
            "3600 s behind the server's",
        ),
        (Some("Sun, 06 Nov 1994 08:49:30 GMT"), ""),
        (None, ""),
    ] {
        let mut answer = reply(401, r#"{"message":"no"}"#);
        if let Some(date) = date {
            answer.headers_mut().insert("date", date.parse().unwrap());
        }
        let source = login(&Recorder::answering([answer])).build().unwrap();
        let error = fetch(&source).await.unwrap_err().to_string();
        assert_eq!(error.contains("set the clock"), !says.is_empty(), "{error}");
        assert!(error.contains(says), "{error}");
    }
}

#[tokio::test]
async fn a_thousand_callers_share_one_assertion() {
    let transport = Recorder::answering([reply(201, GRANTED)]);
    let origins = Origins::new(["https://api.example.com"]).unwrap();
    let source = login(&transport).build().unwrap();
    let authenticator = Authenticator::builder(source, origins).build().unwrap();
    let callers: Vec<_> = (0..1000).map(|_| authenticator.token()).collect();
    for caller in callers {
        caller.await.unwrap();
    }
    assert_eq!(transport.calls(), 1);
}

#[tokio::test]
async fn wrong_settings_are_named_and_nothing_is_sent() {
    let transport = Recorder::default();
    let with = |url: &str, id: &str| {
        AssertionLogin::builder(url, id, Assertion::signed(Fake), transport.clone())
    };
    let issued = Secret::new("fake-secret-1");
    for (builder, field) in [
        (with("http://api.example.com/", "me"), "url"),
        (with("/sessions", "me"), "url"),
        (
            with("https://me:fake-secret-1@api.example.com/", "me"),
            "url",
        ),
        (with(URL, ""), "client_id"),
        (with(URL, "me\n"), "client_id"),
        (with(URL, "wrong"), "signing_key"),
        (
            with(URL, "me").header(header::AUTHORIZATION, "fake-secret-1"),
            "header",
        ),
        (
            with(URL, "me").header(header::HOST, "evil.example"),
            "header",
        ),
        (
            with(URL, "me").header(header::USER_AGENT, "fake-secret-1\n"),
            "header",
        ),
        (
            AssertionLogin::builder(URL, "me", issued, transport.clone()),
            "assertion",
        ),
    ] {
        let error = builder.build().unwrap_err();
        assert_eq!(
            (error.kind(), error.field()),
            (ErrorKind::Config, Some(field)),
            "{error}"
        );
        assert!(
            !format!("{error} {error:?}").contains("fake-secret-1"),
            "{error}"
        );
    }
    // An assertion that is read later is judged then.
    let read = SecretFn::new(|| std::future::ready(Ok(Secret::new("fake-secret-1"))));
    let source = AssertionLogin::builder(URL, "me", read, transport.clone())
        .build()
        .unwrap();
    let error = source.credentials().await.unwrap_err();
    assert_eq!(error.field(), Some("assertion"), "{error}");
    assert_eq!(transport.calls(), 0);
    let local = AssertionLogin::builder(
        "http://127.0.0.1:1/",
        "me",
        Assertion::signed(Fake),
        transport,
    );
    assert!(
        local
            .danger_allow_http("http://127.0.0.1:1")
            .unwrap()
            .build()
            .is_ok()
    );
}
