use std::sync::{Arc, Mutex};

use auth_core::{Clock, Reason};

use super::*;
use crate::testing::{Recorder, WITH_REFRESH_TOKEN, credentials, fetch, reply, send};

fn builder(transport: &Recorder) -> GrantBuilder<TokenExchange> {
    let url = "https://login.example.com/token";
    let (secret, subject) = (Secret::new("fake-secret"), "fake-user-token");
    TokenExchange::builder(url, "my-service", secret, subject, transport.clone())
}

/// What was sent, decoded.
fn sent(transport: &Recorder) -> Vec<(String, String)> {
    let body = transport.last_body();
    form_urlencoded::parse(body.as_bytes())
        .into_owned()
        .collect()
}

#[tokio::test]
async fn s35_the_golden_request() {
    let transport = Recorder::default();
    fetch(&builder(&transport).build().unwrap()).await.unwrap();
    assert_eq!(
        transport.last_body(),
        "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Atoken-exchange\
         &subject_token=fake-user-token\
         &subject_token_type=urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Aaccess_token"
    );
    let full = builder(&transport)
        .subject_token_type("urn:ietf:params:oauth:token-type:jwt")
        .actor_token("fake-actor-token", ACCESS_TOKEN)
        .requested_token_type(ACCESS_TOKEN)
        .scope("read")
        .audience("reports")
        .resource("https://api.example.com/");
    fetch(&full.build().unwrap()).await.unwrap();
    let names: Vec<_> = sent(&transport).into_iter().map(|(name, _)| name).collect();
    assert_eq!(
        names,
        [
            "grant_type",
            "subject_token",
            "subject_token_type",
            "actor_token",
            "actor_token_type",
            "requested_token_type",
            "scope",
            "audience",
            "resource"
        ]
    );
}

#[tokio::test]
async fn s35_a_token_of_type_n_a_is_no_bearer_token() {
    let body = r#"{"access_token":"fake-token","issued_token_type":"x","token_type":"N_A"}"#;
    let transport = Recorder::answering([reply(200, body)]);
    let source = builder(&transport).build().unwrap();
    assert_eq!(
        fetch(&source).await.unwrap_err().kind(),
        ErrorKind::Protocol
    );
}

#[derive(Clone, Debug)]
struct Turned(Arc<Mutex<Moment>>);

impl Clock for Turned {
    fn now(&self) -> Moment {
        *self.0.lock().unwrap()
    }
}

#[tokio::test]
async fn s35_nothing_outlives_the_subject_token() {
    let clock = Turned(Arc::new(Mutex::new(Moment::PAST)));
    let pass = |seconds| {
        let mut now = clock.0.lock().unwrap();
        *now = *now + Duration::from_secs(seconds);
    };
    let transport = Recorder::default();
    let source = builder(&transport)
        .clock(clock.clone())
        .subject_expires_in(Duration::from_secs(5_000))
        .build()
        .unwrap();
    let lifetime = async || fetch(&source).await.map(|token| token.lifetime().unwrap());
    assert_eq!(lifetime().await.unwrap().as_secs(), 3_600, "the vendor's");
    pass(4_000);
    assert_eq!(lifetime().await.unwrap().as_secs(), 1_000, "what is left");
    pass(1_000);
    let error = lifetime().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Rejected);
    assert_eq!(error.outcome(), RequestOutcome::NotSent);
    assert_eq!(transport.calls(), 2, "it is not even sent");
}

#[tokio::test]
async fn s15_refresh_tokens_are_kept_for_whoever_says_so() {
    let brings = || Recorder::answering([reply(200, WITH_REFRESH_TOKEN)]);
    let spending = || Exchange::new(Reason::Needed).refresh_token("fake-refresh-0");
    let transport = brings();
    let source = builder(&transport).build().unwrap();
    assert!(!source.keeps_refresh_tokens());
    let token = send(&source, spending()).await.unwrap();
    assert!(token.kept_refresh_token().is_none());
    assert!(transport.last_body().contains("&subject_token="));

    let transport = brings();
    let source = builder(&transport)
        .scope("read")
        .audience("reports")
        .refresh_tokens(true)
        .subject_expires_in(Duration::from_secs(60))
        .build()
        .unwrap();
    assert!(source.keeps_refresh_tokens());
    let token = send(&source, spending()).await.unwrap();
    assert_eq!(
        transport.last_body(),
        "grant_type=refresh_token&refresh_token=fake-refresh-0&audience=reports"
    );
    assert_eq!(
        token.kept_refresh_token().unwrap().expose(),
        "fake-refresh-1"
    );
    assert!(token.lifetime().unwrap() <= Duration::from_secs(60), "s35");
}

#[tokio::test]
async fn a_verdict_is_one_on_the_subject_token_too() {
    let transport = Recorder::default();
    let of = async |builder: GrantBuilder<TokenExchange>| {
        let source = builder.build().unwrap();
        credentials(&source).await
    };
    let own = of(builder(&transport)).await;
    assert!(!own.is_lockable());
    assert_eq!(of(builder(&transport).scope("read")).await, own);
    let actor = of(builder(&transport).actor_token("fake-actor-token", "x")).await;
    assert_ne!(actor, own);
    let account = |credentials: &Credentials| credentials.id().unwrap().account();
    assert_eq!(account(&actor), account(&own));
}

#[tokio::test]
async fn g18_the_subject_token_is_scrubbed() {
    let body = r#"{"error":"invalid_request","error_description":"fake-user-token is no token, nor is fake-actor-token"}"#;
    let transport = Recorder::answering([reply(400, body)]);
    let source = builder(&transport).actor_token("fake-actor-token", "x");
    let error = fetch(&source.build().unwrap()).await.unwrap_err();
    assert!(
        error.to_string().ends_with("*** is no token, nor is ***"),
        "{error}"
    );
}

#[test]
fn wrong_settings_name_the_field() {
    let transport = Recorder::default();
    let good = || builder(&transport);
    let no_subject = TokenExchange::builder(
        "https://login.example.com/token",
        "my-service",
        Secret::new("fake-secret"),
        "",
        transport.clone(),
    );
    for (field, builder) in [
        ("subject_token", no_subject),
        ("subject_token_type", good().subject_token_type("")),
        ("actor_token", good().actor_token("", "x")),
        (
            "actor_token_type",
            good().actor_token("fake-actor-token", ""),
        ),
        ("extra", good().extra("subject_token", "fake")),
        ("resource", good().resource("/relative")),
    ] {
        let error = builder.build().unwrap_err();
        assert_eq!(
            (error.kind(), error.field()),
            (ErrorKind::Config, Some(field))
        );
    }
}
