use auth_core::{Authenticator, ErrorKind, Moment, Origins, RejectedPart, Secret};

use super::*;
use crate::{
    AssertionContext, AssertionSigner, ClientAuth,
    testing::{Recorder, credentials, fetch, reply},
};

/// A signer that writes the facts it received in place of a signature.
struct Fake(Secret);

impl AssertionSigner for Fake {
    async fn read_key(&self) -> Result<Secret, Error> {
        Ok(self.0.clone())
    }

    async fn sign(&self, key: &Secret, context: &AssertionContext<'_>) -> Result<Secret, Error> {
        assert!(context.now != Moment::PAST);
        let (client, issuer) = (context.client_id, context.issuer.unwrap_or("none"));
        let endpoint = context.token_endpoint;
        let text = format!("{}:{client}:{issuer}:{endpoint}", key.expose());
        Ok(Secret::new(text))
    }

    fn check(&self, context: &AssertionContext<'_>) -> Result<(), Error> {
        match context.client_id {
            "wrong" => Err(Error::config("signing_key", "does not fit")),
            _ => Ok(()),
        }
    }
}

fn signer() -> Assertion {
    Assertion::signed(Fake(Secret::new("fake-key-1")))
}

fn client(transport: &Recorder, id: &str) -> crate::ClientBuilder {
    Client::builder("https://login.example.com/token", id, transport.clone())
        .issuer("https://login.example.com")
        .client_auth(ClientAuth::None)
}

fn body(transport: &Recorder) -> Vec<(String, String)> {
    let body = transport.last_body();
    let pairs = form_urlencoded::parse(body.as_bytes());
    pairs.into_owned().collect()
}

const SIGNED: &str = "fake-key-1:me:https://login.example.com:https://login.example.com/token";

#[tokio::test]
async fn s32_golden_requests_of_the_jwt_bearer_grant() {
    let transport = Recorder::default();
    let client = client(&transport, "me");
    let source = client.scope("read").build().unwrap().jwt_bearer(signer());
    let token = fetch(&source.unwrap()).await.unwrap();
    assert!(token.kept_refresh_token().is_none());
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(
        body(&transport),
        [
            pair("grant_type", JWT_BEARER),
            pair("assertion", SIGNED),
            pair("scope", "read")
        ]
    );
}

#[tokio::test]
async fn client_authentication_is_sent_beside_the_assertion() {
    let transport = Recorder::default();
    let url = "https://login.example.com/token";
    let secret = Client::builder(url, "me", transport.clone()).secret(Secret::new("fake-secret-1"));
    let source = secret.build().unwrap().jwt_bearer(signer()).unwrap();
    fetch(&source).await.unwrap();
    assert!(transport.last().headers().contains_key("authorization"));
    assert_eq!(body(&transport).len(), 2);

    let both = Client::builder(url, "me", transport.clone()).client_assertion(signer());
    let source = both.build().unwrap().jwt_bearer(signer()).unwrap();
    fetch(&source).await.unwrap();
    let names: Vec<_> = body(&transport).into_iter().map(|(name, _)| name).collect();
    assert_eq!(
        names,
        [
            "grant_type",
            "client_id",
            "client_assertion_type",
            "client_assertion",
            "assertion"
        ]
    );
}

#[tokio::test]
async fn g06_a_rejected_assertion_rejects_the_credentials() {
    for (code, part) in [
        ("invalid_grant", RejectedPart::Credentials),
        ("invalid_client", RejectedPart::Credentials),
        ("invalid_scope", RejectedPart::Request),
    ] {
        let transport = Recorder::answering([reply(400, &format!(r#"{{"error":"{code}"}}"#))]);
        let client = client(&transport, "me").build().unwrap();
        let source = client.jwt_bearer(signer()).unwrap();
        let error = fetch(&source).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Rejected);
        assert_eq!(error.rejected_part(), Some(part), "{code}");
    }
}

#[tokio::test]
async fn the_credentials_identity_is_made_of_the_signing_key() {
    let transport = Recorder::default();
    let client = client(&transport, "me").build().unwrap();
    let source = client.jwt_bearer(signer()).unwrap();
    let first = credentials(&source).await;
    assert_eq!(first, credentials(&source).await);
    assert_eq!(first.secret(0), Some(&Secret::new("fake-key-1")));
}

#[tokio::test]
async fn a_thousand_callers_share_one_assertion() {
    let transport = Recorder::default();
    let client = client(&transport, "me").build().unwrap();
    let source = client.jwt_bearer(signer()).unwrap();
    let origins = Origins::new(["https://api.example.com"]).unwrap();
    let authenticator = Authenticator::builder(source, origins).build().unwrap();
    let callers: Vec<_> = (0..1000).map(|_| authenticator.token()).collect();
    for caller in callers {
        caller.await.unwrap();
    }
    assert_eq!(transport.calls(), 1);
}

#[test]
fn an_error_names_the_wrong_setting() {
    let transport = Recorder::default();
    let extra = client(&transport, "me").extra("assertion", "fake-secret-1");
    let wrong = client(&transport, "wrong");
    for (builder, field) in [(extra, "extra"), (wrong, "signing_key")] {
        let error = builder.build().unwrap().jwt_bearer(signer()).unwrap_err();
        let found = (error.kind(), error.field());
        assert_eq!(found, (ErrorKind::Config, Some(field)), "{error}");
    }
    let client = client(&transport, "me").build().unwrap();
    let error = client.jwt_bearer(Secret::new("fake-secret-1")).unwrap_err();
    assert_eq!(error.field(), Some("assertion"));
    assert!(!error.to_string().contains("fake-secret-1"));
}
