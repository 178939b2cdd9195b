use std::{
    fmt,
    net::IpAddr,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use auth_core::{ConnectFailure, Error, ErrorKind, TokenHost, TokenRequestOutcome, Transport};
use bytes::{Bytes, BytesMut};
use http::{Request, Response, Uri};
use http_body::{Body, Frame, SizeHint};
use reqwest::{Client, Url};

pub use self::builder::ReqwestTransportBuilder;

mod builder;

/// Sends token requests with reqwest, with a client that fulfils the [contract](Transport#contract)
/// of a transport: no redirects, no retries, no proxies of the environment, verified certificates,
/// one deadline for the whole call, and a limit on the reply's size.
///
/// Plain `http` is sent only to loopback addresses that are written as numbers. Calls need a tokio
/// runtime with I/O and time enabled.
///
/// # Was the request sent?
///
/// Each error answers this by its [outcome](Error::outcome). The transport observes the request's
/// body: as long as reqwest has taken nothing of the body, the request was not sent, for any
/// failure (DNS, connect, TLS, a proxy's tunnel, the deadline). After that the outcome is
/// [`Unknown`](TokenRequestOutcome::Unknown), unless the server ended the TLS connection because of
/// the client's certificate. A request without a body was not sent if reqwest could not connect.
///
/// # Example
///
/// ```no_run
/// use std::time::Duration;
///
/// use auth_reqwest::ReqwestTransport;
///
/// # #[cfg(feature = "rustls")]
/// # fn run(company_root_pem: &[u8]) -> Result<(), Box<dyn std::error::Error>> {
/// let transport = ReqwestTransport::new()?;
///
/// // With settings:
/// let root = reqwest::Certificate::from_pem(company_root_pem)?;
/// let transport = ReqwestTransport::builder()
///     .deadline(Duration::from_secs(5))
///     .configure(move |client| client.tls_certs_only([root]))
///     .build()?;
/// # Ok(())
/// # }
/// ```
///
/// # Cancel safety
///
/// Dropping the future closes the connection. Whether the request was sent is then unknown.
///
/// # Security
///
/// Errors name the host and the cause: `token endpoint auth.example.com: connection refused`. They
/// contain no path, query, user information, header or byte of a body. The transport does not copy
/// the request's body, and reads the reply into one buffer. It wipes neither, nor the copies in
/// reqwest, TLS and the operating system.
#[derive(Clone)]
pub struct ReqwestTransport {
    client: Client,
    deadline: Duration,
}

impl ReqwestTransport {
    /// Makes a transport with the default settings. Share it between token sources.
    ///
    /// # Errors
    ///
    /// Same as [`ReqwestTransportBuilder::build`].
    pub fn new() -> Result<Self, Error> {
        Self::builder().build()
    }

    /// Makes a builder with the default settings.
    pub fn builder() -> ReqwestTransportBuilder {
        ReqwestTransportBuilder::new()
    }

    /// Makes a transport with a finished client, for token requests that must share the client with
    /// other code. `deadline` applies to each call and replaces the client's own time-out. Prefer
    /// [`builder`](Self::builder), which accepts nearly every setting of reqwest.
    ///
    /// # Security
    ///
    /// The settings of a finished client cannot be read. The application is responsible for
    /// `redirect(Policy::none())`, `retry(retry::never())`, `no_proxy()`, `referer(false)`, a
    /// `connect_timeout` below the deadline, and verified certificates. With another redirect
    /// policy, headers with credentials are sent to the target of a redirect; the body is not. A
    /// followed redirect to another URL is reported as an error, after the request was sent.
    #[must_use]
    pub fn danger_from_client(client: Client, deadline: Duration) -> Self {
        Self::from_parts(client, deadline)
    }

    fn from_parts(client: Client, deadline: Duration) -> Self {
        Self { client, deadline }
    }

    async fn reply(
        &self,
        request: reqwest::Request,
        max_reply: usize,
        call: &Call,
    ) -> Result<Response<Bytes>, Error> {
        let url = request.url().clone();
        let mut reply = self
            .client
            .execute(request)
            .await
            .map_err(|error| call.failed(Step::Reply, error))?;
        let status = reply.status();
        if reply.url() != &url {
            let message = format!(
                "{}: the HTTP client followed a redirect; set `redirect(Policy::none())` on it",
                call.host
            );
            let message = message + "; set `redirect(Policy::none())`";
            let error = Error::new(ErrorKind::Protocol, message);
            return Err(error.with_outcome(TokenRequestOutcome::Unknown));
        }
        let too_large = || {
            let host = &call.host;
            let message = format!("{host}: the reply is larger than {max_reply} bytes");
            Error::new(ErrorKind::Protocol, message).with_status(status)
        };
        let announced = reply.content_length().unwrap_or(0);
        let announced = usize::try_from(announced).unwrap_or(usize::MAX);
        if announced > max_reply {
            return Err(too_large());
        }
        let mut whole = BytesMut::with_capacity(announced.clamp(USUAL_REPLY, LARGE_REPLY));
        let broke_off = |error| call.failed(Step::Body, error).with_status(status);
        while let Some(chunk) = reply.chunk().await.map_err(broke_off)? {
            if chunk.len() > max_reply - whole.len() {
                return Err(too_large());
            }
            whole.extend_from_slice(&chunk);
        }
        let mut response = Response::new(whole.freeze());
        *response.status_mut() = status;
        *response.version_mut() = reply.version();
        *response.headers_mut() = std::mem::take(reply.headers_mut());
        Ok(response)
    }
}

/// The facts for the errors of one call.
struct Call {
    uri: Uri,
    host: TokenHost,
    deadline: Duration,
    /// Whether reqwest has taken bytes of the body. `None` if there is no body.
    taken: Option<Arc<AtomicBool>>,
}

/// The step during which a call failed.
#[derive(Clone, Copy, PartialEq)]
enum Step {
    Reply,
    Body,
}

impl Call {
    fn failed(&self, step: Step, error: reqwest::Error) -> Error {
        let error = error.without_url();
        let host = &self.host;
        let outcome = self.outcome(step, &error);
        if let Some(cause) = ConnectFailure::of_client_certificate(&error) {
            return Error::new(ErrorKind::Unavailable, format!("{host}: {cause}"))
                .with_outcome(TokenRequestOutcome::NotSent)
                .with_source(error);
        }
        let not_sent = outcome == TokenRequestOutcome::NotSent;
        // Reqwest reports two time-outs as "timeout": that of connecting and that of the whole
        // call.
        let timed_out = error.is_timeout() && !error.is_connect();
        let (kind, cause) = if timed_out && not_sent {
            let cause = format!("no connection within {:?}", self.deadline);
            (ErrorKind::TimedOut, cause)
        } else if timed_out {
            let cause = format!("no complete reply within {:?}", self.deadline);
            (ErrorKind::TimedOut, cause)
        } else if not_sent && !error.is_connect() {
            let cause = "the connection closed before the request was sent";
            (ErrorKind::Unavailable, cause.to_owned())
        } else if not_sent {
            match ConnectFailure::of(&error, &self.uri) {
                ConnectFailure::NoTls => return self.no_tls(),
                ConnectFailure::Cause(cause) => (ErrorKind::Unavailable, cause),
            }
        } else {
            let cause = match step {
                Step::Reply => "no reply after the request was sent",
                Step::Body => "the reply broke off",
            };
            (ErrorKind::Unavailable, cause.to_owned())
        };
        let failed = Error::new(kind, format!("{host}: {cause}")).with_outcome(outcome);
        // The source of an error about a redirect may quote the redirect's target.
        if error.is_redirect() {
            failed
        } else {
            failed.with_source(error)
        }
    }

    fn outcome(&self, step: Step, error: &reqwest::Error) -> TokenRequestOutcome {
        let taken = match &self.taken {
            Some(taken) => taken.load(Ordering::Relaxed),
            None => !error.is_connect() && !error.is_builder(),
        };
        if taken || step == Step::Body {
            TokenRequestOutcome::Unknown
        } else {
            TokenRequestOutcome::NotSent
        }
    }

    fn no_tls(&self) -> Error {
        let advice = "the client has no TLS support: enable a TLS feature of reqwest, for example \
                      `rustls` of auth-reqwest";
        let problem = format!("{}: {advice}", self.host);
        Error::config("transport", problem).with_outcome(TokenRequestOutcome::NotSent)
    }
}

/// A body that records whether bytes of it were taken. Reqwest cannot clone it, so a redirect
/// cannot send it again.
struct WatchedBody {
    bytes: Bytes,
    taken: Arc<AtomicBool>,
}

impl Body for WatchedBody {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        self.taken.store(true, Ordering::Relaxed);
        let bytes = std::mem::take(&mut self.bytes);
        Poll::Ready((!bytes.is_empty()).then(|| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.bytes.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.bytes.len() as u64)
    }
}

impl Transport for ReqwestTransport {
    /// # Errors
    ///
    /// - [`Unavailable`](ErrorKind::Unavailable): no complete reply arrived.
    /// - [`TimedOut`](ErrorKind::TimedOut): no complete reply before the deadline.
    /// - [`Protocol`](ErrorKind::Protocol): the reply is too large.
    /// - [`Origin`](ErrorKind::Origin): plain `http` to a host other than loopback. Nothing was
    ///   sent.
    /// - [`Config`](ErrorKind::Config) on field `url`: not an absolute URL. Nothing was sent.
    /// - [`Config`](ErrorKind::Config) on field `transport`: the client has no TLS support. Nothing
    ///   was sent.
    async fn send(
        &self,
        request: Request<Bytes>,
        max_reply: usize,
    ) -> Result<Response<Bytes>, Error> {
        let uri = request.uri().clone();
        let (request, taken) = watch(request);
        let mut request = reqwest::Request::try_from(request)
            .map_err(|_| Error::config("url", "is not an absolute URL"))?;
        request.url_mut().set_fragment(None);
        let host = TokenHost::of(&uri);
        if !is_safe(request.url()) {
            let message = format!(
                "{host}: plain http is sent to loopback addresses only, for example \
                 http://127.0.0.1:8080; use https"
            );
            let error = Error::new(ErrorKind::Origin, message);
            return Err(error.with_outcome(TokenRequestOutcome::NotSent));
        }
        *request.timeout_mut() = Some(self.deadline);
        let call = Call {
            uri,
            host,
            deadline: self.deadline,
            taken,
        };
        self.reply(request, max_reply, &call).await
    }
}

/// Observes the body of a request, if there is one.
fn watch(request: Request<Bytes>) -> (Request<reqwest::Body>, Option<Arc<AtomicBool>>) {
    let (head, bytes) = request.into_parts();
    if bytes.is_empty() {
        let request = Request::from_parts(head, reqwest::Body::default());
        return (request, None);
    }
    let taken = Arc::new(AtomicBool::new(false));
    let body = WatchedBody {
        bytes,
        taken: taken.clone(),
    };
    let request = Request::from_parts(head, reqwest::Body::wrap(body));
    (request, Some(taken))
}

impl fmt::Debug for ReqwestTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReqwestTransport")
            .field("deadline", &self.deadline)
            .finish_non_exhaustive()
    }
}

/// Bytes reserved for a reply. Most replies fit, so that no growing buffer leaves copies of a
/// token.
const USUAL_REPLY: usize = 4 * 1024;
/// Maximum number of bytes reserved because of an announced length.
const LARGE_REPLY: usize = 64 * 1024;

/// Checks the URL after all normalizing by the client. `localhost` is not accepted, because a
/// resolver can map the name to any address.
fn is_safe(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let host = host.trim_start_matches('[').trim_end_matches(']');
    match url.scheme() {
        "https" => true,
        "http" => host
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback()),
        _ => false,
    }
}
