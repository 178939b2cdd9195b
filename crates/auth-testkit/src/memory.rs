use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use auth_core::{Error, ErrorKind, Transport};
use axum::{Router, body::Body as AxumBody};
use bytes::{Buf, Bytes};
use http::{Request, Response, Uri};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use tower_service::Service;

use crate::{ForeignServer, delivery::Cut};

/// A server without sockets as a tower service: for clients under test that use a tower service,
/// and for paused clocks.
///
/// Reaches the origins of its server, and those of the foreign servers that were
/// [added](Self::with_foreign). All other origins cannot be reached, as without a network.
///
/// # Example
///
/// ```
/// use auth_testkit::TestServer;
/// use http_body_util::Empty;
/// use tower_service::Service;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let server = TestServer::builder().in_memory();
/// let request = http::Request::get(server.api_url()).body(Empty::<bytes::Bytes>::new())?;
/// let response = server.service().call(request).await?;
/// assert_eq!(response.status(), 401);
/// # Ok(())
/// # }
/// ```
///
/// # Clone and readiness
///
/// Clones share the server. Always ready.
#[derive(Clone)]
pub struct MemoryService {
    routes: Arc<Vec<(String, Router)>>,
}

impl MemoryService {
    pub(crate) fn new(routes: Vec<(String, Router)>) -> Self {
        Self {
            routes: Arc::new(routes),
        }
    }

    /// Adds another server that can be reached from here.
    #[must_use]
    pub fn with_foreign(self, server: &ForeignServer) -> Self {
        let mut routes = Arc::unwrap_or_clone(self.routes);
        routes.push((server.origin().to_owned(), server.router()));
        Self::new(routes)
    }

    fn route(&self, uri: &Uri) -> Option<Router> {
        let scheme = uri.scheme_str()?;
        let authority = uri.authority()?;
        let origin = format!("{scheme}://{authority}");
        let found = self
            .routes
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(&origin));
        found.map(|(_, router)| router.clone())
    }
}

impl<B> Service<Request<B>> for MemoryService
where
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    type Response = Response<MemoryBody>;
    type Error = MemoryError;
    type Future = MemoryFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), MemoryError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> MemoryFuture {
        let Some(mut router) = self.route(request.uri()) else {
            return MemoryFuture(Box::pin(std::future::ready(Err(MemoryError::Unreachable))));
        };
        let bytes = |mut data: B::Data| data.copy_to_bytes(data.remaining());
        let request =
            request.map(|body| AxumBody::new(body.map_frame(move |frame| frame.map_data(bytes))));
        MemoryFuture(Box::pin(async move {
            let Ok(response) = router.call(request).await;
            match response.extensions().get::<Cut>() {
                Some(_) => Err(MemoryError::Cut),
                None => Ok(response.map(MemoryBody)),
            }
        }))
    }
}

impl fmt::Debug for MemoryService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let origins: Vec<_> = self.routes.iter().map(|(origin, _)| origin).collect();
        f.debug_struct("MemoryService")
            .field("origins", &origins)
            .finish_non_exhaustive()
    }
}

/// The future of a [`MemoryService`].
pub struct MemoryFuture(
    Pin<Box<dyn Future<Output = Result<Response<MemoryBody>, MemoryError>> + Send>>,
);

impl Future for MemoryFuture {
    type Output = Result<Response<MemoryBody>, MemoryError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.as_mut().poll(cx)
    }
}

impl fmt::Debug for MemoryFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryFuture").finish_non_exhaustive()
    }
}

/// The body of a response of a [`MemoryService`].
pub struct MemoryBody(AxumBody);

impl Body for MemoryBody {
    type Data = Bytes;
    type Error = MemoryError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, MemoryError>>> {
        let frame = Pin::new(&mut self.0).poll_frame(cx);
        frame.map(|frame| frame.map(|frame| frame.map_err(|_| MemoryError::Cut)))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.size_hint()
    }
}

impl fmt::Debug for MemoryBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryBody").finish_non_exhaustive()
    }
}

/// Why a [`MemoryService`] gave no answer, or an incomplete one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MemoryError {
    /// No known server has this origin.
    Unreachable,
    /// The script cut the connection.
    Cut,
}

impl fmt::Display for MemoryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unreachable => "no server with this origin",
            Self::Cut => "the connection was cut",
        })
    }
}

impl std::error::Error for MemoryError {}

/// A server's token endpoint without sockets, as a [`Transport`].
///
/// # Example
///
/// ```
/// use auth_core::Transport;
/// use auth_testkit::TestServer;
/// use bytes::Bytes;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let server = TestServer::builder().in_memory();
/// let request = http::Request::post(server.token_url())
///     .header("content-type", "application/x-www-form-urlencoded")
///     .body(Bytes::from(format!(
///         "grant_type=client_credentials&client_id={}&client_secret={}",
///         server.client_id(),
///         server.client_secret(),
///     )))?;
/// let reply = server.transport().send(request, 64 * 1024).await?;
/// assert_eq!(reply.status(), 200);
/// assert_eq!(server.counters().tokens_issued, 1);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct MemoryTransport(MemoryService);

impl MemoryTransport {
    pub(crate) fn new(service: MemoryService) -> Self {
        Self(service)
    }
}

impl Transport for MemoryTransport {
    async fn send(
        &self,
        request: Request<Bytes>,
        max_reply: usize,
    ) -> Result<Response<Bytes>, Error> {
        let unavailable = |error: MemoryError| {
            Error::new(ErrorKind::Unavailable, "test server: no complete reply").with_source(error)
        };
        let request = request.map(http_body_util::Full::new);
        let response = self.0.clone().call(request).await.map_err(unavailable)?;
        let (parts, mut body) = response.into_parts();
        let mut whole = Vec::new();
        while let Some(frame) = body.frame().await {
            let Ok(data) = frame.map_err(unavailable)?.into_data() else {
                continue;
            };
            if data.len() > max_reply - whole.len() {
                return Err(
                    Error::new(ErrorKind::Protocol, "test server: the reply is too large")
                        .with_status(parts.status),
                );
            }
            whole.extend_from_slice(&data);
        }
        Ok(Response::from_parts(parts, whole.into()))
    }
}

#[cfg(test)]
mod tests;
