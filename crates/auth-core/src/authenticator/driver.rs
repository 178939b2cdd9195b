//! Executes the orders of a flight in a tokio task that no caller owns and no caller can cancel.
//! Decides nothing.

use std::{
    future::{Future, poll_fn},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    sync::{Arc, Mutex, PoisonError},
    task::Poll,
    time::Duration,
};

use bytes::Bytes;
use tokio::{
    runtime::Handle,
    time::{self, Instant},
};
use tracing::Instrument as _;

use crate::{
    Credentials, EntryVersion, Error, ErrorKind, Key, NewEntry, RejectedPart, Secret,
    SharedTokenStore, StoredEntry, TokenRequest, TokenRequestOutcome, TokenRequestReason,
    TokenStore as _,
    authenticator::{flight::Flight, shared_state::SharedState},
    limits::concurrency::Permit,
    machine::{
        account::{Account, Logins},
        flight::Flight as FlightState,
        orders::{End, Ended, Fact, Landing, Loaded, Order, Own, Write},
        record::Record,
        serving::Start,
    },
    observer::{EventKind, Observed},
    secret::rejections,
};

mod budget;
mod entries;
mod lease;

use budget::Budget;
use lease::Lease;

/// Starts the flight's task. The caller holds no lock: on a runtime that shuts down, the task ends
/// at once and reports its end.
pub(crate) fn launch(
    runtime: &Handle,
    shared: Arc<SharedState>,
    flight: Arc<Flight>,
    start: Start,
) {
    // Made outside the task, so that a task which is dropped before its first poll is noticed too.
    let span = shared
        .settings
        .observed
        .token_request_span(start.reason.as_str());
    flight.set_span(span.id());
    let task = Task { shared, flight };
    let fly = async move {
        let landing = guarded(task.run(start)).await;
        let landing = landing.unwrap_or_else(|| task.panicked());
        let (outcome, host) = match &landing.end {
            End::Token(..) => ("token", None),
            End::Failed(error) | End::Told(error, _) => (error.kind().as_str(), error.host()),
            End::OverQuota(_) => ("quota", None),
            End::Unchanged => ("unchanged", None),
            End::Settled => ("settled", None),
        };
        Observed::end_span(outcome, host);
        task.shared.land(&task.flight, landing);
    };
    runtime.spawn(fly.instrument(span));
}

/// Starts a watcher on the caller's runtime if the flight's task runs on another runtime, which may
/// stand still. The watcher checks that the flight ends in time.
pub(crate) fn watch(shared: &Arc<SharedState>, flight: &Arc<Flight>) {
    let Ok(here) = Handle::try_current() else {
        return;
    };
    if !flight.wants_watcher(here.id()) {
        return;
    }
    let (shared, flight) = (Arc::clone(shared), Arc::clone(flight));
    here.spawn(async move {
        let left = shared.now().wait_until(flight.overdue);
        let mut place = None;
        let over = poll_fn(|cx| match flight.poll(&mut place, cx.waker()) {
            Some(_) => Poll::Ready(()),
            None => Poll::Pending,
        });
        if time::timeout(left, over).await.is_err() {
            shared.give_up(&flight);
        }
        if let Some(place) = place {
            flight.leave(place);
        }
    });
}

struct Task {
    shared: Arc<SharedState>,
    flight: Arc<Flight>,
}

/// The resources that a flight holds.
#[derive(Default)]
struct Hands {
    permit: Option<Permit>,
    lease: Option<Lease>,
    credentials: Credentials,
    /// The store is connected.
    connected: bool,
}

impl Task {
    async fn run(&self, start: Start) -> Landing {
        if !start.after.is_zero() {
            time::sleep(start.after).await;
        }
        let mut patience = pin!(time::sleep(WAITERS_ASK_AGAIN));
        let mut flown = pin!(self.fly(start));
        let early = poll_fn(|cx| {
            if let Poll::Ready(landing) = flown.as_mut().poll(cx) {
                return Poll::Ready(Some(landing));
            }
            patience.as_mut().poll(cx).map(|()| None)
        });
        match early.await {
            Some(landing) => landing,
            None => {
                self.flight.ask_again();
                flown.await
            }
        }
    }

    async fn fly(&self, start: Start) -> Landing {
        let shared = &*self.shared;
        let mut hands = Hands::default();
        let mut budget = Budget::new(shared.store_patience());
        let mut state = FlightState::new(start);
        let mut fact = Fact::Begun;
        loop {
            let order = shared.step(&self.flight, &mut state, fact);
            fact = match order {
                Order::Land(landing) => return *landing,
                Order::Read => {
                    let read = self.read(&mut hands).await;
                    // The wait for a permit does not count as waiting for the store.
                    budget.renew();
                    Fact::Read(read)
                }
                Order::Sleep { time, others } => {
                    time::sleep(time).await;
                    if others {
                        budget.renew();
                    }
                    Fact::Slept
                }
                Order::Request {
                    reason,
                    refresh_token,
                    deadline,
                } => {
                    let ended = self
                        .request(&mut hands, reason, refresh_token, deadline)
                        .await;
                    // From here on, waiting callers wait for an answer that the store already has.
                    budget.renew();
                    Fact::Ended(ended)
                }
                Order::AskAgain => Fact::MayAgain(shared.may_try_again(&self.flight)),
                order => match self.ask_store(&mut hands, &mut budget, order).await {
                    Ok(fact) => fact,
                    Err(error) => {
                        let error = error.named(shared.vendor());
                        shared.tell_later(&self.flight, EventKind::StoreFailed { error });
                        Fact::StoreFailed
                    }
                },
            };
        }
    }

    async fn read(&self, hands: &mut Hands) -> Result<Own, Error> {
        let shared = &*self.shared;
        let source = shared.source();
        let deadline = shared.policy().token_request_deadline();
        let read = async {
            let credentials = source.credentials().await?;
            let first = if source.keeps_refresh_tokens() {
                source.first_refresh_token().await
            } else {
                Ok(None)
            };
            Ok((credentials, first))
        };
        let read: Result<_, Error> = time::timeout(deadline, read).await.unwrap_or_else(|_| {
            let message = format!(
                "the credentials could not be read within {} s",
                deadline.as_secs_f64()
            );
            Err(Error::new(ErrorKind::TimedOut, message))
        });
        let (credentials, first) =
            read.map_err(|error| error.with_outcome(TokenRequestOutcome::NotSent))?;
        let id = credentials.id();
        let lockable = credentials.is_lockable();
        let forbidden = id.filter(|_| lockable).and_then(|id| {
            let clock = shared.clock();
            rejections::of_process(clock, |known| known.forbid(id, clock.now()))
        });
        hands.credentials = credentials;
        Ok(Own {
            id,
            lockable,
            first,
            forbidden,
        })
    }

    async fn request(
        &self,
        hands: &mut Hands,
        reason: TokenRequestReason,
        refresh_token: Option<Secret>,
        deadline: Duration,
    ) -> Ended {
        let shared = &*self.shared;
        let begun = match self.admit(hands).await {
            Ok(()) => shared.begin_request(&self.flight),
            Err(error) => Err(error),
        };
        let scope = match begun {
            Ok(scope) => scope,
            Err(error) => {
                hands.permit = None;
                return Ended {
                    result: Err(error),
                    sent: shared.now(),
                    late: false,
                };
            }
        };
        let mut token_request = TokenRequest::new(reason).credentials(hands.credentials.clone());
        token_request.refresh_token = refresh_token;
        token_request.scope = scope;
        let asked_scope = token_request.scope.clone();
        let sent = shared.now();
        let mut is_told = false;
        let mut fetch = pin!(shared.source().fetch(token_request));
        // The observer is told after the request was sent, because an observer may be slow.
        let fetch = poll_fn(|cx| {
            let polled = fetch.as_mut().poll(cx);
            if !std::mem::replace(&mut is_told, true) {
                shared.tell_now(&self.flight);
                shared.tell(EventKind::TokenRequestStarted { reason });
                if let Some(event) = self.flight.note_sent() {
                    shared.tell(event);
                }
            }
            polled
        });
        let (result, late) = in_time(deadline, fetch).await;
        hands.permit = None;
        let result = result.unwrap_or_else(|| Err(out_of_time(deadline)));
        let result = match asked_scope {
            Some(asked) => shared.judge_scope(&asked, result),
            None => result,
        };
        // Named before the text goes to other processes, which name the vendor themselves.
        let result = result.map_err(|error| error.named(shared.vendor()));
        if let Err(error) = &result {
            if error.rejected_part() == Some(RejectedPart::RefreshToken) {
                let (vendor, label) = (shared.vendor(), shared.settings.observed.label());
                tracing::info!(target: "auth::token", vendor, label, %error, "refresh token rejected");
            }
        }
        let now = shared.now();
        let ended = EventKind::TokenRequestEnded {
            reason,
            duration: now.wait_since(sent),
            error: result.as_ref().err().cloned(),
            quota: shared.quota_use(now),
        };
        shared.tell_later(&self.flight, ended);
        Ended { result, sent, late }
    }

    /// Waits for a permit of the token request limit, if there is a limit.
    async fn admit(&self, hands: &mut Hands) -> Result<(), Error> {
        if let (Some(limit), None) = (self.shared.settings.limit.as_deref(), &hands.permit) {
            hands.permit = Some(limit.admit(&*self.flight).await?);
        }
        Ok(())
    }

    fn panicked(&self) -> Landing {
        let error = Error::new(ErrorKind::Closed, "the token request panicked");
        Landing::failed(error.named(self.shared.vendor()), self.shared.now())
    }
}

impl Drop for Task {
    /// Does nothing after a landing.
    fn drop(&mut self) {
        self.shared.abandon(&self.flight);
    }
}

/// Waits for a reply until the deadline. If the time-out fires much too late, this process stood
/// still and the reply may have arrived already: then it gets [`COME_UP`] more to pass through the
/// HTTP client. Returns whether the process stood still.
async fn in_time<T>(deadline: Duration, reply: impl Future<Output = T>) -> (Option<T>, bool) {
    let mut reply = pin!(reply);
    let Some(due) = Instant::now().checked_add(deadline) else {
        return (Some(reply.await), false);
    };
    if let Ok(reply) = time::timeout_at(due, reply.as_mut()).await {
        return (Some(reply), false);
    }
    if Instant::now().saturating_duration_since(due) < STOOD_STILL {
        return (None, false);
    }
    (time::timeout(COME_UP, reply).await.ok(), true)
}

fn out_of_time(deadline: Duration) -> Error {
    let message = format!(
        "the token request did not end within {} s",
        deadline.as_secs_f64()
    );
    Error::new(ErrorKind::TimedOut, message).with_outcome(TokenRequestOutcome::Unknown)
}

/// Runs a future to its end. `None` if the future panicked.
async fn guarded<F: Future>(future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    poll_fn(|cx| {
        let polled = catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx)));
        polled.map_or(Poll::Ready(None), |poll| poll.map(Some))
    })
    .await
}
/// The time limit of a write that no caller waits for.
const WRITE: Duration = Duration::from_secs(1);
/// A time-out that fires later than this shows that the process stood still.
const STOOD_STILL: Duration = Duration::from_millis(500);
/// The time for a reply that has arrived to pass through the HTTP client.
const COME_UP: Duration = Duration::from_secs(1);
/// The time after which callers that wait for a flight ask the machine again.
const WAITERS_ASK_AGAIN: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests;
