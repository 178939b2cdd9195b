use auth_oauth2::ClientAuth;
use http::StatusCode;
use tokio::task::JoinSet;

use crate::{
    server::Server,
    stack::{Api, login, login_with},
};

pub(crate) async fn basic() {
    let server = Server::start(&[]).await;
    let api = Api::new(&server, login(&server, "cc-basic"));
    assert_one_login(&server, &api, "cc-basic").await;
}

pub(crate) async fn basic_with_odd_characters() {
    let server = Server::start(&[]).await;
    let (id, secret) = ("cc odd:id/+%&=?", r#"s p:a+c%e&=?/~"\'<>"#);
    let api = Api::new(&server, login_with(&server, id, secret));
    assert_one_login(&server, &api, id).await;
}

pub(crate) async fn post() {
    let server = Server::start(&[]).await;
    let api = Api::new(
        &server,
        login(&server, "cc-post").client_auth(ClientAuth::Post),
    );
    assert_one_login(&server, &api, "cc-post").await;
}

pub(crate) async fn scope_and_resource() {
    let server = Server::start(&[]).await;
    let login = login(&server, "cc-basic")
        .scope("api:read")
        .resource("urn:interop:jwt");
    let api = Api::new(&server, login);
    for (path, expected) in [
        ("/jwt", StatusCode::OK),
        ("/read", StatusCode::OK),
        // The token lacks a scope. Another token would lack it too, so none is requested.
        ("/write", StatusCode::FORBIDDEN),
    ] {
        let answer = api.get_path(path).await.expect("a token");
        assert_eq!(answer.status, expected, "{path}: {}", answer.body);
    }
    let stats = server.stats().await;
    assert_eq!((stats.token_requests(), stats.resource_requests()), (1, 3));
}

pub(crate) async fn one_token_request_for_a_crowd() {
    let server = Server::start(&[]).await;
    let api = Api::new(&server, login(&server, "cc-basic"));
    let mut crowd = JoinSet::new();
    for _ in 0..100 {
        let api = api.clone();
        crowd.spawn(async move { api.get().await.expect("a token").status });
    }
    assert!(
        crowd
            .join_all()
            .await
            .into_iter()
            .all(|status| status == StatusCode::OK)
    );
    let stats = server.stats().await;
    assert_eq!(
        (stats.token_requests(), stats.resource_requests()),
        (1, 100)
    );
}

async fn assert_one_login(server: &Server, api: &Api, id: &str) {
    for _ in 0..3 {
        let answer = api.get().await.expect("a token");
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
        assert_eq!(answer.body["client_id"], id);
        assert_eq!(answer.body["scheme"], "Bearer");
    }
    let stats = server.stats().await;
    assert_eq!((stats.token_requests(), stats.token_success()), (1, 1));
    assert_eq!(stats.resource_status(StatusCode::OK), 3);
}
