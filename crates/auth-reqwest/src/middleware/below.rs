use std::{
    future::{Future, poll_fn},
    mem,
    pin::{Pin, pin},
    sync::{Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
};

use http::{Extensions, Request, Response};
use reqwest_middleware::{Error, Next};
use tower_service::Service;

use super::head;
use crate::followed::{Followed, Redirects};

/// The rest of a chain as a tower service, for as long as one request takes.
#[derive(Clone)]
pub(super) struct Below<'a, 'e> {
    next: Next<'a>,
    home: &'a Home<'e>,
    redirects: Redirects,
}

/// Where the request's extensions are while nobody below has them.
type Home<'e> = Mutex<&'e mut Extensions>;

impl<'a, 'e> Below<'a, 'e> {
    pub(super) fn new(next: Next<'a>, home: &'a Home<'e>, redirects: Redirects) -> Self {
        Self {
            next,
            home,
            redirects,
        }
    }
}

impl<'a> Service<Request<reqwest::Request>> for Below<'a, '_> {
    type Response = Response<reqwest::Response>;
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Error>> + Send + 'a>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<reqwest::Request>) -> Self::Future {
        let Self {
            next,
            home,
            redirects,
        } = self.clone();
        Box::pin(async move {
            let mut lent = Lent::from(home);
            let request = head::onto_request(request);
            let mut followed = Followed::watch(&request, redirects);
            let mut call = pin!(next.run(request, &mut lent.extensions));
            let mut response = poll_fn(|cx| followed.poll(|| call.as_mut().poll(cx))).await?;
            let (url, status) = (response.url().clone(), response.status());
            followed.mark(&url, status, response.extensions_mut());
            Ok(head::of_response(response))
        })
    }
}

/// The extensions of a request that is out. They go home when it has an answer, and when it is
/// dropped: whoever stands above may look at them then.
struct Lent<'a, 'e> {
    extensions: Extensions,
    home: &'a Home<'e>,
}

impl<'a, 'e> From<&'a Home<'e>> for Lent<'a, 'e> {
    fn from(home: &'a Home<'e>) -> Self {
        Self {
            extensions: mem::take(*lock(home)),
            home,
        }
    }
}

impl Drop for Lent<'_, '_> {
    fn drop(&mut self) {
        **lock(self.home) = mem::take(&mut self.extensions);
    }
}

fn lock<'a, 'e>(home: &'a Home<'e>) -> MutexGuard<'a, &'e mut Extensions> {
    home.lock().unwrap_or_else(PoisonError::into_inner)
}
