//! How the service ends: over sockets, for that is where connections are.

use std::{sync::Arc, time::Duration};

use auth_core::{Origins, Secret, SharedClock, SharedTransport, TokenRequestLimit};
use auth_testkit::{Gate, Reply, TestServer};
use auth_tower::ServiceTransport;
use bytes::Bytes;
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use tokio::{
    net::{TcpListener, TcpStream},
    runtime::Handle,
    sync::oneshot,
    task::yield_now,
    time::timeout,
};

use crate::{
    journal::Journal,
    outbound::{Outbound, Settings, http},
    service::{self, Operator},
    support::prometheus,
    vendor::{self, TokenRequest},
};

#[tokio::test]
async fn g19_who_is_in_is_served_to_the_end_and_nothing_is_left() {
    let vendor = TestServer::builder()
        .vendor(TokenRequest::default())
        .start()
        .await;
    let client = Client::builder(TokioExecutor::new()).build_http();
    let clock = SharedClock::default();
    let expires = clock.now().since_unix_epoch() + Duration::from_secs(300);
    let journal = Arc::new(Journal::default());
    let operator = Operator {
        journal: Arc::clone(&journal),
        metrics: prometheus(),
    };
    let settings = Settings {
        token_url: vendor.token_url(),
        client_id: vendor.client_id().to_owned(),
        client_secret: Secret::new(vendor.client_secret()),
        api_url: vendor.api_url(),
        origins: Origins::danger_allow_http([vendor.origin()]).unwrap(),
        transport: SharedTransport::new(ServiceTransport::new(client.clone())),
        limit: TokenRequestLimit::new(8).unwrap(),
        max_users: 10,
        clock: clock.clone(),
        journal,
    };
    let outbound = Outbound::new(settings, http(client)).unwrap();
    let router = service::router(outbound, Arc::new(vendor::expiry_of), clock, operator);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let serving = tokio::spawn(service::serve(listener, router, async {
        let _ = stopped.await;
    }));

    // One waits for a token, one for the API.
    let (token, api) = (Gate::new(), Gate::new());
    vendor.token().then(Reply::normal());
    vendor.token().then(Reply::normal().answer_after(&token));
    vendor.api().then(Reply::normal().answer_after(&api));
    let alice = vendor::token_of("alice", expires);
    let bob = vendor::token_of("bob", expires);
    let first = tokio::spawn(get(format!("http://{address}/my/things"), alice));
    soon(api.reached(1)).await;
    let second = tokio::spawn(get(format!("http://{address}/my/things"), bob));
    soon(token.reached(1)).await;

    stop.send(()).unwrap();
    // Nobody new is let in.
    soon(async {
        while TcpStream::connect(address).await.is_ok() {
            yield_now().await;
        }
    })
    .await;
    assert!(!serving.is_finished());
    for (gate, call, user) in [(api, first, "alice"), (token, second, "bob")] {
        gate.open();
        let (status, body) = soon(call).await.unwrap();
        assert_eq!(status, StatusCode::OK);
        assert!(body.contains(user), "{body}");
    }
    soon(serving).await.unwrap().unwrap();

    let seen = vendor.counters();
    assert_eq!((seen.token_requests, seen.api_requests), (2, 2));
    assert_eq!((seen.token_in_flight, seen.api_in_flight), (0, 0));
    vendor.shutdown().await;
    // Connections notice at their next turn that the other end has gone.
    soon(async {
        while Handle::current().metrics().num_alive_tasks() > 0 {
            yield_now().await;
        }
    })
    .await;
}

async fn get(url: String, token: Secret) -> (StatusCode, String) {
    let request = Request::get(url)
        .header(header::AUTHORIZATION, format!("Bearer {}", token.expose()))
        .body(Full::<Bytes>::default());
    let client: Client<_, Full<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
    let response = client.request(request.unwrap()).await.unwrap();
    let status = response.status();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

async fn soon<F: Future>(future: F) -> F::Output {
    let ended = timeout(Duration::from_secs(30), future).await;
    ended.expect("nobody was woken")
}
