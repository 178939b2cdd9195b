use std::{error::Error as StdError, fmt, future::poll_fn, io, iter, pin::pin};

use auth_core::{ConnectFailure, Error, ErrorKind, TokenHost, TokenRequestOutcome, Transport};
use bytes::{Buf, BufMut, Bytes, BytesMut};
use http::{Request, Response, Uri, header::CONTENT_LENGTH, response};
use http_body::Body;
use http_body_util::{BodyExt, Full};
use tower_service::Service;

type BoxError = Box<dyn StdError + Send + Sync>;

/// Sends token requests through any tower HTTP service, for example hyper-util's client.
///
/// Use it if the application already has an HTTP client as a tower service. The transport of
/// `auth-reqwest` fulfils the whole [contract](Transport#contract) itself. With this transport, the
/// service must fulfil a part of the contract:
///
/// - It follows no redirects and sends no request twice (hyper-util:
///   `retry_canceled_requests(false)`).
/// - It verifies TLS certificates, and receives `https` URLs.
/// - It does not sign its requests with the tokens that it requests: a token request would wait for
///   itself.
/// - It does not decompress, or returns the decompressed body: the size limit counts the returned
///   bytes.
/// - It ends an attempt to connect before the deadline of a token request (default: 10 seconds),
///   for example after 4 seconds. See [below](#was-the-request-sent).
///
/// The service must be `Sync`, for example tower's `BoxCloneSyncService`. The transport has no
/// deadline: the token request has one.
///
/// # Was the request sent?
///
/// Each error answers this by its [outcome](Error::outcome), as the [contract](Transport#outcome)
/// requires:
///
/// | the service | outcome |
/// |---|---|
/// | fails to become ready | [`NotSent`](TokenRequestOutcome::NotSent) |
/// | returns an error of hyper-util's client about connecting (DNS, TCP, TLS, proxy), or about a connection that closed before the request was written | [`NotSent`](TokenRequestOutcome::NotSent), with feature `hyper-util` |
/// | returns an error whose chain contains [`ConnectionRefused`](io::ErrorKind::ConnectionRefused), or the server's TLS alert about the client's certificate | [`NotSent`](TokenRequestOutcome::NotSent) |
/// | returns any other error | [`Unknown`](TokenRequestOutcome::Unknown) |
///
/// A host that drops packets is distinguished from one that does not answer only if the connector
/// has its own time-out. `HttpConnector::set_connect_timeout`, as in the example, covers TCP.
/// Tower's `Timeout` around the connector (in a `BoxCloneSyncService`) also covers DNS and TLS.
///
/// # Example
///
/// ```
/// use std::time::Duration;
///
/// use auth_core::SharedTransport;
/// use auth_tower::ServiceTransport;
/// use bytes::Bytes;
/// use http_body_util::Full;
/// use hyper_util::{
///     client::legacy::{
///         Client,
///         connect::{Connect, HttpConnector},
///     },
///     rt::TokioExecutor,
/// };
///
/// /// `tls` puts TLS around a connector, for example with hyper-rustls' `HttpsConnectorBuilder`.
/// fn transport<C>(tls: impl FnOnce(HttpConnector) -> C) -> SharedTransport
/// where
///     C: Connect + Clone + Send + Sync + 'static,
/// {
///     let mut http = HttpConnector::new();
///     http.enforce_http(false);
///     http.set_connect_timeout(Some(Duration::from_secs(4)));
///
///     let mut client = Client::builder(TokioExecutor::new());
///     let client = client.retry_canceled_requests(false).build::<_, Full<Bytes>>(tls(http));
///     SharedTransport::new(ServiceTransport::new(client).with_error_source())
/// }
/// # transport(|http| http);
/// ```
///
/// # Clone and readiness
///
/// Each call clones the service, waits until the clone is ready, and drops it after the call.
///
/// # Cancel safety
///
/// Dropping the future drops the service's future or the reply's body. An HTTP/1 client then closes
/// the connection. Whether the request was sent is unknown.
///
/// # Security
///
/// Errors name the host and the cause: `token endpoint auth.example.com: connection refused`. The
/// cause is the kind of an [`io::Error`] or, for an error of hyper-util's client about connecting,
/// the connector's text: a connector knows host and port, but no path, header or body. Any other
/// text of the service's error is omitted unless [`with_error_source`](Self::with_error_source) is
/// set.
#[derive(Clone)]
pub struct ServiceTransport<S> {
    service: S,
    error_source: bool,
}

impl<S> ServiceTransport<S> {
    /// Makes a transport with a service for token requests.
    pub const fn new(service: S) -> Self {
        Self {
            service,
            error_source: false,
        }
    }

    /// Makes the service's error the [source](StdError::source) of the transport's errors. Default:
    /// off.
    ///
    /// # Security
    ///
    /// Only for services whose error texts contain nothing of a request or a reply. That is true of
    /// hyper-util's client with the usual connectors: their errors name the step, the host and the
    /// cause. Other middlewares may show more.
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

    /// Returns the service, and drops the transport.
    pub fn into_inner(self) -> S {
        self.service
    }

    /// Makes the error of a service that failed before it had the request.
    fn not_ready(&self, call: &Call, cause: BoxError) -> Error {
        let message = match io_kind(&*cause) {
            Some(kind) => format!("{}: the HTTP service is not ready ({kind})", call.host),
            None => format!("{}: the HTTP service is not ready", call.host),
        };
        self.unavailable(message, TokenRequestOutcome::NotSent, cause)
    }

    fn no_reply(&self, call: &Call, cause: BoxError) -> Error {
        if not_written(&*cause) {
            let host = &call.host;
            let message = format!("{host}: the connection closed before the request was sent");
            return self.unavailable(message, TokenRequestOutcome::NotSent, cause);
        }
        if let Some(why) = ConnectFailure::of_client_certificate(&*cause) {
            let message = format!("{}: {why}", call.host);
            return self.unavailable(message, TokenRequestOutcome::NotSent, cause);
        }
        if is_connect(&*cause) {
            return match call.connect_failure(&*cause) {
                ConnectFailure::NoTls => no_tls(call),
                ConnectFailure::Cause(why) => {
                    let message = format!("{}: {why}", call.host);
                    self.unavailable(message, TokenRequestOutcome::NotSent, cause)
                }
            };
        }
        match io_kind(&*cause) {
            // Only an attempt to connect can be refused.
            Some(kind @ io::ErrorKind::ConnectionRefused) => {
                let message = format!("{}: {kind}", call.host);
                self.unavailable(message, TokenRequestOutcome::NotSent, cause)
            }
            Some(kind) => {
                let message = format!("{}: no reply ({kind})", call.host);
                self.unavailable(message, TokenRequestOutcome::Unknown, cause)
            }
            None => {
                let message = format!("{}: no reply", call.host);
                self.unavailable(message, TokenRequestOutcome::Unknown, cause)
            }
        }
    }

    fn broke_off(&self, call: &Call, cause: BoxError) -> Error {
        let message = match io_kind(&*cause) {
            Some(kind) => format!("{}: the reply broke off ({kind})", call.host),
            None => format!("{}: the reply broke off", call.host),
        };
        self.unavailable(message, TokenRequestOutcome::Unknown, cause)
    }

    fn unavailable(&self, message: String, outcome: TokenRequestOutcome, cause: BoxError) -> Error {
        let error = Error::new(ErrorKind::Unavailable, message).with_outcome(outcome);
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
        let call = Call::of(request.uri());
        let mut service = self.service.clone();
        poll_fn(|cx| service.poll_ready(cx))
            .await
            .map_err(|cause| self.not_ready(&call, cause.into()))?;
        let response = service
            .call(request.map(Full::new))
            .await
            .map_err(|cause| self.no_reply(&call, cause.into()))?;

        let (head, body) = response.into_parts();
        let too_large = || {
            let host = &call.host;
            let message = format!("{host}: the reply is larger than {max_reply} bytes");
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
                let error = self.broke_off(&call, cause.into());
                error.with_status(head.status)
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

/// The destination of a request, for errors.
struct Call {
    host: TokenHost,
    uri: Uri,
}

impl Call {
    fn of(uri: &Uri) -> Self {
        Self {
            host: TokenHost::of(uri),
            uri: uri.clone(),
        }
    }

    /// Returns why no connection was made, without the connector's text if the URL has user
    /// information.
    fn connect_failure(&self, cause: &(dyn StdError + 'static)) -> ConnectFailure {
        let authority = self.uri.authority();
        if authority.is_some_and(|authority| authority.as_str().contains('@')) {
            let cause = io_kind(cause).map_or("no connection".to_owned(), |kind| kind.to_string());
            return ConnectFailure::Cause(cause);
        }
        ConnectFailure::of(cause, &self.uri)
    }
}

fn no_tls(call: &Call) -> Error {
    let advice = "the service's connector speaks no TLS: use an HTTPS connector, for example \
                  hyper-rustls' `HttpsConnector`";
    let error = Error::config("transport", format!("{}: {advice}", call.host));
    error.with_outcome(TokenRequestOutcome::NotSent)
}

/// Returns whether hyper-util's client failed to connect.
#[cfg(feature = "hyper-util")]
fn is_connect(error: &(dyn StdError + 'static)) -> bool {
    use hyper_util::client::legacy::Error;

    chain(error).any(|error| error.downcast_ref().is_some_and(Error::is_connect))
}

/// Returns whether hyper gave up before it wrote the request.
#[cfg(feature = "hyper-util")]
fn not_written(error: &(dyn StdError + 'static)) -> bool {
    chain(error).any(|error| error.downcast_ref().is_some_and(hyper::Error::is_canceled))
}

#[cfg(not(feature = "hyper-util"))]
fn is_connect(_: &(dyn StdError + 'static)) -> bool {
    false
}

#[cfg(not(feature = "hyper-util"))]
fn not_written(_: &(dyn StdError + 'static)) -> bool {
    false
}

/// Wraps a service's error in the chain: a box is not an error type itself; behind this type it can
/// be reached and downcast.
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

/// Bytes reserved for a reply. Most replies fit, so that no growing buffer leaves copies of a
/// token.
const USUAL_REPLY: usize = 4 * 1024;
/// Maximum number of bytes reserved because of an announced length.
const LARGE_REPLY: usize = 64 * 1024;

fn content_length(head: &response::Parts) -> u64 {
    let length = head
        .headers
        .get(CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok());
    length.and_then(|length| length.parse().ok()).unwrap_or(0)
}

/// Returns the kind of an error of the operating system. Its texts are fixed, so they are safe to
/// show.
fn io_kind(error: &(dyn StdError + 'static)) -> Option<io::ErrorKind> {
    chain(error)
        .find_map(|error| error.downcast_ref::<io::Error>())
        .map(io::Error::kind)
}

fn chain<'a>(
    error: &'a (dyn StdError + 'static),
) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    iter::successors(Some(error), |&error| error.source()).take(16)
}

#[cfg(test)]
mod tests;
