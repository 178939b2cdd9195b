//! octocrab: the stack replaces its client, and its own authentication is not used.

use auth_testkit::{TestServer, VendorRequest};
use auth_tower::AuthLayer;
use http_body::Body;
use octocrab::{
    AuthState, OctoBody, Octocrab, OctocrabBuilder, service::middleware::base_uri::BaseUriLayer,
};
use serde_json::{Value, json};

use crate::vendor::{Api, assert_counts, authenticator, http};

async fn forge() -> TestServer {
    let api = Api {
        path: "/repos",
        answer,
    };
    api.start().await
}

fn answer(request: &VendorRequest<'_>) -> Value {
    match request.path() {
        "/repos/fake/thing" => {
            json!({ "id": 17, "name": "thing", "url": "https://forge.example/thing" })
        }
        // Notes are returned as they were sent.
        "/repos/fake/thing/notes" => serde_json::from_slice(request.body()).unwrap(),
        path => panic!("{path} was not expected"),
    }
}

fn client(server: &TestServer) -> Octocrab {
    let auth = AuthLayer::new(authenticator(server)).replay_with(clone);
    OctocrabBuilder::new_empty()
        .with_service(http::<OctoBody>())
        .with_layer(&auth)
        // Above the layer, which signs for a destination and so needs scheme and host.
        .with_layer(&BaseUriLayer::new(server.origin().parse().unwrap()))
        .with_auth(AuthState::None)
        .build()
        .unwrap()
}

/// octocrab's own clone keeps bodies with a text, and does not handle those without.
fn clone(body: &OctoBody) -> Option<OctoBody> {
    if body.is_end_stream() {
        Some(OctoBody::empty())
    } else {
        body.try_clone()
    }
}

async fn repository(client: &Octocrab) -> octocrab::Result<String> {
    Ok(client.repos("fake", "thing").get().await?.name)
}

#[tokio::test]
async fn octocrab_reads_with_the_layers_token_and_again_after_a_revocation() {
    let server = forge().await;
    let client = client(&server);
    assert_eq!(repository(&client).await.unwrap(), "thing");
    assert_counts(&server, 1, 1, 0);

    server.revoke_all();
    assert_eq!(repository(&client).await.unwrap(), "thing");
    assert_counts(&server, 2, 2, 1);
}

#[tokio::test]
async fn a_text_is_sent_once_more_unchanged() {
    let server = forge().await;
    let client = client(&server);
    repository(&client).await.unwrap();
    server.revoke_all();
    server.reset();

    let note = json!({ "body": "fake words" });
    let stored: Value = client
        .post("/repos/fake/thing/notes", Some(&note))
        .await
        .unwrap();
    assert_eq!(stored, note);
    assert_counts(&server, 1, 1, 1);
}

#[tokio::test]
async fn a_second_refusal_is_octocrabs_own_error() {
    let server = forge().await;
    let client = client(&server);
    server.always_refuse(true);
    let Err(octocrab::Error::GitHub { source, .. }) = repository(&client).await else {
        panic!("the server refused");
    };
    assert_eq!(source.status_code.as_u16(), 401);
    assert_eq!(source.message, "no access");
    // A token on trial is sent once more, and no other is requested.
    assert_counts(&server, 1, 0, 2);
}
