use std::{error::Error as StdError, fmt, future::poll_fn, io, iter, pin::pin};

use auth_core::{Error, ErrorKind, Transport};
use bytes::{Buf, BufMut, Bytes, BytesMut};
use http::{Request, Response, header::CONTENT_LENGTH, response};
use http_body::Body;
use http_body_util::{BodyExt, Full};
use tower_service::Service;

type BoxError = Box<dyn StdError + Send + Sync>;

/// Sends token calls through any tower HTTP service, such as hyper-util's client.
///
/// Take it where the application has an HTTP client as a service already; `auth-reqwest` brings a
/// client that keeps the whole [contract](Transport#contract) by itself. Here the service has to
/// do its part:
///
/// - it follows no redirects and sends nothing twice (hyper-util: `retry_canceled_requests(false)`),
/// - it verifies TLS certificates, and is given `https` URLs,
/// - it is not, and does not contain, the service that the tokens are for,
/// - it decompresses nothing, or hands out the decompressed body: what comes out is counted.
///
/// A service like tower's `BoxCloneSyncService` fits, one that is not `Sync` does not. There is no
/// deadline in here: the exchange has one.
///
/// # Example
///
/// ```
/// use auth_core::SharedTransport;
/// use auth_tower::ServiceTransport;
/// use bytes::Bytes;
/// use http_body_util::Full;
/// use hyper_util::{
///     client::legacy::{Client, connect::Connect},
///     rt::TokioExecutor,
/// };
///
/// /// Takes any connector, for example hyper-rustls' `HttpsConnector`.
/// fn transport<C>(https: C) -> SharedTransport
/// where
///     C: Connect + Clone + Send + Sync + 'static,
/// {
///     let mut client = Client::builder(TokioExecutor::new());
///     let client = client.retry_canceled_requests(false).build::<_, Full<Bytes>>(https);
///     SharedTransport::new(ServiceTransport::new(client).with_error_source())
/// }
/// # transport(hyper_util::client::legacy::connect::HttpConnector::new());
/// ```
///
/// # Clone and readiness
///
/// Each call clones the service, waits until the clone is ready, and spends it.
///
/// # Cancel safety
///
/// A dropped call drops the service's future or the reply's body, whichever is there; an HTTP/1
/// client then closes the connection.
///
/// # Security
///
/// Errors say which step failed and, where the cause is an [`io::Error`], of which kind; whatever
/// else the service's error says is left out unless [asked for](Self::with_error_source).
#[derive(Clone)]
pub struct ServiceTransport<S> {
    service: S,
    error_source: bool,
}

impl<S> ServiceTransport<S> {
    /// Takes a service for token calls.
    pub const fn new(service: S) -> Self {
        Self {
            service,
            error_source: false,
        }
    }

    /// Attaches the service's own error to ours as its source.
    ///
    /// # Security
    ///
    /// Only for services whose error texts repeat nothing of a request or a reply. That holds for
    /// hyper-util's client with the usual connectors: its errors name the step, host and operating
    /// system's or certificate's trouble. Middleware of one's own may be more talkative.
    #[must_use]
    pub fn with_error_source(self) -> Self {
        Self {
            error_source: true,
            ..self
        }
    }

    /// Returns the service.
    pub const fn get_ref(&self) -> &S {
        &self.service
    }

    /// Gives the service back.
    pub fn into_inner(self) -> S {
        self.service
    }

    fn unavailable(&self, step: &str, cause: BoxError) -> Error {
        let message = match io_kind(&*cause) {
            Some(kind) => format!("token call: {step} ({kind})"),
            None => format!("token call: {step}"),
        };
        let error = Error::new(ErrorKind::Unavailable, message);
        if self.error_source {
            error.with_source(Cause(cause))
        } else {
            error
        }
    }
}

impl<S, B> Transport for ServiceTransport<S>
where
    S: Service<Request<Full<Bytes>>, Response = Response<B>> + Clone + Send + Sync + 'static,
    S::Future: Send,
    S::Error: Into<BoxError>,
    B: Body + Send,
    B::Error: Into<BoxError>,
{
    async fn send(
        &self,
        request: Request<Bytes>,
        max_reply: usize,
    ) -> Result<Response<Bytes>, Error> {
        let mut service = self.service.clone();
        poll_fn(|cx| service.poll_ready(cx))
            .await
            .map_err(|cause| self.unavailable("the HTTP service is not ready", cause.into()))?;
        let response = service
            .call(request.map(Full::new))
            .await
            .map_err(|cause| self.unavailable("no reply", cause.into()))?;

        let (head, body) = response.into_parts();
        let too_large = || {
            let message = format!("token call: the reply is larger than {max_reply} bytes");
            Error::new(ErrorKind::Protocol, message).with_status(head.status)
        };
        let mut body = pin!(body);
        let announced = body.size_hint().lower().max(content_length(&head));
        let announced = usize::try_from(announced).unwrap_or(usize::MAX);
        if announced > max_reply {
            return Err(too_large());
        }
        let mut whole = BytesMut::with_capacity(announced.clamp(USUAL_REPLY, LARGE_REPLY));
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|cause| {
                self.unavailable("the reply broke off", cause.into())
                    .with_status(head.status)
            })?;
            let Ok(data) = frame.into_data() else {
                continue;
            };
            if data.remaining() > max_reply - whole.len() {
                return Err(too_large());
            }
            whole.put(data);
        }
        Ok(Response::from_parts(head, whole.freeze()))
    }
}

impl<S> fmt::Debug for ServiceTransport<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceTransport").finish_non_exhaustive()
    }
}

/// Stands before a service's error in the chain: a box is no error type itself, and behind this one
/// it can be reached and downcast.
#[derive(Debug)]
struct Cause(BoxError);

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the HTTP service failed")
    }
}

impl StdError for Cause {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(&*self.0)
    }
}

/// Bytes reserved for a reply: most fit, so that no growing buffer leaves copies of a token behind.
const USUAL_REPLY: usize = 4 * 1024;
/// Bytes reserved at most on the strength of an announcement.
const LARGE_REPLY: usize = 64 * 1024;

fn content_length(head: &response::Parts) -> u64 {
    let length = head
        .headers
        .get(CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok());
    length.and_then(|length| length.parse().ok()).unwrap_or(0)
}

/// What the operating system said, if it was asked: its words are fixed, so they are safe to show.
fn io_kind(error: &(dyn StdError + 'static)) -> Option<io::ErrorKind> {
    let mut chain = iter::successors(Some(error), |&error| error.source()).take(16);
    chain
        .find_map(|error| error.downcast_ref::<io::Error>())
        .map(io::Error::kind)
}

#[cfg(test)]
mod tests;
