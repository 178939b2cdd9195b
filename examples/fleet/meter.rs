//! Measures the cost of tokens in one worker.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use auth_core::{EntryVersion, Error, Key, NewEntry, StoredEntry, TokenStore, Transport};
use bytes::Bytes;
use http::{Request, Response};
use serde::{Deserialize, Serialize};
use tokio::{task, time::Instant};

use crate::phase::{PerPhase, Phase};

/// The counts of a worker in one phase.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Counts {
    pub(crate) requests: u64,
    pub(crate) failed: u64,
    pub(crate) token_requests: u64,
    /// The longest time for which a request waited for a token, for any reason.
    pub(crate) waited_ms_max: f64,
    pub(crate) store_failures: u64,
    /// The longest delay of a token request by a failing store: the time from the first call of the
    /// store to the last, without the token request between them, in a flight in which one of the
    /// calls failed or was cancelled. Includes the wait for another process's token request. A
    /// request is delayed by it only without a valid cached token.
    pub(crate) added_ms_max: f64,
}

/// Counts for one worker. Clones share the counts.
#[derive(Clone)]
pub(crate) struct Meter(Arc<Mutex<Inner>>);

struct Inner {
    phase: Phase,
    counts: PerPhase<Counts>,
    /// The library requests each token in its own task, which identifies the flight.
    flights: HashMap<task::Id, Flight>,
    first_failure: Option<String>,
}

struct Flight {
    first_call: Instant,
    token_request: Duration,
    failed: bool,
}

impl Meter {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Mutex::new(Inner {
            phase: Phase::Before,
            counts: PerPhase::default(),
            flights: HashMap::new(),
            first_failure: None,
        })))
    }

    pub(crate) fn enter(&self, phase: Phase) {
        self.inner().phase = phase;
    }

    pub(crate) fn succeeded(&self, waited: Duration) {
        let mut inner = self.inner();
        let counts = inner.now();
        counts.requests += 1;
        counts.waited_ms_max = counts.waited_ms_max.max(millis(waited));
    }

    pub(crate) fn failed(&self, why: impl FnOnce() -> String) {
        let mut inner = self.inner();
        inner.first_failure.get_or_insert_with(why);
        let counts = inner.now();
        counts.requests += 1;
        counts.failed += 1;
    }

    pub(crate) fn counts(&self) -> PerPhase<Counts> {
        self.inner().counts.clone()
    }

    pub(crate) fn first_failure(&self) -> Option<String> {
        self.inner().first_failure.clone()
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn now(&mut self) -> &mut Counts {
        &mut self.counts[self.phase]
    }
}

/// A store whose calls are measured.
pub(crate) struct MeteredStore<S> {
    pub(crate) inner: S,
    pub(crate) meter: Meter,
}

impl<S: TokenStore> MeteredStore<S> {
    async fn measured<T>(&self, call: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        let mut asked = Asked::new(&self.meter);
        let answer = call.await;
        asked.failed = answer.is_err();
        answer
    }
}

impl<S: TokenStore> TokenStore for MeteredStore<S> {
    async fn load(&self, key: &Key) -> Result<Option<StoredEntry>, Error> {
        self.measured(self.inner.load(key)).await
    }

    async fn replace(
        &self,
        key: &Key,
        expected: Option<EntryVersion>,
        entry: NewEntry,
    ) -> Result<bool, Error> {
        self.measured(self.inner.replace(key, expected, entry))
            .await
    }

    async fn lease(&self, key: &Key, owner: &str, time: Duration) -> Result<bool, Error> {
        self.measured(self.inner.lease(key, owner, time)).await
    }

    async fn release(&self, key: &Key, owner: &str) -> Result<(), Error> {
        self.measured(self.inner.release(key, owner)).await
    }

    fn latency_budget(&self) -> Duration {
        self.inner.latency_budget()
    }
}

/// A call of the store in progress.
struct Asked<'a> {
    meter: &'a Meter,
    /// Also if no caller waits for the answer any more.
    failed: bool,
}

impl<'a> Asked<'a> {
    fn new(meter: &'a Meter) -> Self {
        if let Some(task) = task::try_id() {
            meter.inner().flights.entry(task).or_insert_with(|| Flight {
                first_call: Instant::now(),
                token_request: Duration::ZERO,
                failed: false,
            });
        }
        Self {
            meter,
            failed: true,
        }
    }
}

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        let mut inner = self.meter.inner();
        let inner = &mut *inner;
        let counts = &mut inner.counts[inner.phase];
        counts.store_failures += u64::from(self.failed);
        let flight = task::try_id().and_then(|task| inner.flights.get_mut(&task));
        if let Some(flight) = flight {
            flight.failed |= self.failed;
            if flight.failed {
                let added = flight
                    .first_call
                    .elapsed()
                    .saturating_sub(flight.token_request);
                counts.added_ms_max = counts.added_ms_max.max(millis(added));
            }
        }
    }
}

/// A transport whose token requests are measured.
pub(crate) struct MeteredTransport<T> {
    pub(crate) inner: T,
    pub(crate) meter: Meter,
}

impl<T: Transport> Transport for MeteredTransport<T> {
    async fn send(
        &self,
        request: Request<Bytes>,
        max_reply: usize,
    ) -> Result<Response<Bytes>, Error> {
        self.meter.inner().now().token_requests += 1;
        let sent = Instant::now();
        let reply = self.inner.send(request, max_reply).await;
        let mut inner = self.meter.inner();
        let flight = task::try_id().and_then(|task| inner.flights.get_mut(&task));
        if let Some(flight) = flight {
            flight.token_request += sent.elapsed();
        }
        reply
    }
}

fn millis(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 10_000.0).round() / 10.0
}
