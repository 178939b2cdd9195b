//! The rest of a chain as a tower service.
//!
//! [`Next`] borrows the request's extensions for as long as its future lives, and a service that
//! does so has to be made for each request. So [`Below`] sends nothing: it completes the request
//! that lies in the [`Slot`], and waits for the response there. Who polls the layer's future does
//! the sending ([`drive`]), one request after the other.
//!
//! Requests and responses of reqwest lie in the slot while the layer has their heads, because each
//! move of them is a copy of some hundred bytes.

use std::{
    future::{Future, poll_fn},
    mem,
    pin::Pin,
    sync::{Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
};

use http::Extensions;
use reqwest::{Request, Response};
use reqwest_middleware::{Error, Next, Result};
use tower_service::Service;

use crate::followed::{Followed, Redirects};

/// Stands below the layer for all requests.
#[derive(Clone, Copy, Debug)]
pub(super) struct Below;

/// Where one request and its response lie without their heads. Only the request's own task locks
/// it.
pub(super) struct Slot(Mutex<Held>);

struct Held {
    /// Headers are put back when the layer sends it.
    request: Option<Request>,
    redirects: Redirects,
    /// The layer has sent the request.
    outgoing: Option<Followed>,
    /// Has no headers and extensions once the layer has read it.
    response: Option<Result<Response>>,
}

/// A request on its way, and what is known about its redirects.
type Sent<'a> = (
    Followed,
    Pin<Box<dyn Future<Output = Result<Response>> + Send + 'a>>,
);

/// What stands in the place of a body.
pub(super) struct Carried<'a> {
    slot: &'a Slot,
    /// The request without its headers; `None` if it lies in the slot.
    again: Option<Box<Request>>,
}

impl Slot {
    pub(super) fn new(request: Request, redirects: Redirects) -> Self {
        Self(Mutex::new(Held {
            request: Some(request),
            redirects,
            outgoing: None,
            response: None,
        }))
    }

    /// Moves the head off the request, for the layer.
    pub(super) fn take_head(&self) -> http::Request<Carried<'_>> {
        let mut head = http::Request::new(Carried {
            slot: self,
            again: None,
        });
        if let Some(request) = &mut self.held().request {
            head.method_mut().clone_from(request.method());
            // The client reads its URL in the same way. What cannot be read has no origin, so it is
            // not signed, and the client says what is wrong.
            *head.uri_mut() = request.url().as_str().parse().unwrap_or_default();
            mem::swap(head.headers_mut(), request.headers_mut());
        }
        head
    }

    /// Completes the response whose head the layer returns: that of the latest.
    pub(super) fn response_of(&self, head: http::Response<()>) -> Response {
        let (head, ()) = head.into_parts();
        let Some(Ok(mut response)) = self.held().response.take() else {
            unreachable!("the layer makes no responses");
        };
        *response.headers_mut() = head.headers;
        *response.extensions_mut() = head.extensions;
        response
    }

    /// Starts to send what the layer has sent.
    #[inline]
    fn send<'a>(&self, next: &Next<'a>, extensions: &'a mut Extensions) -> Option<Sent<'a>> {
        let mut held = self.held();
        let followed = held.outgoing.take()?;
        let request = held.request.take()?;
        Some((followed, next.clone().run(request, extensions)))
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Clones a request without its headers. `None` if its body is a stream.
pub(super) fn again<'a>(carried: &Carried<'a>) -> Option<Carried<'a>> {
    let again = match &carried.again {
        Some(request) => request.try_clone(),
        None => carried.slot.held().request.as_ref()?.try_clone(),
    };
    Some(Carried {
        slot: carried.slot,
        again: Some(Box::new(again?)),
    })
}

impl<'a> Service<http::Request<Carried<'a>>> for Below {
    /// The head; the rest lies in the slot.
    type Response = http::Response<()>;
    type Error = Error;
    type Future = Answer<'a>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Carried<'a>>) -> Answer<'a> {
        let (head, Carried { slot, again }) = request.into_parts();
        let mut held = slot.held();
        // The first send is over, and its connection free.
        held.response = None;
        if let Some(again) = again {
            held.request = Some(*again);
        }
        if let Some(request) = &mut held.request {
            *request.headers_mut() = head.headers;
        }
        let redirects = held.redirects;
        held.outgoing = Some(Followed::watch(head.method, head.uri, redirects));
        drop(held);
        Answer { slot }
    }
}

/// The response that [`drive`] puts into the slot.
pub(super) struct Answer<'a> {
    slot: &'a Slot,
}

impl Future for Answer<'_> {
    type Output = Result<http::Response<()>>;

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
        // No waker: `drive` polls again when it has put a response there.
        let mut held = self.slot.held();
        let Some(Ok(response)) = &mut held.response else {
            let Some(Err(error)) = held.response.take() else {
                return Poll::Pending;
            };
            return Poll::Ready(Err(error));
        };
        let mut head = http::Response::new(());
        *head.status_mut() = response.status();
        mem::swap(head.headers_mut(), response.headers_mut());
        mem::swap(head.extensions_mut(), response.extensions_mut());
        Poll::Ready(Ok(head))
    }
}

/// Polls the future of the layer above [`Below`], and sends what comes out of it.
pub(super) async fn drive<F: Future>(
    mut layer: Pin<&mut F>,
    slot: &Slot,
    next: Next<'_>,
    extensions: &mut Extensions,
) -> F::Output {
    loop {
        // The layer has sent before it was polled, if it has a token.
        if let Some((mut followed, mut call)) = slot.send(&next, extensions) {
            let mut response = poll_fn(|cx| followed.poll(|| call.as_mut().poll(cx))).await;
            if let Ok(response) = &mut response {
                followed.mark(response);
            }
            slot.held().response = Some(response);
        }
        let step = poll_fn(|cx| match layer.as_mut().poll(cx) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending if slot.held().outgoing.is_some() => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        });
        if let Some(output) = step.await {
            return output;
        }
    }
}
