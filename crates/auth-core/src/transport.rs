use std::{fmt, future::Future, pin::Pin, sync::Arc};

use bytes::Bytes;
use http::{Request, Response};

use crate::Error;

mod failure;

pub use failure::{ConnectFailure, TokenHost};

/// Sends one token request.
///
/// A transport is a separate client, never part of the stack that the tokens are for: a token
/// request that itself waits for a token never ends.
///
/// # Contract
///
/// - Redirects are never followed: a 3xx reply is returned like any other reply.
/// - No retries.
/// - At most `max_reply` bytes of the reply's body are read, counted after any decompression. A
///   larger reply is an error of kind [`Protocol`](crate::ErrorKind::Protocol).
/// - No part of the bodies, no header, and no part of the URL except scheme, host and port is
///   logged or put into an error.
/// - If no reply comes, the error is of kind [`Unavailable`](crate::ErrorKind::Unavailable) or
///   [`TimedOut`](crate::ErrorKind::TimedOut). The error names host and cause, and its
///   [outcome](Error::with_outcome) says whether the request may have been sent (below).
/// - The future may be dropped at any time, because a token request has a deadline. The connection
///   is then not used for another request.
///
/// # Outcome
///
/// Only a request that was sent can use up a refresh token, and a request that was not sent is
/// repeated at once. So a transport distinguishes the two cases:
///
/// | what failed | outcome |
/// |---|---|
/// | URL, DNS, connecting (refused, timed out), TLS handshake, a proxy's tunnel; a kept connection that closed before the request was written | [`NotSent`](crate::TokenRequestOutcome::NotSent) |
/// | reset, close or time-out after the first byte of the request may have left; a reply that broke off | [`Unknown`](crate::TokenRequestOutcome::Unknown) |
/// | the transport cannot tell | [`Unknown`](crate::TokenRequestOutcome::Unknown) |
///
/// Set a connect time-out that is shorter than the deadline of a token request (Default: 10 s), for
/// example 4 s. Otherwise the deadline ends the token request first, and a host that drops packets
/// is reported as `Unknown` although no connection was made.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a `Transport`: it cannot send token requests",
    label = "not a `Transport`",
    note = "with reqwest, use `auth_reqwest::ReqwestTransport::new()?` instead of a `reqwest::Client`: token requests need a separate client",
    note = "with another client that is a tower service, use `auth_tower::ServiceTransport::new(client)`"
)]
pub trait Transport: Send + Sync + 'static {
    /// Sends a request and reads its whole reply, up to `max_reply` bytes.
    ///
    /// # Errors
    ///
    /// - [`Unavailable`](crate::ErrorKind::Unavailable): no complete reply came.
    /// - [`TimedOut`](crate::ErrorKind::TimedOut): the transport's own deadline ended the request.
    /// - [`Protocol`](crate::ErrorKind::Protocol): the reply is too large.
    /// - [`Origin`](crate::ErrorKind::Origin): the transport sends no secret to this URL. Nothing
    ///   was sent.
    /// - [`Config`](crate::ErrorKind::Config): the URL is not absolute, or the client cannot speak
    ///   TLS. Nothing was sent.
    fn send(
        &self,
        request: Request<Bytes>,
        max_reply: usize,
    ) -> impl Future<Output = Result<Response<Bytes>, Error>> + Send;
}

/// A [`Transport`] behind a shared pointer, for types that are not generic over the transport.
#[derive(Clone)]
pub struct SharedTransport(Arc<dyn DynTransport>);

impl SharedTransport {
    /// Wraps a transport.
    pub fn new(transport: impl Transport) -> Self {
        Self(Arc::new(transport))
    }
}

impl Transport for SharedTransport {
    async fn send(
        &self,
        request: Request<Bytes>,
        max_reply: usize,
    ) -> Result<Response<Bytes>, Error> {
        self.0.send(request, max_reply).await
    }
}

impl fmt::Debug for SharedTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedTransport").finish_non_exhaustive()
    }
}

trait DynTransport: Send + Sync {
    fn send(&self, request: Request<Bytes>, max_reply: usize) -> BoxSend<'_>;
}

type BoxSend<'a> = Pin<Box<dyn Future<Output = Result<Response<Bytes>, Error>> + Send + 'a>>;

impl<T: Transport> DynTransport for T {
    fn send(&self, request: Request<Bytes>, max_reply: usize) -> BoxSend<'_> {
        Box::pin(Transport::send(self, request, max_reply))
    }
}
