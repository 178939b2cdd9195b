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

/// Waits for a token; made by [`Authenticator::token`](crate::Authenticator::token).
///
/// # Cancel safety
///
/// Dropping it cancels nothing but the waiting.
#[must_use = "futures do nothing unless awaited"]
pub struct Acquire {
    shared: Arc<SharedState>,
    flight: Option<Arc<Flight>>,
    place: Option<Index>,
    /// How this caller waits for the flight, if somebody wants to know.
    wait: Option<Box<Wait>>,
    wish: Wish,
    /// The round of the flight in which this caller asked last.
    round: u32,
    /// Flights that ended without a token that is still good when this caller runs.
    rounds: u8,
    /// When a young token is to be sent once more.
    later: Option<Pin<Box<Sleep>>>,
}

/// How a caller waits.
struct Wait {
    since: Moment,
    /// Fills the gap in the caller's trace.
    _span: tracing::Span,
}

/// What a caller wants.
#[derive(Clone, Debug)]
pub(crate) enum Wish {
    /// Any token that may be sent.
    Any,
    /// A token in place of this one, which the API refused.
    InPlaceOf(Generation),
    /// A token that lives longer than the cached one.
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

    /// Waits for a while, then has the cached token.
    pub(crate) fn later(shared: Arc<SharedState>, after: Duration) -> Self {
        let mut this = Self::new(shared);
        this.later = Some(Box::pin(time::sleep(after)));
        this
    }

    /// Waits for a flight that is under way already.
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

    /// Does not wait any longer for the flight.
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

    /// A flight failed. A caller that wants any token goes on with the cached token, if it is
    /// valid.
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
            // The young token, or its successor. It may have expired meanwhile.
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
                            // One wait, however often it is asked about.
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
                    // What a replacement brought is there now.
                    if matches!(this.wish, Wish::Longer) {
                        this.wish = Wish::Any;
                    }
                }
            }
            let shared = &this.shared;
            let at_hand = match &this.wish {
                Wish::Scope(wanted) => shared.token_with(wanted),
                _ => shared.fresh_token(),
            };
            let answer = match (answer, at_hand) {
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
                    // The API refusing tokens faster than callers wake is no reason to give up.
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

/// On a runtime that shuts down every flight goes away at once, and a token that lives for less
/// than it takes to wake a task is never good: somebody has to stop asking.
const MAX_ROUNDS: u8 = 3;
