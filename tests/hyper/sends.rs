//! The guarantees of the layer with each kind of connection.

use auth_core::ErrorKind;
use auth_tower::{AuthOutcome, Error};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use serde_json::Value;
use tokio::task::JoinSet;
use tower::ServiceExt;

use crate::{
    client::{Body, signed, signed_over},
    front::{Front, Wire},
    tls::Authority,
};

fn get(front: &Front) -> Request<Body> {
    Request::get(front.api_url()).body(Body::default()).unwrap()
}

async fn json(response: Response<Incoming>) -> Value {
    assert_eq!(response.status(), 200);
    let body = response.into_body().collect().await.unwrap();
    serde_json::from_slice(&body.to_bytes()).unwrap()
}

#[tokio::test]
async fn requests_are_signed_and_sent_once_more_after_a_revocation() {
    for wire in Wire::ALL {
        let front = Front::start(wire).await;
        let client = signed(&front);
        let response = client.clone().oneshot(get(&front)).await.unwrap();
        assert_eq!(AuthOutcome::of(&response).sends(), 1, "{wire:?}");
        assert_eq!(json(response).await["token"], 1, "{wire:?}");

        front.server.revoke_all();
        let response = client.clone().oneshot(get(&front)).await.unwrap();
        assert_eq!(AuthOutcome::of(&response).sends(), 2, "{wire:?}");
        assert_eq!(json(response).await["token"], 2, "{wire:?}");

        let seen = front.server.counters();
        assert_eq!((seen.token_requests, seen.api_requests), (2, 3), "{wire:?}");
        assert_eq!(front.versions(), vec![wire.version(); 5], "{wire:?}");
    }
}

#[tokio::test]
async fn a_body_is_sent_once_more_byte_for_byte() {
    // Larger than the windows and buffers on the way.
    let body: Bytes = (0..300_000_u32).map(|n| (n % 251) as u8).collect();
    for wire in Wire::ALL {
        let front = Front::start(wire).await;
        let client = signed(&front);
        client.clone().oneshot(get(&front)).await.unwrap();
        front.server.revoke_all();
        front.server.reset();

        let request = Request::post(front.api_url())
            .header("x-request-id", "17")
            .body(Full::new(body.clone()));
        let response = client.oneshot(request.unwrap()).await.unwrap();
        let reply = json(response).await;
        assert_eq!(reply["body_len"], body.len(), "{wire:?}");
        let hash = auth_testkit::body_hash(&body);
        assert_eq!(reply["body_hash"], hash, "{wire:?}");

        let recorded = front.server.recorded();
        let sends: Vec<_> = recorded.iter().filter(|r| r.path() != "/token").collect();
        assert_eq!(sends.len(), 2, "{wire:?}");
        for send in sends {
            assert_eq!(send.method(), "POST", "{wire:?}");
            assert_eq!(send.body_len(), body.len() as u64, "{wire:?}");
            assert!(send.body_complete(), "{wire:?}");
            assert_eq!(send.expose_header("x-request-id"), Some("17"), "{wire:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_cold_requests_cost_one_token_request() {
    for wire in Wire::ALL {
        let front = Front::start(wire).await;
        let client = signed(&front);
        let mut requests = JoinSet::new();
        for _ in 0..100 {
            requests.spawn(client.clone().oneshot(get(&front)));
        }
        while let Some(response) = requests.join_next().await {
            assert_eq!(response.unwrap().unwrap().status(), 200, "{wire:?}");
        }
        let seen = front.server.counters();
        assert_eq!(seen.token_requests, 1, "{wire:?}");
        assert_eq!(seen.api_status(200), 100, "{wire:?}");
        assert_eq!(seen.api_requests, 100, "{wire:?}");
    }
}

#[tokio::test]
async fn without_trust_in_the_server_nothing_is_sent() {
    for wire in [Wire::Https1, Wire::Https2] {
        let front = Front::start(wire).await;
        let client = signed_over(&front, &Authority::new());
        let error = client.oneshot(get(&front)).await.unwrap_err();
        let Error::Auth(error) = error else {
            panic!("{wire:?}: {error:?}");
        };
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{wire:?}");
        assert_eq!(front.versions(), [], "{wire:?}");
    }
}
