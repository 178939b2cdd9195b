//! Clients that are configured with the issuer only, behind an authenticator.

use std::time::Duration;

use auth_core::{
    Authenticator, AuthenticatorOptions, Error, ErrorKind, Origins, Secret, TokenRequest,
    TokenRequestOutcome, TokenRequestReason, TokenSource,
};
use auth_oauth2::{Assertion, AssertionContext, AssertionSigner, Client, ClientAuth, Discovery};
use auth_testkit::VirtualClock;

use crate::server::{
    Answer, ISSUER, OPENID, Server, TOKEN_URL, json, metadata, metadata_of, status,
};

fn client(server: &Server, clock: &VirtualClock) -> Client {
    let client = Client::discover(ISSUER, "my-client", server.clone());
    let client = client.secret(Secret::new("fake-secret-1"));
    client.clock(clock.clone()).build().unwrap()
}

fn authenticator(client: &Client, clock: &VirtualClock) -> Authenticator {
    let origins = Origins::new(["https://api.example.com"]).unwrap();
    Authenticator::builder(client.client_credentials(), origins)
        .vendor("example")
        .options(AuthenticatorOptions::new().clock(clock.clone()))
        .build()
        .unwrap()
}

#[tokio::test(start_paused = true)]
async fn s38_the_first_token_request_reads_the_metadata() {
    let server = Server::new();
    let clock = VirtualClock::new();
    let authenticator = authenticator(&client(&server, &clock), &clock);
    assert!(server.seen().is_empty());
    let crowd = (0..1_000).map(|_| {
        let authenticator = authenticator.clone();
        tokio::spawn(async move { authenticator.token().await.unwrap() })
    });
    for caller in crowd.collect::<Vec<_>>() {
        caller.await.unwrap();
    }
    assert_eq!(
        server.seen(),
        [format!("GET {OPENID}"), format!("POST {TOKEN_URL}")]
    );
}

/// A service starts while the issuer is down, and is not restarted.
#[tokio::test(start_paused = true)]
async fn s38_a_program_that_starts_without_its_issuer_recovers() {
    for outage in [
        Answer::Down,
        Answer::Never,
        status(503),
        status(404),
        json("{"),
    ] {
        let server = Server::new();
        server.answer(OPENID, outage);
        let clock = VirtualClock::new();
        let authenticator = authenticator(&client(&server, &clock), &clock);
        // 15 minutes, with one request per second.
        for _ in 0..900 {
            let error = authenticator.token().await.unwrap_err();
            assert!(error.retry_after().is_some());
            assert_ne!(error.outcome(), TokenRequestOutcome::Rejected);
            clock.advance(Duration::from_secs(1)).await;
        }
        let requests = server.seen();
        assert!(requests.iter().all(|line| line.starts_with("GET ")));

        server.answer(OPENID, json(&metadata()));
        let healed = clock.world_elapsed();
        while authenticator.token().await.is_err() {
            clock.advance(Duration::from_secs(1)).await;
        }
        let waited = clock.world_elapsed() - healed;
        assert!(waited <= Duration::from_secs(60), "{waited:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn s38_an_issuer_that_never_answers_means_no_token_request_was_sent() {
    let server = Server::new();
    server.answer(OPENID, Answer::Never);
    let clock = VirtualClock::new();
    let authenticator = authenticator(&client(&server, &clock), &clock);
    let error = authenticator.token().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    assert_eq!(error.outcome(), TokenRequestOutcome::NotSent);
    assert_eq!(error.vendor(), Some("example"));
    assert_eq!(clock.world_elapsed(), Duration::from_secs(5));
}

#[tokio::test(start_paused = true)]
async fn g17_a_failed_discovery_spends_no_refresh_token() {
    let server = Server::new();
    server.answer(OPENID, Answer::Never);
    let client = Client::discover(ISSUER, "my-client", server.clone());
    let client = client.client_auth(ClientAuth::None).build().unwrap();
    let source = client.refresh_token(Secret::new("fake-refresh-1")).unwrap();
    let request = TokenRequest::new(TokenRequestReason::Needed);
    let request = request
        .refresh_token("fake-refresh-1")
        .credentials(source.credentials().await.unwrap());
    let error = source.fetch(request).await.unwrap_err();
    assert_eq!(error.outcome(), TokenRequestOutcome::NotSent);
    assert_eq!(server.seen(), [format!("GET {OPENID}")]);
}

#[tokio::test(start_paused = true)]
async fn s38_a_moved_token_endpoint_is_found_before_the_metadata_expire() {
    for gone in [Answer::Down, status(404), status(405)] {
        let server = Server::new();
        let clock = VirtualClock::new();
        let source = client(&server, &clock).client_credentials();
        let fetch = async || {
            let request = TokenRequest::new(TokenRequestReason::Needed);
            let credentials = source.credentials().await.unwrap();
            source.fetch(request.credentials(credentials)).await
        };
        fetch().await.unwrap();
        let moved = "https://moved.example.net/token";
        server.answer(TOKEN_URL, gone);
        server.answer(OPENID, json(&metadata_of(ISSUER, moved)));
        server.answer(moved, json(crate::server::TOKEN));
        server.seen();

        // Metadata younger than one minute are not read again when token requests fail.
        for _ in 0..10 {
            fetch().await.unwrap_err();
        }
        assert!(server.seen().iter().all(|line| line.starts_with("POST ")));
        clock.advance(Duration::from_secs(60)).await;
        fetch().await.unwrap();
        assert_eq!(
            server.seen(),
            [format!("GET {OPENID}"), format!("POST {moved}")]
        );
    }
}

#[tokio::test(start_paused = true)]
async fn s38_rejected_credentials_start_no_discovery() {
    let server = Server::new();
    let clock = VirtualClock::new();
    let client = client(&server, &clock);
    let source = client.client_credentials();
    let rejected =
        crate::server::response(401, "application/json", r#"{"error":"invalid_client"}"#);
    server.answer(TOKEN_URL, Answer::Reply(rejected));
    for _ in 0..3 {
        let request = TokenRequest::new(TokenRequestReason::Needed);
        let credentials = source.credentials().await.unwrap();
        let error = source.fetch(request.credentials(credentials)).await;
        assert_eq!(error.unwrap_err().outcome(), TokenRequestOutcome::Rejected);
        clock.advance(Duration::from_secs(61)).await;
    }
    let gets = server.seen();
    assert_eq!(
        gets.iter().filter(|line| line.starts_with("GET ")).count(),
        1
    );
}

#[tokio::test(start_paused = true)]
async fn t26_the_account_names_the_issuer_before_and_after_discovery() {
    let server = Server::new();
    let clock = VirtualClock::new();
    let id = async |client: &Client| {
        let credentials = client.client_credentials().credentials().await;
        credentials.unwrap().id().unwrap()
    };
    let client = client(&server, &clock);
    let before = id(&client).await;
    client.metadata().await.unwrap();
    assert_eq!(id(&client).await, before);

    let shared = Discovery::builder(server.clone()).build().unwrap();
    let same = shared.client(ISSUER, "my-client");
    let same = same.secret(Secret::new("fake-secret-1")).build().unwrap();
    assert_eq!(id(&same).await, before);
    let other = shared.client("https://other.example.com", "my-client");
    let other = other.secret(Secret::new("fake-secret-1")).build().unwrap();
    assert_ne!(id(&other).await.account(), before.account());
}

#[tokio::test(start_paused = true)]
async fn s05_a_parameter_in_the_discovered_url_is_an_error() {
    let server = Server::new();
    let url = "https://tokens.example.net/token?policy=a";
    server.answer(OPENID, json(&metadata_of(ISSUER, url)));
    server.answer(url, json(crate::server::TOKEN));
    for (extra, fits) in [("other", true), ("policy", false)] {
        let client = Client::discover(ISSUER, "my-client", server.clone());
        let client = client.secret(Secret::new("fake-secret-1"));
        let source = client
            .extra(extra, "b")
            .build()
            .unwrap()
            .client_credentials();
        let credentials = source.credentials().await.unwrap();
        let request = TokenRequest::new(TokenRequestReason::Needed);
        let result = source.fetch(request.credentials(credentials)).await;
        assert_eq!(result.is_ok(), fits);
    }
    let posts = server.seen();
    assert_eq!(
        posts
            .iter()
            .filter(|line| line.starts_with("POST "))
            .count(),
        1
    );
}

#[tokio::test(start_paused = true)]
async fn s38_a_wrong_issuer_is_an_error_when_building() {
    let server = Server::new();
    for issuer in ["", "login.example.com", "http://login.example.com"] {
        let client = Client::discover(issuer, "my-client", server.clone());
        let error = client
            .secret(Secret::new("fake-secret-1"))
            .build()
            .unwrap_err();
        let facts = (error.kind(), error.field());
        assert_eq!(facts, (ErrorKind::Config, Some("issuer")));
    }
    let fixed = Client::builder(TOKEN_URL, "my-client", server.clone());
    let fixed = fixed.secret(Secret::new("fake-secret-1")).build().unwrap();
    let error = fixed.metadata().await.unwrap_err();
    assert_eq!(error.field(), Some("issuer"));
    assert!(server.seen().is_empty());
}

/// A signer that writes the issuer and the token endpoint for which it signs.
struct Signer;

impl AssertionSigner for Signer {
    async fn read_key(&self) -> Result<Secret, Error> {
        Ok(Secret::new("fake-key"))
    }

    async fn sign(&self, _: &Secret, context: &AssertionContext<'_>) -> Result<Secret, Error> {
        let issuer = context.issuer.unwrap_or_default();
        Ok(Secret::new(format!("{issuer} {}", context.token_endpoint)))
    }

    fn check(&self, context: &AssertionContext<'_>) -> Result<(), Error> {
        assert_eq!((context.issuer, context.token_endpoint), (Some(ISSUER), ""));
        Ok(())
    }
}

/// CVE-2025-27370: metadata with a hostile token endpoint must not obtain an assertion that another
/// server accepts.
#[tokio::test(start_paused = true)]
async fn s33_the_audience_of_assertions_is_the_configured_issuer() {
    let server = Server::new();
    let hostile = "https://evil.example.com/token";
    server.answer(OPENID, json(&metadata_of(ISSUER, hostile)));
    server.answer(hostile, json(crate::server::TOKEN));
    let client = || Client::discover(ISSUER, "my-client", server.clone());
    let signed = client().client_assertion(Assertion::signed(Signer));
    let source = signed.build().unwrap().client_credentials();
    let credentials = source.credentials().await.unwrap();
    let request = TokenRequest::new(TokenRequestReason::Needed);
    source
        .fetch(request.credentials(credentials))
        .await
        .unwrap();
    let body = server.last_body();
    let signed = "&client_assertion=https%3A%2F%2Flogin.example.com%2Ftenant+https%3A%2F%2Fevil.example.com%2Ftoken";
    assert!(body.contains(signed), "{body}");

    // The issuer cannot be set a second time.
    let two = client().client_assertion(Assertion::signed(Signer));
    let error = two.issuer("https://evil.example.com").build().unwrap_err();
    assert_eq!(error.field(), Some("issuer"));
}
