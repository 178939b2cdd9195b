use std::{fmt, future::Future, pin::Pin, sync::Arc};

use bytes::Bytes;
use http::{Request, Response};

use crate::Error;

/// Sends one small exchange to a token endpoint.
///
/// Implementations stand beside the stack that the tokens are for, never in it: a token call that
/// waits for a token would wait for ever.
///
/// # Contract
///
/// - Redirects are never followed: a 3xx reply is returned like any other.
/// - At most `max_reply` bytes of body are read, counted after any decompression; one more is an
///   error of kind [`Protocol`](crate::ErrorKind::Protocol).
/// - Nothing of the body or the `Authorization` header is logged or put into an error.
/// - No retries. A missing answer is an error of kind
///   [`Unavailable`](crate::ErrorKind::Unavailable).
/// - The future may be dropped at any time (the exchange has a deadline); the connection is then
///   not used again for somebody else's reply.
pub trait Transport: Send + Sync + 'static {
    /// Sends a request and reads its whole reply, up to `max_reply` bytes.
    ///
    /// # Errors
    ///
    /// [`Unavailable`](crate::ErrorKind::Unavailable) when no whole reply came,
    /// [`TimedOut`](crate::ErrorKind::TimedOut) when it did not come within a deadline of the
    /// transport's own, [`Protocol`](crate::ErrorKind::Protocol) when it was too large. Before
    /// anything is sent: [`Origin`](crate::ErrorKind::Origin) and
    /// [`Config`](crate::ErrorKind::Config) for a URL that the transport does not send secrets to.
    fn send(
        &self,
        request: Request<Bytes>,
        max_reply: usize,
    ) -> impl Future<Output = Result<Response<Bytes>, Error>> + Send;
}

/// A [`Transport`] behind a shared pointer, for types that should not be generic over it.
#[derive(Clone)]
pub struct SharedTransport(Arc<dyn DynTransport>);

impl SharedTransport {
    /// Shares a transport.
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
