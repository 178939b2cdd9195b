//! A socket in front of a test server's router: HTTP/1 or HTTP/2, plain or with TLS.

use std::{
    io,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll, ready},
};

use auth_testkit::{MemoryService, TestServer};
use http::{Request, Uri, Version};
use hyper::{
    body::Incoming,
    server::conn::{http1, http2},
    service::service_fn,
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    task::{JoinHandle, JoinSet},
};
use tokio_rustls::TlsAcceptor;
use tower::Service;

use crate::tls::Authority;

/// The protocol between client and servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wire {
    Http1,
    Http2,
    Https1,
    Https2,
}

impl Wire {
    pub(crate) const ALL: [Self; 4] = [Self::Http1, Self::Http2, Self::Https1, Self::Https2];

    pub(crate) fn is_tls(self) -> bool {
        matches!(self, Self::Https1 | Self::Https2)
    }

    pub(crate) fn version(self) -> Version {
        match self {
            Self::Http1 | Self::Https1 => Version::HTTP_11,
            Self::Http2 | Self::Https2 => Version::HTTP_2,
        }
    }
}

/// A test server behind its own loopback port, until it is dropped.
pub(crate) struct Front {
    pub(crate) server: TestServer,
    pub(crate) wire: Wire,
    pub(crate) authority: Authority,
    origin: String,
    seen: Arc<Seen>,
    task: JoinHandle<()>,
}

#[derive(Default)]
struct Seen {
    versions: Mutex<Vec<Version>>,
    /// The bytes of each connection, decrypted if it uses TLS.
    bytes: Mutex<Vec<Vec<u8>>>,
}

impl Front {
    pub(crate) async fn start(wire: Wire) -> Self {
        let authority = Authority::new();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let scheme = if wire.is_tls() { "https" } else { "http" };
        let origin = format!("{scheme}://{}", listener.local_addr().unwrap());
        let server = TestServer::builder().in_memory();
        let seen = Arc::new(Seen::default());
        let place = Place {
            service: server.service(),
            origin: server.origin().to_owned(),
            seen: seen.clone(),
            wire,
            acceptor: wire.is_tls().then(|| authority.acceptor(wire.version())),
        };
        Self {
            server,
            wire,
            authority,
            origin,
            seen,
            task: tokio::spawn(accept(listener, place)),
        }
    }

    pub(crate) fn origin(&self) -> &str {
        &self.origin
    }

    pub(crate) fn token_url(&self) -> String {
        format!("{}/token", self.origin)
    }

    pub(crate) fn api_url(&self) -> String {
        format!("{}/api/things", self.origin)
    }

    /// Returns the HTTP versions of the requests that arrived.
    pub(crate) fn versions(&self) -> Vec<Version> {
        self.seen.versions.lock().unwrap().clone()
    }

    /// Returns the bytes of the connections, in the order of their opening.
    pub(crate) fn connections(&self) -> Vec<Vec<u8>> {
        self.seen.bytes.lock().unwrap().clone()
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        // The connections run in the task and end with it.
        self.task.abort();
    }
}

#[derive(Clone)]
struct Place {
    service: MemoryService,
    origin: String,
    seen: Arc<Seen>,
    wire: Wire,
    acceptor: Option<TlsAcceptor>,
}

async fn accept(listener: TcpListener, place: Place) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        while connections.try_join_next().is_some() {}
        connections.spawn(place.clone().serve(stream));
    }
}

impl Place {
    async fn serve(self, stream: TcpStream) {
        stream.set_nodelay(true).unwrap();
        match self.acceptor.clone() {
            None => self.talk(stream).await,
            Some(acceptor) => {
                // Fails if the client does not trust the certificate.
                if let Ok(stream) = acceptor.accept(stream).await {
                    self.talk(stream).await;
                }
            }
        }
    }

    async fn talk(self, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) {
        let number = {
            let mut bytes = self.seen.bytes.lock().unwrap();
            bytes.push(Vec::new());
            bytes.len() - 1
        };
        let stream = TokioIo::new(Tapped {
            stream,
            seen: self.seen.clone(),
            number,
        });
        let wire = self.wire;
        let service = service_fn(move |request| self.clone().answer(request));
        // Clients end connections in any way.
        match wire.version() {
            Version::HTTP_2 => {
                let server = http2::Builder::new(TokioExecutor::new());
                let _ = server.serve_connection(stream, service).await;
            }
            _ => {
                let server = http1::Builder::new();
                let _ = server.serve_connection(stream, service).await;
            }
        }
    }

    async fn answer(
        mut self,
        mut request: Request<Incoming>,
    ) -> Result<http::Response<auth_testkit::MemoryBody>, auth_testkit::MemoryError> {
        self.seen.versions.lock().unwrap().push(request.version());
        let path = request.uri().path_and_query().unwrap();
        let uri: Uri = format!("{}{path}", self.origin).parse().unwrap();
        *request.uri_mut() = uri;
        self.service.call(request).await
    }
}

/// Records the bytes that are read.
struct Tapped<S> {
    stream: S,
    seen: Arc<Seen>,
    number: usize,
}

impl<S: AsyncRead + Unpin> AsyncRead for Tapped<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let start = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buffer))?;
        let mut bytes = self.seen.bytes.lock().unwrap();
        bytes[self.number].extend_from_slice(&buffer.filled()[start..]);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Tapped<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, data)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
