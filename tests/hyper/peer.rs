//! A scripted peer, and the same requests with and without the layer.

use std::{
    error::Error as StdError,
    iter,
    sync::{Arc, Mutex},
};

use auth_core::{Authenticator, AuthenticatorOptions, Origins};
use auth_testkit::ScriptedSource;
use auth_tower::AuthLayer;
use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};
use tower::{Layer, Service, ServiceExt};

use crate::client::policy;

pub(crate) const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
pub(crate) const REFUSED: &[u8] = b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n";

/// What the peer does on one connection before it closes the connection.
#[derive(Clone, Debug, Default)]
pub(crate) struct Act {
    /// Sent after the request's head has arrived.
    pub(crate) early: Vec<u8>,
    /// Sent after the whole request has arrived.
    pub(crate) answer: Vec<u8>,
    /// Whether the connection ends with a reset.
    pub(crate) reset: bool,
}

impl From<&[u8]> for Act {
    fn from(answer: &[u8]) -> Self {
        Self {
            answer: answer.to_vec(),
            ..Self::default()
        }
    }
}

/// A request as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Came {
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Came {
    pub(crate) fn token(&self) -> Option<&str> {
        let mut lines = self.head.lines();
        lines.find_map(|line| line.strip_prefix("authorization: Bearer "))
    }

    /// Returns everything except the credential.
    pub(crate) fn unsigned(&self) -> (Vec<&str>, &[u8]) {
        let lines = self.head.lines();
        let lines = lines.filter(|line| !line.starts_with("authorization:"));
        (lines.collect(), &self.body)
    }
}

/// Plays one act per connection, then accepts no more.
struct Peer {
    origin: String,
    came: Arc<Mutex<Vec<Came>>>,
    task: JoinHandle<()>,
}

impl Peer {
    async fn start(acts: &[Act]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let came = Arc::new(Mutex::new(Vec::new()));
        let task = tokio::spawn(play(listener, acts.to_vec(), came.clone()));
        Self { origin, came, task }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn play(listener: TcpListener, acts: Vec<Act>, came: Arc<Mutex<Vec<Came>>>) {
    for act in acts {
        let (mut stream, _) = listener.accept().await.unwrap();
        let (head, mut body) = read_head(&mut stream).await;
        stream.write_all(&act.early).await.unwrap();
        let lengths = head.lines();
        let length = lengths
            .filter_map(|line| line.strip_prefix("content-length: "))
            .map(|length| length.parse().unwrap())
            .next();
        while body.len() < length.unwrap_or(0) {
            assert_ne!(stream.read_buf(&mut body).await.unwrap(), 0, "{head}");
        }
        came.lock().unwrap().push(Came { head, body });
        // A client that needs no more may have closed the connection.
        let _ = stream.write_all(&act.answer).await;
        if act.reset {
            stream.set_zero_linger().unwrap();
        }
    }
}

async fn read_head(stream: &mut TcpStream) -> (String, Vec<u8>) {
    let mut bytes = Vec::new();
    loop {
        if let Some(end) = bytes.windows(4).position(|end| end == b"\r\n\r\n") {
            let body = bytes.split_off(end + 4);
            return (String::from_utf8(bytes).unwrap(), body);
        }
        assert_ne!(stream.read_buf(&mut bytes).await.unwrap(), 0);
    }
}

/// What a caller receives.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Saw {
    /// Error texts are those of the whole chain.
    pub(crate) result: Result<(StatusCode, HeaderMap), Vec<String>>,
    pub(crate) body: Result<Bytes, Vec<String>>,
}

/// The results on the caller's side and on the peer's side.
pub(crate) type Met = (Saw, Vec<Came>);

/// Makes a request for the peer at an origin.
pub(crate) type Make = dyn Fn(&str) -> Request<Full<Bytes>>;

pub(crate) fn get(origin: &str) -> Request<Full<Bytes>> {
    Request::get(format!("{origin}/things"))
        .body(Full::default())
        .unwrap()
}

/// Sends requests to a peer without the layer.
pub(crate) async fn bare(make: &Make, acts: &[Act]) -> Met {
    let peer = Peer::start(acts).await;
    meet(client(), make, &peer).await
}

/// Sends requests to a peer with the layer, whose token is `fake-token-1`, and `fake-token-2` after
/// a refusal. The API has accepted the first one before.
pub(crate) async fn signed(make: &Make, acts: &[Act]) -> Met {
    let peer = Peer::start(acts).await;
    let origins = Origins::danger_allow_http([&peer.origin]).unwrap();
    let authenticator = Authenticator::builder(ScriptedSource::new(), origins)
        .options(AuthenticatorOptions::new().policy(policy()))
        .build()
        .unwrap();
    let token = authenticator.token().await.unwrap();
    authenticator.report_accepted(token.generation());
    meet(AuthLayer::new(authenticator).layer(client()), make, &peer).await
}

/// No connection is used twice, because the peer closes them at any time.
fn client() -> Client<HttpConnector, Full<Bytes>> {
    Client::builder(TokioExecutor::new())
        .pool_max_idle_per_host(0)
        .retry_canceled_requests(false)
        .build_http()
}

async fn meet<S>(service: S, make: &Make, peer: &Peer) -> Met
where
    S: Service<Request<Full<Bytes>>, Response = Response<Incoming>, Error: StdError + 'static>,
{
    let saw = match service.oneshot(make(&peer.origin)).await {
        Err(error) => Saw {
            result: Err(chain(&error)),
            body: Ok(Bytes::new()),
        },
        Ok(response) => {
            let (head, body) = response.into_parts();
            let body = body.collect().await;
            Saw {
                result: Ok((head.status, head.headers)),
                body: body
                    .map(|body| body.to_bytes())
                    .map_err(|error| chain(&error)),
            }
        }
    };
    let came = peer.came.lock().unwrap().clone();
    (saw, came)
}

pub(crate) fn chain(error: &(dyn StdError + 'static)) -> Vec<String> {
    iter::successors(Some(error), |&error| error.source())
        .map(ToString::to_string)
        .collect()
}
