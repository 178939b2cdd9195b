//! Executes the orders of a flight, in a task of its own that no caller owns and no caller can
//! cancel. Decides nothing.

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

use crate::{
    Credentials, Error, ErrorKind, Exchange, Key, NewEntry, Reason, RejectedPart, RequestOutcome,
    Secret, SharedTokenStore, StoredEntry, TokenStore as _, Version,
    core::Core,
    flight::Flight,
    limit::Permit,
    machine::{
        account::{Account, Logins},
        flight::Flight as FlightState,
        orders::{Ended, Fact, Landing, Loaded, Order, Own, Write},
        record::Record,
        serving::Start,
    },
    rejections,
};

/// Starts the flight's task. Hold no lock: on a runtime that shuts down the task ends at once, and
/// says so.
pub(crate) fn launch(runtime: &Handle, core: Arc<Core>, flight: Arc<Flight>, start: Start) {
    // Made out here, so that a task that is dropped before its first poll is noticed, too.
    let task = Task { core, flight };
    runtime.spawn(async move {
        let landing = guarded(task.run(start)).await;
        let landing = landing.unwrap_or_else(|| task.panicked());
        task.core.land(&task.flight, landing);
    });
}

/// Has somebody on the caller's runtime look whether the flight ends in time, if the flight's task is
/// on another runtime: that one may stand still.
pub(crate) fn watch(core: &Arc<Core>, flight: &Arc<Flight>) {
    let Ok(here) = Handle::try_current() else {
        return;
    };
    if !flight.wants_watcher(here.id()) {
        return;
    }
    let (core, flight) = (Arc::clone(core), Arc::clone(flight));
    here.spawn(async move {
        let left = core.now().wait_until(flight.overdue);
        let mut place = None;
        let over = poll_fn(|cx| match flight.poll(&mut place, cx.waker()) {
            Some(_) => Poll::Ready(()),
            None => Poll::Pending,
        });
        if time::timeout(left, over).await.is_err() {
            core.give_up(&flight);
        }
        if let Some(place) = place {
            flight.leave(place);
        }
    });
}

struct Task {
    core: Arc<Core>,
    flight: Arc<Flight>,
}

/// What a flight has in hand.
#[derive(Default)]
struct Hands {
    permit: Option<Permit>,
    lease: Option<Lease>,
    credentials: Credentials,
    /// The store can be asked.
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
        let core = &*self.core;
        let mut hands = Hands::default();
        let mut budget = Budget::new(core.store_patience());
        let mut state = FlightState::new(start);
        let mut fact = Fact::Begun;
        loop {
            let order = core.step(&self.flight, &mut state, fact);
            fact = match order {
                Order::Land(landing) => return *landing,
                Order::Read => {
                    let read = self.read(&mut hands).await;
                    // Not the store was waited for.
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
                    // From here on somebody waits for an answer that is there already.
                    budget.renew();
                    Fact::Ended(ended)
                }
                Order::AskAgain => Fact::MayAgain(core.may_try_again(&self.flight)),
                order => match self.ask_store(&mut hands, &mut budget, order).await {
                    Ok(fact) => fact,
                    Err(error) => {
                        tracing::warn!(vendor = core.vendor(), %error, "going on without the token store");
                        Fact::StoreFailed
                    }
                },
            };
        }
    }

    async fn read(&self, hands: &mut Hands) -> Result<Own, Error> {
        let core = &*self.core;
        let source = core.source();
        let deadline = core.policy().exchange_deadline();
        let read = async {
            let credentials = source.credentials().await?;
            let first = match source.keeps_refresh_tokens() {
                true => source.first_refresh_token().await,
                false => Ok(None),
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
            read.map_err(|error| error.with_outcome(RequestOutcome::NotSent))?;
        let id = credentials.id();
        let lockable = credentials.is_lockable();
        let forbidden = id.filter(|_| lockable).and_then(|id| {
            let clock = core.clock();
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
        reason: Reason,
        refresh_token: Option<Secret>,
        deadline: Duration,
    ) -> Ended {
        let core = &*self.core;
        if let Err(error) = self.admit(hands).await {
            let sent = core.now();
            return Ended {
                result: Err(error),
                sent,
                late: false,
            };
        }
        let mut exchange = Exchange::new(reason).credentials(hands.credentials.clone());
        exchange.refresh_token = refresh_token;
        let sent = core.now();
        let (result, late) = in_time(deadline, core.source().fetch(exchange)).await;
        hands.permit = None;
        let result = result.unwrap_or_else(|| Err(out_of_time(deadline)));
        if let Err(error) = &result {
            if error.rejected_part() == Some(RejectedPart::RefreshToken) {
                tracing::info!(vendor = core.vendor(), %error, "refresh token rejected");
            }
        }
        Ended { result, sent, late }
    }

    /// Waits for the right to make a token request, if it is limited.
    async fn admit(&self, hands: &mut Hands) -> Result<(), Error> {
        if let (Some(limit), None) = (&self.core.settings.limit, &hands.permit) {
            hands.permit = Some(limit.admit(&self.flight).await?);
        }
        Ok(())
    }

    async fn ask_store(
        &self,
        hands: &mut Hands,
        budget: &mut Budget,
        order: Order,
    ) -> Result<Fact, Error> {
        let Some((store, key)) = self.core.store() else {
            return Err(Error::new(ErrorKind::Store, "there is no token store"));
        };
        Ok(match order {
            Order::Load => {
                if !hands.connected {
                    // Connecting is not part of a request's latency budget.
                    let connected = time::timeout(CONNECT, store.connect()).await;
                    connected.unwrap_or_else(|_| {
                        let message =
                            format!("token store: not connected within {} s", CONNECT.as_secs());
                        Err(Error::new(ErrorKind::Store, message))
                    })?;
                    hands.connected = true;
                    budget.renew();
                }
                let entry = budget.ask(store.load(key)).await?;
                Fact::Loaded(Box::new(loaded(key, entry)))
            }
            Order::Write(write) => {
                let Write {
                    expected,
                    version,
                    record,
                    beside,
                } = *write;
                let entry = NewEntry::new(version, record.encode(key), record.time_to_live());
                match beside {
                    true => Fact::Wrote(
                        budget
                            .ask(beside_callers(store, key, expected, entry))
                            .await?,
                    ),
                    false => Fact::Wrote(budget.ask(store.replace(key, expected, entry)).await?),
                }
            }
            Order::Lease => {
                // No permit is held while another process is waited for.
                if let Err(error) = self.admit(hands).await {
                    return Ok(Fact::NotAdmitted(error));
                }
                budget.renew();
                let asked = self.core.now();
                let lease = Lease::take(
                    store,
                    key,
                    self.core.lease_owner(&self.flight),
                    self.core.lease_time(),
                    budget,
                )
                .await?;
                match lease {
                    Some(lease) => {
                        hands.lease = Some(lease);
                        Fact::Leased(Some(asked))
                    }
                    None => {
                        hands.permit = None;
                        Fact::Leased(None)
                    }
                }
            }
            Order::Release => {
                hands.permit = None;
                if let Some(lease) = hands.lease.take() {
                    lease.give_back(budget).await?;
                }
                Fact::Released
            }
            Order::LoadAccount => {
                let key = Account::key(key);
                let (version, bytes) = parts(budget.ask(store.load(&key)).await?);
                let account = bytes
                    .and_then(|(bytes, age)| Some(Account::decode(&key, &bytes.ok()?)?.aged(age)));
                Fact::LoadedAccount(version, account)
            }
            Order::WriteAccount(expected, version, account) => {
                let key = Account::key(key);
                let entry = NewEntry::new(version, account.encode(&key), account.time_to_live());
                Fact::Wrote(budget.ask(store.replace(&key, expected, entry)).await?)
            }
            Order::LoadLogins(account) => {
                let key = Logins::key(key, account);
                let (version, bytes) = parts(budget.ask(store.load(&key)).await?);
                let logins = bytes
                    .and_then(|(bytes, age)| Some(Logins::decode(&key, &bytes.ok()?)?.aged(age)));
                Fact::LoadedLogins(version, logins)
            }
            Order::WriteLogins(account, expected, version, logins) => {
                let key = Logins::key(key, account);
                let entry = NewEntry::new(version, logins.encode(&key), logins.time_to_live());
                Fact::Wrote(budget.ask(store.replace(&key, expected, entry)).await?)
            }
            Order::Read
            | Order::Sleep { .. }
            | Order::Request { .. }
            | Order::AskAgain
            | Order::Land(_) => {
                return Err(Error::new(ErrorKind::Store, "not an order for a store"));
            }
        })
    }

    fn panicked(&self) -> Landing {
        let message = format!("{}: the token request panicked", self.core.vendor());
        Landing::failed(Error::new(ErrorKind::Closed, message), self.core.now())
    }
}

impl Drop for Task {
    /// Does nothing after a landing.
    fn drop(&mut self) {
        self.core.abandon(&self.flight);
    }
}

/// An entry's version, and its content with its age.
type Parts = (Option<Version>, Option<(Result<Bytes, Error>, Duration)>);

fn parts(entry: Option<StoredEntry>) -> Parts {
    match entry {
        Some(entry) => (Some(entry.version), Some((entry.content, entry.age))),
        None => (None, None),
    }
}

fn loaded(key: &Key, entry: Option<StoredEntry>) -> Loaded {
    let (version, content) = parts(entry);
    let (record, sealed) = match content {
        Some((Ok(bytes), age)) => (
            Record::decode(key, &bytes).map(|record| record.aged(age)),
            None,
        ),
        Some((Err(error), _)) => (None, Some(error)),
        None => (None, None),
    };
    Loaded {
        version,
        record,
        sealed,
    }
}

/// Writes in a task of its own. Callers go on when the store's budget is used up, and the write
/// continues.
async fn beside_callers(
    store: &SharedTokenStore,
    key: &Key,
    expected: Option<Version>,
    entry: NewEntry,
) -> Result<bool, Error> {
    let (store, key) = (store.clone(), key.clone());
    let write =
        tokio::spawn(
            async move { time::timeout(WRITE, store.replace(&key, expected, entry)).await },
        );
    match write.await {
        Ok(Ok(written)) => written,
        _ => Err(Error::new(ErrorKind::Store, "token store: no answer")),
    }
}

/// A lease that this flight has. Where it could not be given back, as when the token request panics,
/// it is given back beside the callers.
struct Lease {
    store: SharedTokenStore,
    key: Key,
    owner: String,
    is_held: bool,
}

impl Lease {
    async fn take(
        store: &SharedTokenStore,
        key: &Key,
        owner: String,
        time: Duration,
        budget: &mut Budget,
    ) -> Result<Option<Self>, Error> {
        let mut lease = Self {
            store: store.clone(),
            key: key.clone(),
            owner,
            // An answer that comes too late may have been a yes.
            is_held: true,
        };
        let granted = budget.ask(store.lease(key, &lease.owner, time)).await?;
        lease.is_held = granted;
        Ok(granted.then_some(lease))
    }

    async fn give_back(mut self, budget: &mut Budget) -> Result<(), Error> {
        budget
            .ask(self.store.release(&self.key, &self.owner))
            .await?;
        self.is_held = false;
        Ok(())
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if !self.is_held {
            return;
        }
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        let (store, key) = (self.store.clone(), self.key.clone());
        let owner = std::mem::take(&mut self.owner);
        runtime.spawn(async move {
            let _ = time::timeout(WRITE, store.release(&key, &owner)).await;
        });
    }
}

/// How long the store may hold a flight up, all its answers together.
struct Budget {
    whole: Duration,
    left: Mutex<Duration>,
}

impl Budget {
    fn new(whole: Duration) -> Self {
        Self {
            whole,
            left: Mutex::new(whole),
        }
    }

    /// Begins again: what was waited for in between was not the store.
    fn renew(&mut self) {
        self.set(self.whole);
    }

    async fn ask<T>(&self, answer: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        let asked = Instant::now();
        let left = *self.left.lock().unwrap_or_else(PoisonError::into_inner);
        let answer = time::timeout(left, answer).await;
        self.set(left.saturating_sub(asked.elapsed()));
        answer.unwrap_or_else(|_| {
            let whole = self.whole.as_millis();
            let message = format!("token store: no answer within {whole} ms");
            Err(Error::new(ErrorKind::Store, message))
        })
    }

    fn set(&self, left: Duration) {
        *self.left.lock().unwrap_or_else(PoisonError::into_inner) = left;
    }
}

/// Waits for a reply until the deadline. A time-out that fires much later than it should have means
/// that this process stood still: then the reply may be there already, and gets a moment to come up.
/// Returns whether that was so.
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
    Error::new(ErrorKind::TimedOut, message).with_outcome(RequestOutcome::Unknown)
}

/// Runs a future to its end; `None` if it panicked.
async fn guarded<F: Future>(future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    poll_fn(|cx| {
        let polled = catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx)));
        polled.map_or(Poll::Ready(None), |poll| poll.map(Some))
    })
    .await
}

/// How long a store may take to connect, if it sets no bound itself.
const CONNECT: Duration = Duration::from_secs(2);
/// How long a write may take that nobody waits for.
const WRITE: Duration = Duration::from_secs(1);
/// A time-out that fires so much too late fires in a process that stood still.
const STOOD_STILL: Duration = Duration::from_millis(500);
/// What a reply that has arrived gets to come up through the HTTP client.
const COME_UP: Duration = Duration::from_secs(1);
/// When callers that wait for a flight ask again whether there is something else for them.
const WAITERS_ASK_AGAIN: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests;
