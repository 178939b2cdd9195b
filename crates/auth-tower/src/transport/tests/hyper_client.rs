//! Transports with hyper-util's client, against listeners on loopback.

use std::{
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use hyper_util::{
    client::legacy::{
        Client,
        connect::{HttpConnector, dns::Name, proxy::Tunnel},
    },
    rt::TokioExecutor,
};

use super::*;

type Http<C> = ServiceTransport<Client<C, Full<Bytes>>>;

fn over<C>(connector: C) -> Http<C>
where
    C: hyper_util::client::legacy::connect::Connect + Clone,
{
    let mut client = Client::builder(TokioExecutor::new());
    ServiceTransport::new(client.retry_canceled_requests(false).build(connector))
}

fn post(url: &str) -> Request<Bytes> {
    let request = Request::post(url).header("authorization", SECRET);
    request.body(Bytes::from_static(b"grant")).unwrap()
}

async fn fail<C>(transport: &Http<C>, url: &str) -> Error
where
    Client<C, Full<Bytes>>: Sized,
    Http<C>: Transport,
{
    let error = transport.send(post(url), 100).await.unwrap_err();
    let texts = format!("{error} {error:?}");
    assert!(!texts.contains("fake-"), "{texts}");
    error
}

async fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

async fn gone() -> SocketAddr {
    listen().await.1
}

#[track_caller]
fn assert_failed(error: &Error, outcome: TokenRequestOutcome, message: &str) {
    let told = (error.outcome(), error.to_string());
    assert_eq!(told, (outcome, message.to_owned()), "{error:?}");
}

#[tokio::test]
async fn a_request_to_a_refused_connection_is_not_sent() {
    let gone = gone().await;
    let url = format!("http://{gone}/fake-path?fake-query");
    let error = fail(&over(HttpConnector::new()), &url).await;
    let message = format!("token endpoint {gone}: connection refused");
    assert_failed(&error, TokenRequestOutcome::NotSent, &message);
    // User information is not shown, also if the connector's text contains it.
    let url = format!("http://user:fake-word@{gone}/");
    let error = fail(&over(HttpConnector::new()), &url).await;
    assert_failed(&error, TokenRequestOutcome::NotSent, &message);
}

#[tokio::test]
async fn a_request_to_an_unknown_name_is_not_sent() {
    let error = fail(
        &over(HttpConnector::new()),
        "http://nowhere.invalid/fake-path",
    )
    .await;
    assert_eq!(error.outcome(), TokenRequestOutcome::NotSent, "{error:?}");
    let text = error.to_string();
    let message = "token endpoint nowhere.invalid: DNS lookup failed: ";
    assert!(text.starts_with(message), "{text}");
}

#[tokio::test]
async fn a_connector_without_tls_is_a_config_error() {
    let error = fail(
        &over(HttpConnector::new()),
        "https://auth.example/fake-path",
    )
    .await;
    assert_eq!(
        (error.kind(), error.field()),
        (ErrorKind::Config, Some("transport"))
    );
    assert_eq!(error.outcome(), TokenRequestOutcome::NotSent);
    let text = error.to_string();
    assert!(
        text.contains("token endpoint auth.example: ") && text.contains("TLS"),
        "{text}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_request_whose_connection_times_out_is_not_sent() {
    let silent = tower::service_fn(|_: Name| {
        std::future::pending::<Result<std::iter::Empty<SocketAddr>, io::Error>>()
    });
    let connector = tower::timeout::Timeout::new(
        HttpConnector::new_with_resolver(silent),
        Duration::from_secs(4),
    );
    let error = fail(
        &over(tower::util::BoxCloneSyncService::new(connector)),
        "http://auth.example/fake-path",
    )
    .await;
    let message = "token endpoint auth.example: connecting timed out";
    assert_failed(&error, TokenRequestOutcome::NotSent, message);
}

#[tokio::test]
async fn a_request_through_a_proxy_that_refuses_the_tunnel_is_not_sent() {
    for (reply, cause) in [
        (
            "HTTP/1.1 407 fake-reason\r\n\r\n",
            "proxy refused the tunnel (407): check the proxy's user name and password",
        ),
        (
            "HTTP/1.1 502 fake-reason\r\n\r\n",
            "proxy refused the tunnel",
        ),
    ] {
        let (listener, address) = listen().await;
        let proxy = format!("http://{address}").parse().unwrap();
        let transport = over(Tunnel::new(proxy, HttpConnector::new()));
        let (error, ()) = tokio::join!(fail(&transport, "https://auth.example/fake-path"), async {
            let mut peer = listener.accept().await.unwrap().0;
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                assert_ne!(peer.read_buf(&mut head).await.unwrap(), 0);
            }
            peer.write_all(reply.as_bytes()).await.unwrap();
        });
        let message = format!("token endpoint auth.example: {cause}");
        assert_failed(&error, TokenRequestOutcome::NotSent, &message);
    }
}

/// Accepts a connection, reads the whole request, answers and closes.
async fn answer(listener: &TcpListener, reply: &str) {
    let mut peer = listener.accept().await.unwrap().0;
    let mut request = Vec::new();
    while !request.ends_with(b"grant") {
        assert_ne!(peer.read_buf(&mut request).await.unwrap(), 0);
    }
    peer.write_all(reply.as_bytes()).await.unwrap();
}

#[tokio::test]
async fn a_request_that_was_sent_has_an_unknown_outcome() {
    for (reply, step) in [
        ("", "no reply"),
        ("HTTP/1.1 20", "no reply"),
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\nfake-token",
            "the reply broke off",
        ),
    ] {
        let (listener, address) = listen().await;
        let transport = over(HttpConnector::new());
        let url = format!("http://{address}/fake-path");
        let (error, ()) = tokio::join!(fail(&transport, &url), answer(&listener, reply));
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert_eq!(error.outcome(), TokenRequestOutcome::Unknown, "{error:?}");
        let message = format!("token endpoint {address}: {step}");
        assert!(error.to_string().starts_with(&message), "{error}");
    }
}

/// hyper returns a request that it has not begun to write.
#[tokio::test]
async fn a_request_that_was_not_written_is_not_sent() {
    #[derive(Clone)]
    struct Closed;

    impl Service<Request<Full<Bytes>>> for Closed {
        type Response = Response<Full<Bytes>>;
        type Error = hyper::Error;
        type Future = Pin<Box<dyn Future<Output = Result<Self::Response, hyper::Error>> + Send>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), hyper::Error>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, request: Request<Full<Bytes>>) -> Self::Future {
            Box::pin(async move {
                let (ours, theirs) = tokio::io::duplex(100);
                let io = hyper_util::rt::TokioIo::new(ours);
                let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await?;
                // The connection is dropped before it is first polled.
                drop((connection, theirs));
                sender.send_request(request).await?;
                unreachable!("no connection")
            })
        }
    }

    let error = ServiceTransport::new(Closed).send(request(), 100).await;
    let message = "token endpoint auth.example: the connection closed before the request was sent";
    assert_failed(&error.unwrap_err(), TokenRequestOutcome::NotSent, message);
}

#[tokio::test]
async fn a_server_that_wants_a_client_certificate_is_told_by_its_alert() {
    let alert = io::Error::other("received fatal alert: CertificateRequired");
    let service = Probe::new(Err(Box::new(Cause(Box::new(alert)))));
    let error = ServiceTransport::new(service).send(request(), 10).await;
    let message = "token endpoint auth.example: the server requires a client certificate; set \
                   one on the HTTP client, for example with reqwest's `identity`";
    assert_failed(&error.unwrap_err(), TokenRequestOutcome::NotSent, message);
}

#[tokio::test]
async fn a_refused_connection_is_recognized_without_hypers_types() {
    let refused = io::Error::from(io::ErrorKind::ConnectionRefused);
    let service = Probe::new(Err(Box::new(Cause(Box::new(refused)))));
    let error = ServiceTransport::new(service).send(request(), 10).await;
    let message = "token endpoint auth.example: connection refused";
    assert_failed(&error.unwrap_err(), TokenRequestOutcome::NotSent, message);
    let reset = Probe::new(Err(Box::new(Cause(Box::new(io_error())))));
    let error = ServiceTransport::new(reset).send(request(), 10).await;
    assert_eq!(error.unwrap_err().outcome(), TokenRequestOutcome::Unknown);
}

/// Loopback has no address that drops packets, but it has ports without a listener.
#[tokio::test]
async fn all_addresses_of_a_name_are_tried() {
    let port = gone().await.port();
    let resolver = tower::service_fn(|_: Name| async {
        let both = [Ipv4Addr::LOCALHOST, Ipv4Addr::new(127, 0, 0, 2)];
        Ok::<_, io::Error>(both.map(|ip| SocketAddr::from((ip, 0))).into_iter())
    });
    let transport = over(HttpConnector::new_with_resolver(resolver));
    let error = fail(&transport, &format!("http://auth.example:{port}/")).await;
    let message = format!("token endpoint auth.example:{port}: connection refused");
    assert_failed(&error, TokenRequestOutcome::NotSent, &message);
}
