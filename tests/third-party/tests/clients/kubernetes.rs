//! kube: `ClientBuilder` puts the layer between its own base URI and hyper's client.

use auth_testkit::{TestServer, VendorRequest};
use auth_tower::AuthLayer;
use http::Method;
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use kube::{
    Api as Resources, Client, Config, Error,
    api::{ListParams, PostParams},
    client::{Body, ClientBuilder, ConfigExt},
};
use serde_json::{Value, json};

use crate::vendor::{Api, assert_counts, authenticator, http};

async fn cluster() -> TestServer {
    let api = Api {
        path: "/api",
        answer,
    };
    api.start().await
}

fn answer(request: &VendorRequest<'_>) -> Value {
    match (request.method(), request.path()) {
        (&Method::GET, "/api/v1/namespaces/fake/pods") => json!({
            "kind": "PodList",
            "apiVersion": "v1",
            "metadata": {},
            "items": [{ "metadata": { "name": "first" } }, { "metadata": { "name": "second" } }],
        }),
        // A server stores the object that it received, and returns it.
        (&Method::POST, "/api/v1/namespaces/fake/configmaps") => {
            serde_json::from_slice(request.body()).unwrap()
        }
        (method, path) => panic!("{method} {path} was not expected"),
    }
}

fn client(server: &TestServer) -> Client {
    let config = Config::new(server.origin().parse().unwrap());
    // kube's body is not a stream if it was made from an object.
    let auth = AuthLayer::new(authenticator(server)).replay_with(Body::try_clone);
    ClientBuilder::new(http::<Body>(), "fake")
        .with_layer(&auth)
        // Above the layer, which signs for a destination and so needs scheme and host.
        .with_layer(&config.base_uri_layer())
        .build()
}

async fn pods(client: &Client) -> Result<Vec<String>, Error> {
    let pods: Resources<Pod> = Resources::default_namespaced(client.clone());
    let list = pods.list(&ListParams::default()).await?;
    Ok(list
        .items
        .into_iter()
        .filter_map(|pod| pod.metadata.name)
        .collect())
}

#[tokio::test]
async fn kube_lists_with_the_layers_token_and_again_after_a_revocation() {
    let server = cluster().await;
    let client = client(&server);
    assert_eq!(pods(&client).await.unwrap(), ["first", "second"]);
    assert_counts(&server, 1, 1, 0);

    server.revoke_all();
    assert_eq!(pods(&client).await.unwrap(), ["first", "second"]);
    assert_counts(&server, 2, 2, 1);
}

#[tokio::test]
async fn an_object_is_sent_once_more_unchanged() {
    let server = cluster().await;
    let client = client(&server);
    pods(&client).await.unwrap();
    server.revoke_all();
    server.reset();

    let maps: Resources<ConfigMap> = Resources::default_namespaced(client);
    let map: ConfigMap = serde_json::from_value(json!({
        "metadata": { "name": "settings" },
        "data": { "key": "value" },
    }))
    .unwrap();
    let stored = maps.create(&PostParams::default(), &map).await.unwrap();
    assert_eq!(stored, map);
    assert_counts(&server, 1, 1, 1);
    let sent: Vec<_> = server
        .recorded()
        .into_iter()
        .filter(|request| request.path().ends_with("/configmaps"))
        .map(|request| request.expose_body().clone())
        .collect();
    assert!(!sent[0].is_empty());
    assert_eq!(sent[0], sent[1]);
}

#[tokio::test]
async fn a_second_refusal_is_kubes_own_error() {
    let server = cluster().await;
    let client = client(&server);
    server.always_refuse(true);
    let Err(Error::Api(status)) = pods(&client).await else {
        panic!("the server refused");
    };
    assert_eq!(status.code, 401);
    // A token on trial is sent once more, and no other is requested.
    assert_counts(&server, 1, 0, 2);
}

#[tokio::test]
async fn an_error_of_the_layer_keeps_its_type() {
    let server = cluster().await;
    let client = client(&server);
    server.change_client_secret("fake-secret-2");
    let Err(Error::Service(error)) = pods(&client).await else {
        panic!("there is no token");
    };
    let Some(auth_tower::Error::Auth(error)) =
        error.downcast_ref::<auth_tower::Error<hyper_util::client::legacy::Error>>()
    else {
        panic!("kube passes the layer's error on: {error:?}");
    };
    assert_eq!(error.kind(), auth_core::ErrorKind::Rejected);
    assert_counts(&server, 1, 0, 0);
}
