//! A gRPC server behind a gateway that lets the test server check each call's token.

use std::{
    mem,
    net::{Ipv4Addr, SocketAddr},
    pin::Pin,
    task::{Context, Poll},
};

use auth_testkit::{MemoryService, TestServer};
use http::{Request, Response, StatusCode, header::AUTHORIZATION};
use http_body_util::Empty;
use tokio::task::JoinHandle;
use tonic::{
    Status,
    body::Body,
    transport::{Server, server::TcpIncoming},
};
use tonic_health::server::{HealthReporter, health_reporter};
use tower::{Service, layer::layer_fn};

/// The token endpoint is the test server's, and each gRPC call counts as a call of its API.
pub(crate) struct GrpcServer {
    pub(crate) tokens: TestServer,
    pub(crate) health: HealthReporter,
    origin: String,
    task: JoinHandle<()>,
}

impl GrpcServer {
    pub(crate) async fn start() -> Self {
        let tokens = TestServer::start().await;
        let anywhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let incoming = TcpIncoming::bind(anywhere).expect("a free loopback port");
        let address = incoming.local_addr().expect("a bound port");
        let (health, service) = health_reporter();
        let (service_of_tokens, url) = (tokens.service(), tokens.api_url());
        let gate = layer_fn(move |inner| Gate {
            tokens: service_of_tokens.clone(),
            url: url.clone(),
            inner,
        });
        let task = tokio::spawn(async move {
            let server = Server::builder().layer(gate);
            // Ends when it is dropped.
            let _ = server.serve_with_incoming(service, incoming).await;
        });
        Self {
            tokens,
            health,
            origin: format!("http://{address}"),
            task,
        }
    }

    pub(crate) fn origin(&self) -> &str {
        &self.origin
    }
}

impl Drop for GrpcServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Passes calls with a valid token on. Answers others at once, with the status in the head.
#[derive(Clone)]
struct Gate<S> {
    tokens: MemoryService,
    url: String,
    inner: S,
}

impl<S> Service<Request<Body>> for Gate<S>
where
    S: Service<Request<Body>, Response = Response<Body>> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let mut question = Request::get(&self.url);
        for credential in request.headers().get_all(AUTHORIZATION) {
            question = question.header(AUTHORIZATION, credential);
        }
        let question = question
            .body(Empty::<bytes::Bytes>::new())
            .expect("made of a request");
        let answer = self.tokens.call(question);
        let clone = self.inner.clone();
        let mut inner = mem::replace(&mut self.inner, clone);
        Box::pin(async move {
            match answer.await.map(|answer| answer.status()) {
                Ok(StatusCode::OK) => inner.call(request).await,
                Ok(StatusCode::UNAUTHORIZED) => {
                    Ok(Status::unauthenticated("the token is not valid").into_http())
                }
                _ => Ok(Status::internal("the gate is broken").into_http()),
            }
        })
    }
}
