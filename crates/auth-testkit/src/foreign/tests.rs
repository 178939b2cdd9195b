use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full};
use tower_service::Service;

use crate::{
    ForeignServer, Reply, TestServer,
    testing::{Sockets, api_request},
};

const SECRET: &str = "fake:secret/1";

#[tokio::test]
async fn answers_and_keeps_every_request() {
    let foreign = ForeignServer::start().await;
    let client = Sockets::new();
    for path in ["/foreign", "/token", "/"] {
        let uri = format!("{}{path}", foreign.origin());
        let answer = client
            .ask(Request::post(uri).body(Bytes::from("hello")).unwrap())
            .await;
        assert_eq!(answer.status, StatusCode::OK);
    }
    foreign.requests_reached(3).await;
    assert_eq!(foreign.requests(), 3);
    assert_eq!(foreign.recorded()[1].path(), "/token");
    assert_eq!(foreign.recorded()[1].expose_body(), "hello");
    assert_eq!(foreign.secrets_seen(&[SECRET]), []);
    foreign.reset();
    assert_eq!((foreign.requests(), foreign.recorded().len()), (0, 0));
    foreign.shutdown().await;
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn has_its_own_address_if_set() {
    let foreign = ForeignServer::start_on([127, 0, 0, 2].into()).await;
    assert!(foreign.origin().starts_with("http://127.0.0.2:"));
    let answer = Sockets::new()
        .ask(Request::get(foreign.url()).body(Bytes::new()).unwrap())
        .await;
    assert_eq!((answer.status, foreign.requests()), (StatusCode::OK, 1));
}

#[tokio::test]
#[should_panic(expected = "loopback only")]
async fn listens_on_loopback_only() {
    drop(ForeignServer::start_on([0, 0, 0, 0].into()).await);
}

#[tokio::test]
async fn a_secret_is_seen_wherever_it_is() {
    let foreign = ForeignServer::start().await;
    let client = Sockets::new();
    let basic = format!("Basic {}", STANDARD.encode(format!("fake-id:{SECRET}")));
    let request = || Request::post(foreign.url());
    let percent = format!("{}?x=fake%3Asecret%2F1", foreign.url());
    let requests = [
        Request::get(percent).body(Bytes::new()),
        request().header("x-fake-key", SECRET).body(Bytes::new()),
        request().header("authorization", basic).body(Bytes::new()),
        request().body(Bytes::from(format!("a={SECRET}"))),
    ];
    for (request, form) in requests
        .into_iter()
        .zip(["percent", "raw", "base64", "raw"])
    {
        client.ask(request.unwrap()).await;
        let seen = foreign.secrets_seen(&["fake-other-secret", SECRET]);
        let seen: Vec<_> = seen.iter().map(|leak| (leak.secret, leak.form)).collect();
        assert_eq!(seen, [(1, form)]);
        foreign.reset();
    }
}

#[tokio::test]
async fn what_was_not_kept_is_no_clean_bill() {
    let foreign = ForeignServer::start().await;
    let client = Sockets::new();
    let post = |len: usize| Request::post(foreign.url()).body(Bytes::from(vec![b'x'; len]));
    client.ask(post(1 << 20).unwrap()).await;
    assert_eq!(foreign.secrets_seen(&[SECRET]), []);
    client.ask(post((1 << 20) + 1).unwrap()).await;
    let search = || foreign.secrets_seen(&[SECRET]);
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(search)).unwrap_err();
    foreign.reset();
    for _ in 0..1_024 {
        client.ask(post(0).unwrap()).await;
    }
    assert_eq!(foreign.secrets_seen(&[SECRET]), []);
    client.ask(post(0).unwrap()).await;
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(search)).unwrap_err();
}

#[tokio::test]
async fn can_be_reached_in_memory_and_redirect_back() {
    let server = TestServer::builder().in_memory();
    let foreign = ForeignServer::in_memory("foreign");
    foreign
        .script()
        .then(Reply::redirect(308, &server.api_url()));
    let mut service = server.service().with_foreign(&foreign);
    let request = |uri: String| Request::get(uri).body(Full::new(Bytes::new())).unwrap();
    let back = service.call(request(foreign.url())).await.unwrap();
    assert_eq!((back.status().as_u16(), foreign.requests()), (308, 1));
    assert_eq!(back.headers()["location"], server.api_url());
    let usual = service.call(request(foreign.url())).await.unwrap();
    assert_eq!(usual.into_body().collect().await.unwrap().to_bytes(), "{}");
    let own = api_request(&server, "", "").map(Full::new);
    assert_eq!(
        service.call(own).await.unwrap().status(),
        StatusCode::UNAUTHORIZED
    );
    assert_eq!((foreign.requests(), server.counters().api_requests), (2, 1));
}
