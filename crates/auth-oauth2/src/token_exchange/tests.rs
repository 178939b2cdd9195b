use std::sync::{Arc, Mutex};

use auth_core::{Clock, TokenRequestReason};

use super::*;
use crate::{
    ClientBuilder,
    testing::{Recorder, WITH_REFRESH_TOKEN, credentials, fetch, reply, send},
};

fn builder(transport: &Recorder) -> ClientBuilder {
    let url = "https://login.example.com/token";
    let secret = Secret::new("fake-secret");
    Client::builder(url, "my-service", transport.clone()).secret(secret)
}

fn user(client: ClientBuilder) -> TokenExchange {
    let client = client.build().unwrap();
    client.token_exchange("fake-user-token").unwrap()
}

/// The parameters that were sent, decoded.
fn sent(transport: &Recorder) -> Vec<(String, String)> {
    let body = transport.last_body();
    form_urlencoded::parse(body.as_bytes())
        .into_owned()
        .collect()
}

#[tokio::test]
async fn s35_the_golden_request() {
    let transport = Recorder::default();
    fetch(&user(builder(&transport))).await.unwrap();
    assert_eq!(
        transport.last_body(),
        "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Atoken-exchange\
         &subject_token=fake-user-token\
         &subject_token_type=urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Aaccess_token"
    );
    let client = builder(&transport)
        .scope("read")
        .audience("reports")
        .resource("https://api.example.com/");
    let full = user(client)
        .subject_token_type("urn:ietf:params:oauth:token-type:jwt")
        .unwrap()
        .actor_token("fake-actor-token", ACCESS_TOKEN)
        .unwrap()
        .requested_token_type(ACCESS_TOKEN);
    fetch(&full).await.unwrap();
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
async fn s35_a_token_of_type_n_a_is_not_a_bearer_token() {
    let body = r#"{"access_token":"fake-token","issued_token_type":"x","token_type":"N_A"}"#;
    let transport = Recorder::answering([reply(200, body)]);
    let source = user(builder(&transport));
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
async fn s35_no_token_outlives_the_subject_token() {
    let clock = Turned(Arc::new(Mutex::new(Moment::PAST)));
    let pass = |seconds| {
        let mut now = clock.0.lock().unwrap();
        *now = *now + Duration::from_secs(seconds);
    };
    let transport = Recorder::default();
    let client = builder(&transport).clock(clock.clone());
    let source = user(client).subject_expires_in(Duration::from_secs(5_000));
    let lifetime = async || fetch(&source).await.map(|token| token.lifetime().unwrap());
    assert_eq!(lifetime().await.unwrap().as_secs(), 3_600, "the vendor's");
    pass(4_000);
    assert_eq!(lifetime().await.unwrap().as_secs(), 1_000, "what is left");
    pass(1_000);
    let error = lifetime().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Rejected);
    assert_eq!(error.outcome(), TokenRequestOutcome::NotSent);
    assert_eq!(transport.calls(), 2, "it is not even sent");
}

#[tokio::test]
async fn s15_refresh_tokens_are_kept_only_on_request() {
    let brings = || Recorder::answering([reply(200, WITH_REFRESH_TOKEN)]);
    let spending = || TokenRequest::new(TokenRequestReason::Needed).refresh_token("fake-refresh-0");
    let transport = brings();
    let source = user(builder(&transport));
    assert!(!source.keeps_refresh_tokens());
    let token = send(&source, spending()).await.unwrap();
    assert!(token.kept_refresh_token().is_none());
    assert!(transport.last_body().contains("&subject_token="));

    let transport = brings();
    let source = user(builder(&transport).scope("read").audience("reports"))
        .refresh_tokens(true)
        .subject_expires_in(Duration::from_secs(60));
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
async fn a_rejection_of_the_credentials_includes_the_subject_token() {
    let transport = Recorder::default();
    let of = async |source: TokenExchange| credentials(&source).await;
    let own = of(user(builder(&transport))).await;
    assert!(!own.is_lockable());
    assert_eq!(of(user(builder(&transport).scope("read"))).await, own);
    let acting = user(builder(&transport)).actor_token("fake-actor-token", "x");
    let actor = of(acting.unwrap()).await;
    assert_ne!(actor, own);
    let account = |credentials: &Credentials| credentials.id().unwrap().account();
    assert_eq!(account(&actor), account(&own));
}

#[tokio::test]
async fn g18_the_subject_token_is_scrubbed() {
    let body = r#"{"error":"invalid_request","error_description":"fake-user-token is no token, nor is fake-actor-token"}"#;
    let transport = Recorder::answering([reply(400, body)]);
    let source = user(builder(&transport)).actor_token("fake-actor-token", "x");
    let error = fetch(&source.unwrap()).await.unwrap_err();
    assert!(
        error.to_string().ends_with("*** is no token, nor is ***"),
        "{error}"
    );
}

#[test]
fn wrong_settings_name_the_field() {
    let transport = Recorder::default();
    let client = builder(&transport).build().unwrap();
    let source = || client.token_exchange("fake-user-token").unwrap();
    for (field, built) in [
        ("subject_token", client.token_exchange("")),
        ("subject_token_type", source().subject_token_type("")),
        ("actor_token", source().actor_token("", "x")),
        (
            "actor_token_type",
            source().actor_token("fake-actor-token", ""),
        ),
    ] {
        let error = built.unwrap_err();
        assert_eq!(
            (error.kind(), error.field()),
            (ErrorKind::Config, Some(field))
        );
    }
}
