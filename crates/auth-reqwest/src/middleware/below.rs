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
};

use auth_tower::{Auth, HeadInPlace, SignedInPlace};
use http::Extensions;
use reqwest::{Request, Response};
use reqwest_middleware::{Error, Next, Result};
use tower_service::Service;

use super::{ByRequest, target::Targets};
use crate::followed::{Followed, Redirects, Target};

/// The service below the layer, shared by all requests.
#[derive(Clone, Copy, Debug)]
pub(super) struct Below;

/// Holds one request, and then its response, without their heads. Only the request's own task locks
/// it.
pub(super) struct Slot(Mutex<Held>);

struct Held {
    /// Without its headers until the layer sends it. `None` after it is sent.
    request: Option<Request>,
    redirects: Redirects,
    step: Step,
}

enum Step {
    /// The layer has the head of the request, or of the response that it took.
    Layer,
    /// The layer has sent the request.
    Outgoing(Followed),
    /// The response has arrived. The layer takes its headers and extensions.
    Answered(Result<Response>),
}

/// Takes the place of a body.
pub(super) struct Carried<'a> {
    slot: &'a Slot,
    /// The request without its headers. `None` if it is in the slot.
    again: Option<Box<Request>>,
}

/// A request with a token that is not sent yet.
pub(super) struct Signed<'a> {
    request: Request,
    followed: Followed,
    /// Judges the response.
    verdict: SignedInPlace<Below, Carried<'a>>,
}

/// A request that is sent and not answered, and the facts about its redirects.
type Sent<'a> = (
    Followed,
    Pin<Box<dyn Future<Output = Result<Response>> + Send + 'a>>,
);

impl Slot {
    pub(super) fn new(request: Request, redirects: Redirects) -> Self {
        Self(Mutex::new(Held {
            request: Some(request),
            redirects,
            step: Step::Layer,
        }))
    }

    /// Moves the head from the request to the layer.
    pub(super) fn take_head(&self, targets: &Targets) -> http::Request<Carried<'_>> {
        let mut head = http::Request::new(Carried {
            slot: self,
            again: None,
        });
        if let Some(request) = &mut self.held().request {
            head.method_mut().clone_from(request.method());
            // A URL that cannot be parsed is not signed; the client then returns the error.
            *head.uri_mut() = targets.read(request.url());
            mem::swap(head.headers_mut(), request.headers_mut());
        }
        head
    }

    /// Signs the request and takes it out of the slot. Returns `None`, with the request unchanged,
    /// if the layer has to sign it.
    pub(super) fn sign(
        &self,
        auth: &Auth<Below, ByRequest>,
        targets: &Targets,
    ) -> Option<Signed<'_>> {
        let mut held = self.held();
        let redirects = held.redirects;
        let request = held.request.as_mut()?;
        let mut headers = mem::take(request.headers_mut());
        let signed = targets.split(request.url()).and_then(|(origin, path)| {
            let head = HeadInPlace {
                method: request.method(),
                origin,
                path,
                headers: &mut headers,
            };
            auth.sign_in_place(head, || self.carry(request))
        });
        *request.headers_mut() = headers;
        let verdict = signed?;
        let sent_to = Target::Url(request.url().as_str().into());
        let followed = Followed::watch(request.method().clone(), sent_to, redirects);
        let request = held.request.take()?;
        Some(Signed {
            request,
            followed,
            verdict,
        })
    }

    /// Puts a response to a signed request into the slot, for the layer.
    pub(super) fn answer(&self, response: Response) -> Answer<'_> {
        self.held().step = Step::Answered(Ok(response));
        Answer { slot: self }
    }

    /// Clones a request that has no headers. Returns `None` if its body is a stream.
    fn carry(&self, request: &Request) -> Option<Carried<'_>> {
        Some(Carried {
            slot: self,
            again: Some(Box::new(request.try_clone()?)),
        })
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
        response
    }

    /// Sends the request that the layer has released, if there is one.
    #[inline]
    fn send<'a>(&self, next: &Next<'a>, extensions: &'a mut Extensions) -> Option<Sent<'a>> {
        let mut held = self.held();
        let followed = match mem::replace(&mut held.step, Step::Layer) {
            Step::Outgoing(followed) => followed,
            step => {
                held.step = step;
                return None;
            }
        };
        let request = held.request.take()?;
        drop(held);
        Some((followed, next.clone().run(request, extensions)))
    }

    fn is_outgoing(&self) -> bool {
        matches!(self.held().step, Step::Outgoing(_))
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Clones a request without its headers. Returns `None` if its body is a stream.
pub(super) fn again<'a>(carried: &Carried<'a>) -> Option<Carried<'a>> {
    let slot = carried.slot;
    match &carried.again {
        Some(request) => slot.carry(request),
        None => slot.carry(slot.held().request.as_ref()?),
    }
}

impl<'a> Signed<'a> {
    /// Sends the request. Returns its response, and what has to judge it unless it is plain.
    pub(super) async fn send(
        self,
        next: Next<'_>,
        extensions: &mut Extensions,
    ) -> Result<(Response, Option<SignedInPlace<Below, Carried<'a>>>)> {
        let Self {
            request,
            mut followed,
            verdict,
        } = self;
        let mut call = next.run(request, extensions);
        let mut response = poll_fn(|cx| followed.poll(|| call.as_mut().poll(cx))).await?;
        followed.mark(&mut response);
        let is_plain = verdict.is_plain(response.status(), response.extensions());
        Ok((response, (!is_plain).then_some(verdict)))
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
            held.request = Some(*again);
        }
        if let Some(request) = &mut held.request {
            *request.headers_mut() = head.headers;
        }
        // The response to a first send is dropped here, which frees its connection.
        let sent_to = Target::Uri(head.uri);
        let followed = Followed::watch(head.method, sent_to, held.redirects);
        held.step = Step::Outgoing(followed);
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
        if let Some((mut followed, mut call)) = slot.send(&next, extensions) {
            let mut response = poll_fn(|cx| followed.poll(|| call.as_mut().poll(cx))).await;
            if let Ok(response) = &mut response {
                followed.mark(response);
            }
            slot.held().step = Step::Answered(response);
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
