use std::{fmt, net::IpAddr, time::Duration};

use auth_core::{Error, ErrorKind, Transport};
use bytes::{Bytes, BytesMut};
use http::{Request, Response};
use reqwest::{Client, Url};

use crate::ReqwestTransportBuilder;

/// Sends token calls with reqwest, over a client that keeps the transport's
/// [contract](Transport#contract): no redirects, no retries, no proxies from the environment,
/// certificates verified, one deadline for the whole call, the reply's size capped while it is
/// read and counted as it arrives.
///
/// Plain `http` is sent to loopback addresses written as numbers, and nowhere else. Calls need a
/// tokio runtime with I/O and time.
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
/// A dropped call closes its connection.
///
/// # Security
///
/// Errors hold no URL, no header and no byte of a body. The request's body lies in the memory that
/// was handed in, the reply's in one buffer; neither is wiped, nor are the copies of reqwest, TLS
/// and the operating system.
#[derive(Clone)]
pub struct ReqwestTransport {
    client: Client,
    deadline: Duration,
}

impl ReqwestTransport {
    /// Makes a transport with the default settings; share it between token sources.
    ///
    /// # Errors
    ///
    /// As [`ReqwestTransportBuilder::build`].
    pub fn new() -> Result<Self, Error> {
        Self::builder().build()
    }

    /// Starts with the default settings.
    pub fn builder() -> ReqwestTransportBuilder {
        ReqwestTransportBuilder::new()
    }

    /// Takes a finished client, for token calls that must share it with something else; the
    /// deadline holds for each call and replaces the client's own. Otherwise use
    /// [`builder`](Self::builder), which takes nearly every setting of reqwest.
    ///
    /// # Security
    ///
    /// A finished client does not tell how it was set up, so its owner answers for it:
    /// `redirect(Policy::none())`, `retry(retry::never())`, `no_proxy()`, `referer(false)`, and
    /// certificates verified. Without the first, a vendor's redirect takes the credential along.
    /// That a redirect was followed to another URL is noticed afterwards and is an error, but by
    /// then it has happened.
    #[must_use]
    pub fn danger_from_client(client: Client, deadline: Duration) -> Self {
        Self::from_parts(client, deadline)
    }

    pub(crate) fn from_parts(client: Client, deadline: Duration) -> Self {
        Self { client, deadline }
    }

    async fn reply(
        &self,
        request: reqwest::Request,
        max_reply: usize,
    ) -> Result<Response<Bytes>, Error> {
        let url = request.url().clone();
        let mut reply = self
            .client
            .execute(request)
            .await
            .map_err(|error| self.failed("no reply", error))?;
        let status = reply.status();
        if reply.url() != &url {
            let message = "token call: the HTTP client followed a redirect; switch that off";
            return Err(Error::new(ErrorKind::Protocol, message));
        }
        let too_large = || {
            let message = format!("token call: the reply is larger than {max_reply} bytes");
            Error::new(ErrorKind::Protocol, message).with_status(status)
        };
        let announced = reply.content_length().unwrap_or(0);
        let announced = usize::try_from(announced).unwrap_or(usize::MAX);
        if announced > max_reply {
            return Err(too_large());
        }
        let mut whole = BytesMut::with_capacity(announced.clamp(USUAL_REPLY, LARGE_REPLY));
        let broke_off = |error| {
            self.failed("the reply broke off", error)
                .with_status(status)
        };
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

    fn failed(&self, step: &str, error: reqwest::Error) -> Error {
        let error = error.without_url();
        // Reqwest calls both "timeout"; only the second is the whole call's.
        if error.is_timeout() && !error.is_connect() {
            let message = format!("token call: no whole reply within {:?}", self.deadline);
            return Error::new(ErrorKind::TimedOut, message).with_source(error);
        }
        let step = if error.is_connect() {
            "no connection"
        } else {
            step
        };
        let failed = Error::new(ErrorKind::Unavailable, format!("token call: {step}"));
        // What stands behind an error about a redirect may quote the redirect's target.
        if error.is_redirect() {
            failed
        } else {
            failed.with_source(error)
        }
    }
}

impl Transport for ReqwestTransport {
    /// # Errors
    ///
    /// [`Unavailable`](ErrorKind::Unavailable) when no whole reply came,
    /// [`TimedOut`](ErrorKind::TimedOut) when the deadline came first,
    /// [`Protocol`](ErrorKind::Protocol) when the reply was too large,
    /// [`Origin`](ErrorKind::Origin) for plain `http` beyond loopback, and
    /// [`Config`](ErrorKind::Config) on field `url` for what is no URL; the last two before
    /// anything is sent.
    async fn send(
        &self,
        request: Request<Bytes>,
        max_reply: usize,
    ) -> Result<Response<Bytes>, Error> {
        let mut request = reqwest::Request::try_from(request)
            .map_err(|_| Error::config("url", "not an absolute URL"))?;
        request.url_mut().set_fragment(None);
        if !is_safe(request.url()) {
            let message = "token call: plain http goes to loopback addresses only; use https";
            return Err(Error::new(ErrorKind::Origin, message));
        }
        *request.timeout_mut() = Some(self.deadline);
        self.reply(request, max_reply).await
    }
}

impl fmt::Debug for ReqwestTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReqwestTransport")
            .field("deadline", &self.deadline)
            .finish_non_exhaustive()
    }
}

/// Bytes reserved for a reply: most fit, so that no growing buffer leaves copies of a token behind.
const USUAL_REPLY: usize = 4 * 1024;
/// Bytes reserved at most on the strength of an announcement.
const LARGE_REPLY: usize = 64 * 1024;

/// Looks at the URL as the client will, after all normalizing: `localhost` is a name like any other
/// and can be made to point elsewhere.
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
