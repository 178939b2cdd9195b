use std::{
    fmt,
    fmt::Write as _,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
};

use auth_core::{Error, Transport};
use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use http_body_util::{BodyExt as _, Full};
use tower_service::Service;

use crate::{MemoryBody, MemoryError, MemoryService, MemoryTransport, TestServer, queue::lock};

/// Sends requests for a vendor's own URLs to test servers in memory, and records each request as it
/// left the client. A [`Transport`] for token requests and a tower service for API requests.
///
/// For tests of a vendor crate with its default URLs. With settings that contain the test server's
/// URLs, use [`TestServer::transport`] and [`TestServer::recorded`] instead.
///
/// # Example
///
/// ```
/// use auth_core::Transport;
/// use auth_testkit::{Recorder, TestServer};
/// use bytes::Bytes;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let server = TestServer::builder().in_memory();
/// let vendor = Recorder::new()
///     .route("https://auth.example.com/token", &server, server.token_url())
///     .route("https://api.example.com", &server, server.origin());
///
/// let request = http::Request::post("https://auth.example.com/token").body(Bytes::new())?;
/// vendor.send(request, 64 * 1024).await?;
/// assert_eq!(server.counters().token_requests, 1);
/// assert_eq!(vendor.sent()[0].expose_url(), "https://auth.example.com/token");
/// # Ok(())
/// # }
/// ```
///
/// # Clone and readiness
///
/// Clones share the record, and the routes that were added before. Always ready.
#[derive(Clone, Default)]
pub struct Recorder {
    routes: Vec<Route>,
    sent: Arc<Mutex<Vec<SentRequest>>>,
}

#[derive(Clone)]
struct Route {
    prefix: String,
    target: String,
    service: MemoryService,
}

impl Recorder {
    /// Creates a recorder without routes: no URL can be reached.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sends requests for URLs that start with `prefix` to `server`, with `target` in place of the
    /// prefix. The longest prefix wins.
    #[must_use]
    pub fn route(mut self, prefix: &str, server: &TestServer, target: impl Into<String>) -> Self {
        self.routes.push(Route {
            prefix: prefix.to_owned(),
            target: target.into(),
            service: server.service(),
        });
        self
    }

    /// Returns all requests so far, oldest first.
    #[must_use]
    pub fn sent(&self) -> Vec<SentRequest> {
        lock(&self.sent).clone()
    }

    /// Records a request, and redirects it to the test server of its URL. A URL without a route is
    /// not changed, and cannot be reached.
    fn arrive(&self, mut request: Request<Bytes>) -> (MemoryService, Request<Bytes>) {
        lock(&self.sent).push(SentRequest(request.clone()));
        let url = request.uri().to_string();
        let fitting = self
            .routes
            .iter()
            .filter(|route| url.starts_with(&route.prefix));
        let Some(route) = fitting.max_by_key(|route| route.prefix.len()) else {
            return (MemoryService::new(Vec::new()), request);
        };
        let target = format!("{}{}", route.target, &url[route.prefix.len()..]);
        if let Ok(target) = target.parse() {
            *request.uri_mut() = target;
        }
        (route.service.clone(), request)
    }
}

impl Transport for Recorder {
    async fn send(
        &self,
        request: Request<Bytes>,
        max_reply: usize,
    ) -> Result<Response<Bytes>, Error> {
        let (service, request) = self.arrive(request);
        MemoryTransport::new(service).send(request, max_reply).await
    }
}

impl<B> Service<Request<B>> for Recorder
where
    B: Body + Send + 'static,
    B::Data: Send,
{
    type Response = Response<MemoryBody>;
    type Error = MemoryError;
    type Future = Pin<Box<dyn Future<Output = Result<Response<MemoryBody>, MemoryError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), MemoryError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let this = self.clone();
        Box::pin(async move {
            let (parts, body) = request.into_parts();
            let body = body.collect().await.map_err(|_| MemoryError::Cut)?;
            let request = Request::from_parts(parts, body.to_bytes());
            let (mut service, request) = this.arrive(request);
            service.call(request.map(Full::new)).await
        })
    }
}

impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let prefixes: Vec<_> = self.routes.iter().map(|route| &route.prefix).collect();
        f.debug_struct("Recorder")
            .field("prefixes", &prefixes)
            .field("sent", &lock(&self.sent).len())
            .finish_non_exhaustive()
    }
}

/// A request as it left the client, recorded by a [`Recorder`].
///
/// Contains what the client sent, secrets included. Secrets are visible only through the methods
/// whose names start with `expose_`, and never in `Debug`.
#[derive(Clone)]
pub struct SentRequest(Request<Bytes>);

impl SentRequest {
    /// Returns the URL.
    #[must_use]
    pub fn expose_url(&self) -> String {
        self.0.uri().to_string()
    }

    /// Returns the text of a header's first line.
    #[must_use]
    pub fn expose_header(&self, name: &str) -> Option<&str> {
        self.0.headers().get(name)?.to_str().ok()
    }

    /// Returns the body as text; bytes that are not UTF-8 show as U+FFFD.
    #[must_use]
    pub fn expose_body(&self) -> String {
        String::from_utf8_lossy(self.0.body()).into_owned()
    }

    /// Returns the whole request as text: method and URL, headers by name, and the body after an
    /// empty line. For a comparison with a reviewed file.
    #[must_use]
    pub fn expose_text(&self) -> String {
        let mut text = format!("{} {}\n", self.0.method(), self.0.uri());
        let mut headers: Vec<_> = self.0.headers().iter().collect();
        headers.sort_by_key(|(name, _)| name.as_str());
        // Writing into a `String` cannot fail.
        for (name, value) in headers {
            let value = String::from_utf8_lossy(value.as_bytes());
            let _ = writeln!(text, "{name}: {value}");
        }
        if !self.0.body().is_empty() {
            let _ = writeln!(text, "\n{}", self.expose_body());
        }
        text
    }
}

impl fmt::Debug for SentRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SentRequest")
            .field("method", self.0.method())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(url: &str) -> Request<Full<Bytes>> {
        let request = Request::post(url).header("b", "2").header("a", "1");
        request.body(Full::from("fake-body")).unwrap()
    }

    #[tokio::test]
    async fn the_longest_prefix_wins_and_what_is_unknown_cannot_be_reached() {
        let (one, two) = (
            TestServer::builder().in_memory(),
            TestServer::builder().in_memory(),
        );
        let mut vendor = Recorder::new()
            .route("https://example.com/token", &two, two.token_url())
            .route("https://example.com", &one, one.origin());
        let mut status = async |url: &str| {
            let response = vendor.call(request(url)).await;
            response.map(|response| response.status().as_u16())
        };
        assert_eq!(status("https://example.com/token").await, Ok(400));
        assert_eq!(status("https://example.com/nowhere?x=1").await, Ok(404));
        let unknown = status("https://example.org/").await;
        assert_eq!(unknown, Err(MemoryError::Unreachable));
        assert_eq!(two.counters().token_requests, 1);
        assert_eq!(one.counters().token_requests, 0);
    }

    #[tokio::test]
    async fn g18_a_request_shows_only_where_it_is_exposed() {
        let mut vendor = Recorder::new();
        vendor
            .clone()
            .call(request("https://example.com/?q=1"))
            .await
            .unwrap_err();
        vendor
            .call(request("https://example.com/"))
            .await
            .unwrap_err();
        let sent = vendor.sent();
        assert_eq!(sent.len(), 2);
        assert_eq!(
            sent[0].expose_text(),
            "POST https://example.com/?q=1\na: 1\nb: 2\n\nfake-body\n"
        );
        assert_eq!(sent[0].expose_header("B"), Some("2"));
        assert!(!format!("{sent:?} {vendor:?}").contains("fake-body"));
    }
}
