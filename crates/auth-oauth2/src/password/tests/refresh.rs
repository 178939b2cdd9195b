//! Refresh tokens in place of the password.

use auth_core::RejectedPart;

use super::*;
use crate::testing::WITH_REFRESH_TOKEN;

fn spending(token: &str) -> TokenRequest {
    TokenRequest::new(TokenRequestReason::Needed).refresh_token(token)
}

const FORM: &str = "grant_type=refresh_token";
const BASIC: &str = "Basic bXktY2xpZW50OmZha2Utc2VjcmV0";

#[tokio::test]
async fn s15_the_golden_refresh_for_each_client_authentication() {
    let transport = Recorder::default();
    for (auth, proof, authorization) in [
        (ClientAuth::Basic, "", Some(BASIC)),
        (ClientAuth::BasicRaw, "", Some(BASIC)),
        (
            ClientAuth::Post,
            "&client_id=my-client&client_secret=fake-secret",
            None,
        ),
    ] {
        let source = robot(builder(&transport).client_auth(auth));
        send(&source, spending("fake+refresh/1")).await.unwrap();
        let expected = format!("{FORM}{proof}&refresh_token=fake%2Brefresh%2F1");
        assert_eq!(transport.last_body(), expected);
        let request = transport.last();
        let sent = request.headers().get("authorization");
        assert_eq!(sent.map(|line| line.to_str().unwrap()), authorization);
    }
    let source = builder(&transport).body_format(BodyFormat::Json);
    let source = robot(source.client_auth(ClientAuth::Post));
    send(&source, spending("fake-refresh-1")).await.unwrap();
    assert_eq!(
        transport.last().body(),
        r#"{"grant_type":"refresh_token","client_id":"my-client","client_secret":"fake-secret","refresh_token":"fake-refresh-1"}"#
    );
}

#[tokio::test]
async fn s16_a_refresh_requests_the_granted_scope() {
    let transport = Recorder::default();
    let source = builder(&transport)
        .scope("read write")
        .audience("reports")
        .resource("urn:example:b")
        .extra("tenant", "7");
    let token = send(&robot(source), spending("fake-refresh-1")).await;
    assert_eq!(
        transport.last_body(),
        "grant_type=refresh_token&refresh_token=fake-refresh-1&audience=reports\
         &resource=urn%3Aexample%3Ab&tenant=7"
    );
    assert_eq!(token.unwrap().granted_scope(), Some("read write"));
}

#[tokio::test]
async fn s15_a_refresh_token_in_the_reply_is_returned() {
    let transport = Recorder::answering([reply(200, WITH_REFRESH_TOKEN)]);
    let source = robot(builder(&transport));
    assert!(source.keeps_refresh_tokens());
    let first = fetch(&source).await.unwrap();
    let brought = first.kept_refresh_token().unwrap();
    assert_eq!(brought.expose(), "fake-refresh-1");
    assert!(!format!("{first:?}").contains("fake-refresh-1"));
    // No new refresh token in the reply: the old one remains in use.
    let next = send(&source, spending(brought.expose())).await.unwrap();
    assert!(next.kept_refresh_token().is_none());
}

#[tokio::test]
async fn s07_without_refresh_tokens_each_request_sends_the_password() {
    let transport = Recorder::answering([reply(200, WITH_REFRESH_TOKEN)]);
    let source = robot(builder(&transport)).refresh_tokens(false);
    assert!(!source.keeps_refresh_tokens());
    let token = send(&source, spending("fake-refresh-1")).await.unwrap();
    assert!(token.kept_refresh_token().is_none());
    assert!(transport.last_body().starts_with("grant_type=password&"));
}

#[tokio::test]
async fn t26_a_rejected_refresh_does_not_reject_the_password() {
    for status in [400, 401] {
        let invalid = r#"{"error":"invalid_grant"}"#;
        let transport = Recorder::answering([reply(status, invalid)]);
        let source = robot(builder(&transport));
        let error = send(&source, spending("fake-refresh-1")).await.unwrap_err();
        assert!(!transport.last_body().contains("fake-word"));
        let verdict = (error.code(), error.rejected_part());
        let of_token = (Some("invalid_grant"), Some(RejectedPart::RefreshToken));
        assert_eq!(verdict, of_token);
    }
}

#[tokio::test]
async fn the_password_is_tried_after_any_failed_refresh() {
    let of_token = ("invalid_grant", RejectedPart::RefreshToken);
    let of_client = ("invalid_client", RejectedPart::Credentials);
    for (status, body, expected) in [
        (400, r#"{"error":"invalid_grant"}"#, of_token),
        (401, r#"{"message":"expired"}"#, of_token),
        (400, r#"{"error":"invalid_request"}"#, of_token),
        (401, r#"{"error":"invalid_client"}"#, of_client),
    ] {
        let transport = Recorder::answering([reply(status, body)]);
        let source = robot(builder(&transport));
        let error = send(&source, spending("fake-refresh-1")).await.unwrap_err();
        let verdict = (error.code().unwrap(), error.rejected_part().unwrap());
        assert_eq!(verdict, expected, "{body}");
        assert!(source.keeps_refresh_tokens(), "{body}");
    }
    let gone = Recorder::answering([reply(404, ""), reply(503, "")]);
    let source = robot(builder(&gone));
    for _ in 0..2 {
        let error = send(&source, spending("fake-refresh-1")).await.unwrap_err();
        assert_eq!(error.code(), None, "says nothing about the refresh token");
    }
}

#[tokio::test]
async fn a_vendor_that_forbids_refreshing_gets_no_second_refresh() {
    for code in ["unauthorized_client", "unsupported_grant_type"] {
        let body = format!(r#"{{"error":"{code}"}}"#);
        let transport = Recorder::answering([reply(400, &body), reply(200, WITH_REFRESH_TOKEN)]);
        let source = robot(builder(&transport));
        let error = send(&source, spending("fake-refresh-1")).await.unwrap_err();
        assert_eq!(error.code(), Some("invalid_grant"));
        assert!(error.to_string().contains(code), "{error}");
        assert!(!source.keeps_refresh_tokens());
        let token = send(&source, spending("fake-refresh-1")).await.unwrap();
        assert!(transport.last_body().starts_with("grant_type=password&"));
        assert!(token.kept_refresh_token().is_none());
    }
}

#[tokio::test]
async fn g18_a_refresh_token_is_scrubbed() {
    let body = r#"{"error":"invalid_grant","error_description":"fake-refresh-1 (ZmFrZS1yZWZyZXNoLTE=) was used"}"#;
    let transport = Recorder::answering([reply(400, body)]);
    let source = robot(builder(&transport));
    let token_request = spending("fake-refresh-1");
    assert!(!format!("{token_request:?}").contains("fake-refresh-1"));
    let error = send(&source, token_request).await.unwrap_err();
    let text = format!("{error:?}");
    assert!(text.contains("*** (***) was used"), "{text}");
}
