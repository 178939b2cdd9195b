use std::future::Future;

use auth_core::{Error, Transport};
use auth_reqwest::{ReqwestTransport, ReqwestTransportBuilder};
use bytes::Bytes;
use http::{Request, Response};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

pub(crate) const BODY: &str = "grant_type=client_credentials&client_secret=fake-secret-in-body";
pub(crate) const CAP: usize = 1000;

/// A listener on loopback. Each test writes the server's answers.
pub(crate) struct Server(TcpListener);

impl Server {
    pub(crate) async fn start() -> Self {
        Self(TcpListener::bind("127.0.0.1:0").await.unwrap())
    }

    pub(crate) fn url(&self) -> String {
        format!(
            "http://{}/token?q=fake-secret-in-url",
            self.0.local_addr().unwrap()
        )
    }

    pub(crate) fn port(&self) -> u16 {
        self.0.local_addr().unwrap().port()
    }

    pub(crate) async fn accept(&self) -> TcpStream {
        self.0.accept().await.unwrap().0
    }

    /// Accepts a connection and reads the request from it.
    pub(crate) async fn request(&self) -> (TcpStream, String) {
        let mut peer = self.accept().await;
        let text = read_request(&mut peer).await;
        (peer, text)
    }

    /// Answers one request with these bytes and closes the connection.
    pub(crate) async fn answer(&self, reply: impl AsRef<[u8]>) -> String {
        let (mut peer, text) = self.request().await;
        // A client that does not need the rest may have closed the connection.
        _ = peer.write_all(reply.as_ref()).await;
        text
    }

    /// Returns whether no (other) client has connected.
    pub(crate) async fn is_alone(&self) -> bool {
        tokio::select! {
            biased;
            _ = self.0.accept() => false,
            () = turns() => true,
        }
    }
}

/// Reads up to the end of the body that [`request`] sends.
pub(crate) async fn read_request(peer: &mut (impl AsyncRead + Unpin)) -> String {
    let mut text = Vec::new();
    while !text.ends_with(BODY.as_bytes()) {
        assert_ne!(
            peer.read_buf(&mut text).await.unwrap(),
            0,
            "request cut short"
        );
    }
    String::from_utf8(text).unwrap()
}

/// Lets all other tasks and the reactor run several times.
async fn turns() {
    for _ in 0..1000 {
        tokio::task::yield_now().await;
    }
}

pub(crate) fn request(url: &str) -> Request<Bytes> {
    Request::post(url)
        .header("authorization", "Basic fake-secret-in-header")
        .body(Bytes::from_static(BODY.as_bytes()))
        .unwrap()
}

/// Does not read the system's certificates, which a test machine may lack.
pub(crate) fn builder() -> ReqwestTransportBuilder {
    ReqwestTransport::builder().configure(|client| client.tls_certs_only([]))
}

pub(crate) fn transport() -> ReqwestTransport {
    builder().build().unwrap()
}

/// Sends [`request`] while the server runs.
pub(crate) async fn call<T>(
    transport: &ReqwestTransport,
    url: &str,
    server: impl Future<Output = T>,
) -> (Result<Response<Bytes>, Error>, T) {
    tokio::join!(transport.send(request(url), CAP), server)
}
