use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use crate::{
    Error, Reason, Token,
    core::{Answer, Core},
    flight::{Flight, Outcome},
    waiters::Index,
};

/// Waits for a token; made by [`Authenticator::token`](crate::Authenticator::token).
///
/// # Cancel safety
///
/// Dropping it cancels nothing but the waiting.
#[must_use = "futures do nothing unless awaited"]
pub struct Acquire {
    core: Arc<Core>,
    flight: Option<Arc<Flight>>,
    place: Option<Index>,
    /// Flights that ended without a token that is still good when this caller runs.
    rounds: u8,
}

impl Acquire {
    pub(crate) fn new(core: Arc<Core>) -> Self {
        Self {
            core,
            flight: None,
            place: None,
            rounds: 0,
        }
    }

    /// Waits for an exchange that is under way already.
    pub(crate) fn joined(core: Arc<Core>, flight: Arc<Flight>) -> Self {
        let mut this = Self::new(core);
        this.flight = Some(flight);
        this
    }

    fn leave(&mut self) {
        if let (Some(flight), Some(index)) = (self.flight.take(), self.place.take()) {
            flight.leave(index);
        }
    }
}

impl Future for Acquire {
    type Output = Result<Token, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        loop {
            let waited = this.flight.is_some();
            if let Some(flight) = &this.flight {
                let outcome = match flight.poll(&mut this.place, cx.waker()) {
                    None => return Poll::Pending,
                    Some(Outcome::Error(error)) => Some(Err(error.clone())),
                    Some(Outcome::Delivered(snapshot)) => Some(Ok(snapshot.token())),
                    Some(Outcome::Published | Outcome::Abandoned) => None,
                };
                this.leave();
                if let Some(result) = outcome {
                    return Poll::Ready(result);
                }
            }
            let core = &this.core;
            if let Some(token) = core.fresh_token() {
                return Poll::Ready(Ok(token));
            }
            match core.demand() {
                Answer::Token(token) => return Poll::Ready(Ok(token)),
                Answer::Error(error) => return Poll::Ready(Err(error)),
                Answer::Wait(flight) => {
                    // The API refusing tokens faster than callers wake is no reason to give up.
                    if waited && flight.reason != Reason::Refused {
                        this.rounds += 1;
                        if this.rounds == MAX_ROUNDS {
                            return Poll::Ready(Err(core.closed()));
                        }
                    }
                    this.flight = Some(flight);
                }
                // Only a refusal is answered so.
                Answer::Damped => return Poll::Ready(Err(core.closed())),
            }
        }
    }
}

impl Drop for Acquire {
    fn drop(&mut self) {
        self.leave();
    }
}

impl fmt::Debug for Acquire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Acquire")
            .field("waiting", &self.flight.is_some())
            .finish_non_exhaustive()
    }
}

/// On a runtime that shuts down every flight goes away at once, and a token that lives for less
/// than it takes to wake a task is never good: somebody has to stop asking.
const MAX_ROUNDS: u8 = 3;
