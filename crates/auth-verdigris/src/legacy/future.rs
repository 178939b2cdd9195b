use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use auth_core::TokenRefused;
use http::{Response, response::Parts};
use http_body::Body;
use pin_project_lite::pin_project;

use super::{PeekedBody, peek::Peek};

pin_project! {
    /// The response of [`LegacyRefusal`](crate::LegacyRefusal).
    #[must_use = "futures do nothing unless polled"]
    pub struct LegacyFuture<F, B>
    where
        B: Body,
    {
        #[pin]
        state: State<F, B>,
    }
}

pin_project! {
    #[project = StateProjection]
    enum State<F, B>
    where
        B: Body,
    {
        // Waits for the response.
        Calling {
            #[pin]
            future: F,
        },
        // Reads a body that may be a refusal; empty after the response was returned.
        Peeking {
            response: Option<(Parts, Peek<B>)>,
        },
    }
}

impl<F, B: Body> LegacyFuture<F, B> {
    pub(super) fn new(future: F) -> Self {
        Self {
            state: State::Calling { future },
        }
    }
}

impl<F, B, E> Future for LegacyFuture<F, B>
where
    F: Future<Output = Result<Response<B>, E>>,
    B: Body + Unpin,
{
    type Output = Result<Response<PeekedBody<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        loop {
            let next = match state.as_mut().project() {
                StateProjection::Calling { future } => {
                    let (parts, body) = ready!(future.poll(cx))?.into_parts();
                    let body = PeekedBody::new(body);
                    match Peek::worthwhile(&parts, body) {
                        Ok(peek) => State::Peeking {
                            response: Some((parts, peek)),
                        },
                        Err(body) => return Poll::Ready(Ok(Response::from_parts(parts, body))),
                    }
                }
                StateProjection::Peeking { response } => {
                    let (_, peek) = response
                        .as_mut()
                        .expect("a future is not polled after its result");
                    let refused = ready!(peek.poll(cx));
                    let (mut parts, peek) = response
                        .take()
                        .expect("the response was checked one line before");
                    if refused {
                        parts.extensions.insert(TokenRefused);
                    }
                    return Poll::Ready(Ok(Response::from_parts(parts, peek.into_body())));
                }
            };
            state.set(next);
        }
    }
}

impl<F, B: Body> fmt::Debug for LegacyFuture<F, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LegacyFuture").finish_non_exhaustive()
    }
}
