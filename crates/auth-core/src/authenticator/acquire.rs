use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::time::{self, Sleep};

use crate::{
    Error, Generation, Moment, Token, TokenRequestReason,
    authenticator::driver,
    authenticator::{
        asking::{Answer, Widening},
        flight::{Flight, Outcome},
        shared_state::SharedState,
        waiters::Index,
    },
};

/// Future that waits for a token. Made by [`Authenticator::token`](crate::Authenticator::token).
///
/// # Cancel safety
///
/// Dropping the future ends only the waiting. The token request continues.
#[must_use = "futures do nothing unless awaited"]
pub struct Acquire {
    shared: Arc<SharedState>,
    flight: Option<Arc<Flight>>,
    place: Option<Index>,
    /// The wait for the flight, for traces and events; `None` if nothing observes them.
    wait: Option<Box<Wait>>,
    wish: Wish,
    /// The round of the flight in which this caller asked last.
    round: u32,
    /// Flights that ended without a token that is still valid when this caller runs.
    rounds: u8,
    /// When to send a new token once more that the API did not know yet.
    later: Option<Pin<Box<Sleep>>>,
}

/// How a caller waits.
struct Wait {
    since: Moment,
    /// Covers the wait in the caller's trace.
    _span: tracing::Span,
}

/// The token that a caller wants.
#[derive(Clone, Debug)]
pub(crate) enum Wish {
    /// Any valid token.
    Any,
    /// Another token than this one, which the API refused.
    InPlaceOf(Generation),
    /// A token that expires later than the cached one.
    Longer,
    /// A token with these scopes.
    Scope(Arc<[Box<str>]>),
}

impl Acquire {
    pub(crate) fn new(shared: Arc<SharedState>) -> Self {
        Self {
            shared,
            flight: None,
            place: None,
            wait: None,
            wish: Wish::Any,
            round: 0,
            rounds: 0,
            later: None,
        }
    }

    /// Waits for `after`, then returns the cached token.
    pub(crate) fn later(shared: Arc<SharedState>, after: Duration) -> Self {
        let mut this = Self::new(shared);
        this.later = Some(Box::pin(time::sleep(after)));
        this
    }

    /// Waits for a flight that is in progress.
    pub(crate) fn joined(shared: Arc<SharedState>, flight: Arc<Flight>, wish: Wish) -> Self {
        let mut this = Self::new(shared);
        this.wish = wish;
        this.wait_for(flight);
        this
    }

    fn wait_for(&mut self, flight: Arc<Flight>) {
        self.round = flight.round();
        if self.shared.settings.observed.is_heard() {
            let observed = &self.shared.settings.observed;
            if let Some(event) = flight.begin_wait() {
                observed.tell(event);
            }
            self.wait = Some(Box::new(Wait {
                since: self.shared.now(),
                _span: observed.wait_span(flight.span()),
            }));
        }
        self.flight = Some(flight);
    }

    /// Stops waiting for the flight.
    fn leave(&mut self, has_failed: bool) {
        let Some(flight) = self.flight.take() else {
            return;
        };
        if let Some(index) = self.place.take() {
            flight.leave(index);
        }
        if let Some(wait) = self.wait.take() {
            let waited = self.shared.now().wait_since(wait.since);
            if let Some(event) = flight.end_wait(waited, has_failed) {
                self.shared.settings.observed.tell(event);
            }
        }
    }

    fn ask(&self) -> Answer {
        match &self.wish {
            Wish::InPlaceOf(generation) => self.shared.refused(*generation),
            Wish::Any | Wish::Longer => self.shared.demand(),
            Wish::Scope(wanted) => match self.shared.widen(wanted) {
                Ok(Widening::Granted(token)) => Answer::Token(token),
                Ok(Widening::Answer(Answer::Token(_))) | Err(_) => {
                    Answer::Error(self.shared.not_granted())
                }
                Ok(Widening::Answer(answer)) => answer,
            },
        }
    }

    /// Handles a failed flight. A caller that wants any token continues with the cached token if it
    /// is valid.
    fn after_failure(&self, error: &Error) -> Result<Token, Error> {
        match self.wish {
            Wish::Any => self.shared.valid_token().ok_or_else(|| error.clone()),
            Wish::InPlaceOf(_) | Wish::Longer | Wish::Scope(_) => Err(error.clone()),
        }
    }
}

impl Future for Acquire {
    type Output = Result<Token, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        if let Some(sleep) = &mut this.later {
            ready!(sleep.as_mut().poll(cx));
            this.later = None;
            // The new token or its successor. It may have expired meanwhile.
            if let Some(token) = this.shared.valid_token() {
                return Poll::Ready(Ok(token));
            }
        }
        loop {
            let waited = this.flight.is_some();
            let mut answer = None;
            if let Some(flight) = &this.flight {
                let outcome = match flight.poll(&mut this.place, cx.waker()) {
                    None if this.round != flight.round() && matches!(this.wish, Wish::Any) => {
                        let flight = Arc::clone(flight);
                        this.round = flight.round();
                        let asked = this.ask();
                        if matches!(&asked, Answer::Wait(same) if Arc::ptr_eq(same, &flight)) {
                            // A caller that polls several times still waits once.
                            continue;
                        }
                        answer = Some(asked);
                        None
                    }
                    None => {
                        driver::watch(&this.shared, flight);
                        return Poll::Pending;
                    }
                    Some(Outcome::Error(error)) => Some(this.after_failure(error)),
                    Some(Outcome::Delivered(snapshot)) => Some(Ok(snapshot.token())),
                    Some(Outcome::Published | Outcome::Abandoned) => None,
                };
                let over = flight.is_over();
                this.leave(matches!(outcome, Some(Err(_))));
                if let Some(result) = outcome {
                    return Poll::Ready(result);
                }
                if over {
                    // The flight's token is the cached token now.
                    if matches!(this.wish, Wish::Longer) {
                        this.wish = Wish::Any;
                    }
                }
            }
            let shared = &this.shared;
            let cached = match &this.wish {
                Wish::Scope(wanted) => shared.token_with(wanted),
                _ => shared.fresh_token(),
            };
            let answer = match (answer, cached) {
                (Some(answer), _) => answer,
                (None, Some(token)) => return Poll::Ready(Ok(token)),
                (None, None) => this.ask(),
            };
            match answer {
                Answer::Token(token) | Answer::SendAgain(token, _) => {
                    return Poll::Ready(Ok(token));
                }
                Answer::Error(error) => return Poll::Ready(Err(error)),
                Answer::Wait(flight) => {
                    // A refused token is no reason to give up here: the API can refuse tokens
                    // faster than callers wake.
                    if waited && flight.reason != TokenRequestReason::Refused && flight.round() == 0
                    {
                        this.rounds += 1;
                        if this.rounds == MAX_ROUNDS {
                            return Poll::Ready(Err(this.shared.closed()));
                        }
                    }
                    this.wait_for(flight);
                }
                Answer::RefusalBackOff => {
                    let token = shared.valid_token();
                    return Poll::Ready(token.ok_or_else(|| shared.closed()));
                }
            }
        }
    }
}

impl Drop for Acquire {
    fn drop(&mut self) {
        self.leave(false);
    }
}

impl fmt::Debug for Acquire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Acquire")
            .field("waiting", &self.flight.is_some())
            .finish_non_exhaustive()
    }
}

/// A bound for two cases in which callers would loop without end: on a runtime that shuts down,
/// each flight ends at once; and a token whose lifetime is shorter than the wake-up of a task is
/// never valid.
const MAX_ROUNDS: u8 = 3;
