//! The rest of a middleware chain as a tower service.
//!
//! [`Next`] borrows the request's extensions while its future lives, so a service that contains it
//! would have to be made for each request. [`Below`] therefore sends nothing: it completes the
//! request in the [`Slot`] and waits there for the response. The task that polls the layer's future
//! sends the requests ([`drive`]), one after the other.
//!
//! While the layer has their heads, requests and responses of reqwest stay in the slot, because
//! each move of them copies some hundred bytes.

use std::{
    future::{Future, poll_fn},
    mem,
    pin::Pin,
    sync::{Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use auth_tower::{HeadInPlace, RequestInPlace};
use bytes::Bytes;
use http::{Extensions, HeaderMap, Uri, Version};
use reqwest::{Method, Request, Response, Url};
use reqwest_middleware::{Error, Next, Result};
use tower_service::Service;

use super::target::{KnownOrigin, Targets};
use crate::{
    body,
    followed::{Followed, Redirects, Target},
};

/// The service below the layer, shared by all requests.
#[derive(Clone, Copy, Debug)]
pub(super) struct Below;

/// Holds one request, and then its response, without their heads. Only the request's own task locks
/// it.
pub(super) struct Slot(Mutex<Held>);

struct Held {
    /// Without its headers until the layer sends it. `None` after it is sent, and if it was signed
    /// in place.
    request: Option<Box<Request>>,
    redirects: Redirects,
    step: Step,
}

enum Step {
    /// The layer has the head of the request, or of the response that it took.
    Layer,
    /// The layer has sent the request.
    Outgoing(Box<Outgoing>),
    /// The response has arrived. The layer takes its headers and extensions.
    Answered(Result<Box<Response>>),
}

/// The facts about a request that is sent.
struct Outgoing {
    followed: Followed,
    method: Method,
    uri: Uri,
}

/// Takes the place of a body.
pub(super) struct Carried<'a> {
    slot: &'a Slot,
    /// `None` if the request is in the slot.
    again: Option<Again>,
}

/// A request for a second send, without method and headers.
///
/// [`Request::try_clone`] is not used: it makes three allocations for a time-out, also if the
/// request has none.
#[derive(Clone)]
struct Again {
    url: Url,
    /// `None` without a body.
    body: Option<Bytes>,
    version: Version,
    timeout: Option<Duration>,
}

/// A request that is to be signed in place.
pub(super) struct Unsigned<'r, 'a> {
    pub(super) request: &'r mut Request,
    pub(super) origin: KnownOrigin<'r>,
    pub(super) slot: &'a Slot,
}

impl Slot {
    pub(super) const fn new(redirects: Redirects) -> Self {
        Self(Mutex::new(Held {
            request: None,
            redirects,
            step: Step::Layer,
        }))
    }

    /// Puts the request into the slot and moves its head to the layer.
    pub(super) fn take_head(
        &self,
        mut request: Request,
        targets: &Targets,
    ) -> http::Request<Carried<'_>> {
        let mut head = http::Request::new(Carried {
            slot: self,
            again: None,
        });
        head.method_mut().clone_from(request.method());
        // A URL that cannot be parsed is not signed; the client then returns the error.
        *head.uri_mut() = targets.read(request.url());
        mem::swap(head.headers_mut(), request.headers_mut());
        self.held().request = Some(Box::new(request));
        head
    }

    /// Puts a response to a signed request into the slot, for the layer.
    pub(super) fn answer(&self, response: Response) -> Answer<'_> {
        self.held().step = Step::Answered(Ok(Box::new(response)));
        Answer { slot: self }
    }

    /// Completes the latest response with the head that the layer returned.
    pub(super) fn response_of(&self, head: http::Response<()>) -> Response {
        let (head, ()) = head.into_parts();
        let step = mem::replace(&mut self.held().step, Step::Layer);
        let Step::Answered(Ok(mut response)) = step else {
            unreachable!("the layer makes no responses");
        };
        *response.headers_mut() = head.headers;
        *response.extensions_mut() = head.extensions;
        *response
    }

    /// Takes the request that the layer has released, if there is one.
    fn take_outgoing(&self) -> Option<(Box<Outgoing>, Box<Request>)> {
        let mut held = self.held();
        match mem::replace(&mut held.step, Step::Layer) {
            Step::Outgoing(outgoing) => Some((outgoing, held.request.take()?)),
            step => {
                held.step = step;
                None
            }
        }
    }

    fn is_outgoing(&self) -> bool {
        matches!(self.held().step, Step::Outgoing(_))
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Clones a request without its head. Returns `None` if its body is a stream.
pub(super) fn again<'a>(carried: &Carried<'a>) -> Option<Carried<'a>> {
    let slot = carried.slot;
    let again = match &carried.again {
        Some(again) => again.clone(),
        None => Again::of(slot.held().request.as_mut()?)?,
    };
    Some(Carried {
        slot,
        again: Some(again),
    })
}

impl Again {
    /// Returns `None` if the body is a stream. Leaves an equal request.
    #[inline]
    fn of(request: &mut Request) -> Option<Self> {
        let body = match request.body_mut() {
            Some(body) => Some(body::bytes_of(body)?),
            None => None,
        };
        Some(Self {
            url: request.url().clone(),
            body,
            version: request.version(),
            timeout: request.timeout().copied(),
        })
    }

    fn into_request(self, method: Method) -> Request {
        let mut request = Request::new(method, self.url);
        *request.body_mut() = self.body.map(Into::into);
        *request.version_mut() = self.version;
        if self.timeout.is_some() {
            *request.timeout_mut() = self.timeout;
        }
        request
    }
}

impl Carried<'_> {
    /// Returns the URL of a request that was signed in place.
    pub(super) fn url(&self) -> Option<&Url> {
        Some(&self.again.as_ref()?.url)
    }
}

impl<'a> RequestInPlace for Unsigned<'_, 'a> {
    type Kept = Carried<'a>;

    #[inline]
    fn head(&self) -> HeadInPlace<'_> {
        HeadInPlace {
            method: self.request.method(),
            origin: self.origin.uri,
            path: self.origin.path(self.request.url()),
            headers: self.request.headers(),
        }
    }

    #[inline]
    fn headers_mut(&mut self) -> &mut HeaderMap {
        self.request.headers_mut()
    }

    #[inline]
    fn keep(&mut self) -> Option<Carried<'a>> {
        Some(Carried {
            slot: self.slot,
            again: Some(Again::of(self.request)?),
        })
    }
}

impl<'a> Service<http::Request<Carried<'a>>> for Below {
    /// The head. The rest is in the slot.
    type Response = http::Response<()>;
    type Error = Error;
    type Future = Answer<'a>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Carried<'a>>) -> Answer<'a> {
        let (head, Carried { slot, again }) = request.into_parts();
        let mut held = slot.held();
        if let Some(again) = again {
            held.request = Some(Box::new(again.into_request(head.method.clone())));
        }
        if let Some(request) = &mut held.request {
            *request.headers_mut() = head.headers;
        }
        let outgoing = Outgoing {
            followed: Followed::watch(&head.method, held.redirects),
            method: head.method,
            uri: head.uri,
        };
        // The response to a first send is dropped here, which frees its connection.
        held.step = Step::Outgoing(Box::new(outgoing));
        drop(held);
        Answer { slot }
    }
}

/// Waits for the response that [`drive`] puts into the slot.
pub(super) struct Answer<'a> {
    slot: &'a Slot,
}

impl Future for Answer<'_> {
    type Output = Result<http::Response<()>>;

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
        // No waker is needed: `drive` polls again after it has put a response into the slot.
        let mut held = self.slot.held();
        let response = match &mut held.step {
            Step::Answered(Ok(response)) => response,
            Step::Answered(Err(_)) => {
                let step = mem::replace(&mut held.step, Step::Layer);
                let Step::Answered(Err(error)) = step else {
                    unreachable!("looked at before");
                };
                return Poll::Ready(Err(error));
            }
            Step::Layer | Step::Outgoing(_) => return Poll::Pending,
        };
        let mut head = http::Response::new(());
        *head.status_mut() = response.status();
        mem::swap(head.headers_mut(), response.headers_mut());
        mem::swap(head.extensions_mut(), response.extensions_mut());
        Poll::Ready(Ok(head))
    }
}

/// Polls the future of the layer above [`Below`], and sends the requests that the layer releases.
pub(super) async fn drive<F: Future>(
    mut layer: Pin<&mut F>,
    slot: &Slot,
    next: Next<'_>,
    extensions: &mut Extensions,
) -> F::Output {
    loop {
        // With a cached token, the layer releases the request before its first poll.
        if let Some((outgoing, request)) = slot.take_outgoing() {
            let Outgoing {
                mut followed,
                method,
                uri,
            } = *outgoing;
            let mut call = next.clone().run(*request, extensions);
            let mut response = poll_fn(|cx| followed.poll(|| call.as_mut().poll(cx))).await;
            if let Ok(response) = &mut response {
                followed.mark(response, &method, Target::Uri(&uri));
            }
            slot.held().step = Step::Answered(response.map(Box::new));
        }
        let step = poll_fn(|cx| match layer.as_mut().poll(cx) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending if slot.is_outgoing() => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        });
        if let Some(output) = step.await {
            return output;
        }
    }
}
