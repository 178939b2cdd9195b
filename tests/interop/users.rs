//! Tokens on behalf of users: with their password, and with a token of the user.

use std::time::Duration;

use auth_core::{
    AccessToken, Error, ErrorKind, RefreshPolicy, Secret, TokenRequest, TokenRequestReason,
    TokenSource,
};
use auth_oauth2::{Client, ResourceOwnerPassword, TokenExchange};
use http::StatusCode;
use serde_json::json;

use crate::{
    server::Server,
    stack::{self, Answer, Api, during},
};

/// The server's users, with their passwords.
const USERS: [(&str, &str); 2] = [("alice", "wonder land+1"), ("bob", "builder")];

pub(crate) async fn password() {
    let server = Server::start(&[]).await;
    for (user, password) in USERS {
        let api = api(&server, login(&server, user, password));
        for _ in 0..3 {
            assert_is(&api.get().await.expect("a token"), "user-basic", user);
        }
    }
    let stats = server.stats().await;
    assert_eq!((stats.token_requests(), stats.token_success()), (2, 2));
}

pub(crate) async fn wrong_password() {
    let server = Server::start(&[]).await;
    let api = api(&server, login(&server, "alice", "fake-secret-1"));
    for _ in 0..5 {
        let error = api.get().await.err().expect("no token");
        assert_eq!(error.kind(), ErrorKind::Rejected, "{error:?}");
        assert_eq!(error.code(), Some("invalid_grant"));
        assert!(!format!("{error:?} {error}").contains("fake-secret-1"));
    }
    let stats = server.stats().await;
    assert_eq!((stats.token_requests(), stats.resource_requests()), (1, 0));
}

/// The server replaces refresh tokens, and treats one that is sent again as stolen.
pub(crate) async fn refresh_tokens() {
    let server = Server::start(&["--ttl", "2"]).await;
    let api = api(&server, login(&server, "alice", "wonder land+1"));
    api.traffic(during(Duration::from_secs(7))).await;
    assert_is(&api.get().await.expect("a token"), "user-basic", "alice");
    let stats = server.stats().await;
    assert_eq!(stats.token_by_grant("password"), 1);
    assert!(stats.token_by_grant("refresh_token") >= 3);
    assert_eq!(stats.token_success(), stats.token_requests());
}

pub(crate) async fn refresh_tokens_of_a_person() {
    let server = Server::start(&["--ttl", "2"]).await;
    let brought = login(&server, "bob", "builder");
    let brought = send(&brought, TokenRequest::new(TokenRequestReason::Needed)).await;
    let brought = brought.expect("a token");
    let first = brought.kept_refresh_token().expect("a refresh token");
    let source = client(&server, "user-basic").refresh_token(first.clone());
    let api = api(&server, source.expect("right settings"));
    api.traffic(during(Duration::from_secs(5))).await;
    assert_is(&api.get().await.expect("a token"), "user-basic", "bob");
    assert_eq!(server.stats().await.token_by_grant("password"), 1);

    // The first refresh token is sent a second time: the server revokes all tokens of the login.
    let again = TokenRequest::new(TokenRequestReason::Needed).refresh_token(first.clone());
    let source = login(&server, "bob", "builder");
    let error = send(&source, again).await.expect_err("it was replaced");
    assert_eq!(error.code(), Some("invalid_grant"));
    let error = refused_until_dropped(&api).await;
    assert_eq!(error.kind(), ErrorKind::Rejected, "{error:?}");
    assert!(error.to_string().contains("log in again"), "{error}");
}

pub(crate) async fn token_exchange() {
    let server = Server::start(&[]).await;
    for (user, password) in USERS {
        let token = token_of(&server, user, password).await;
        let builder = stack::login(&server, "exchange-basic").resource("urn:interop:jwt");
        let client = builder.scope("api:read").build().expect("right settings");
        let source = client.token_exchange(token).expect("right settings");
        let api = api(&server, source);
        for path in ["", "/jwt", "/read"] {
            let answer = api.get_path(path).await.expect("a token");
            assert_is(&answer, "exchange-basic", user);
        }
    }
    // One login and one token request per user.
    let stats = server.stats().await;
    assert_eq!((stats.token_requests(), stats.token_success()), (4, 4));
}

pub(crate) async fn token_exchange_for_a_revoked_token() {
    let server = Server::start(&[]).await;
    let token = token_of(&server, "bob", "builder").await;
    let source = token_request(&server, token);
    let api = api(&server, source);
    assert_is(&api.get().await.expect("a token"), "exchange-basic", "bob");
    // The user's token, and the token that was issued for it.
    let reply = server.control(json!({"revoke_all": true})).await;
    assert_eq!(reply["revoked"], 2);

    refused_until_dropped(&api).await;
    for _ in 0..5 {
        let error = api.get().await.err().expect("no token");
        assert_eq!(error.kind(), ErrorKind::Rejected, "{error:?}");
        assert_eq!(error.code(), Some("invalid_grant"));
    }
    assert_eq!(server.stats().await.token_requests(), 3);
}

/// No other token can be had for a refused one: the API's refusals are returned until there were
/// five of them, one second apart. Returns the following error.
async fn refused_until_dropped(api: &Api) -> Error {
    let mut pace = tokio::time::interval(Duration::from_millis(100));
    for _ in 0..200 {
        pace.tick().await;
        match api.get().await {
            Ok(answer) => assert_eq!(answer.status, StatusCode::UNAUTHORIZED),
            Err(error) => return error,
        }
    }
    panic!("a refused token is sent for ever");
}

pub(crate) async fn token_exchange_ends_with_the_subject_token() {
    let server = Server::start(&[]).await;
    let token = token_of(&server, "alice", "wonder land+1").await;
    let lifetime = Duration::from_secs(2);
    let source = token_request(&server, token).subject_expires_in(lifetime);
    let api = api(&server, source);
    let start = tokio::time::Instant::now();
    // The server's own token would live for five minutes.
    let error = loop {
        match api.get().await {
            Ok(answer) => assert_is(&answer, "exchange-basic", "alice"),
            Err(error) => break error,
        }
        assert!(start.elapsed() < 2 * lifetime, "it outlives the user's");
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    assert!(start.elapsed() > lifetime / 2);
    assert_eq!(error.kind(), ErrorKind::Rejected, "{error:?}");
    assert_eq!(error.code(), None, "nobody was asked");
}

fn assert_is(answer: &Answer, client: &str, user: &str) {
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    assert_eq!(answer.body["client_id"], client);
    assert_eq!(answer.body["sub"], user);
}

fn api(server: &Server, source: impl TokenSource) -> Api {
    Api::of(server, source, RefreshPolicy::default())
}

fn login(server: &Server, user: &str, password: &str) -> ResourceOwnerPassword {
    let source = client(server, "user-basic").password(user, Secret::new(password));
    source.expect("right settings")
}

fn client(server: &Server, id: &str) -> Client {
    stack::login(server, id).build().expect("right settings")
}

/// Sends one token request the way an authenticator does.
async fn send(
    source: &impl TokenSource,
    token_request: TokenRequest,
) -> Result<AccessToken, Error> {
    let credentials = source.credentials().await?;
    source.fetch(token_request.credentials(credentials)).await
}

/// Returns a user's token, as a service receives it from its caller.
async fn token_of(server: &Server, user: &str, password: &str) -> Secret {
    let login = login(server, user, password);
    let token = send(&login, TokenRequest::new(TokenRequestReason::Needed)).await;
    token.expect("a token").secret().clone()
}

fn token_request(server: &Server, subject: Secret) -> TokenExchange {
    let source = client(server, "exchange-basic").token_exchange(subject);
    source.expect("right settings")
}
