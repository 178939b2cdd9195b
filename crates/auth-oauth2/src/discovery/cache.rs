//! Rules without I/O and clock: when metadata are read, and which metadata are used meanwhile.

use std::{collections::HashMap, time::Duration};

use auth_core::{Error, Moment};
use tokio::sync::watch;

use super::{Issuer, Metadata, Outcome};

/// The cached metadata, and the discoveries in progress.
pub(super) struct Cache {
    lifetime: Duration,
    max_entries: usize,
    entries: HashMap<String, Entry>,
    /// Counts the look-ups. The entry with the lowest number was used longest ago.
    look_ups: u64,
}

#[derive(Default)]
struct Entry {
    known: Option<Known>,
    failed: Option<Failed>,
    flight: Option<watch::Receiver<Outcome>>,
    /// A token request showed that the token endpoint may have moved.
    is_doubted: bool,
    last_look_up: u64,
}

struct Known {
    metadata: Metadata,
    read: Moment,
}

struct Failed {
    error: Error,
    /// No request is sent before this time.
    until: Moment,
}

/// What a caller does next.
pub(super) enum Step {
    Use(Metadata),
    Fail(Error),
    /// Another caller's discovery is in progress.
    Wait(watch::Receiver<Outcome>),
    /// The caller starts a discovery.
    Fetch(watch::Sender<Outcome>, watch::Receiver<Outcome>),
}

impl Cache {
    pub(super) fn new(lifetime: Duration, max_entries: usize) -> Self {
        Self {
            lifetime,
            max_entries,
            entries: HashMap::new(),
            look_ups: 0,
        }
    }

    pub(super) fn step(&mut self, issuer: &Issuer, now: Moment) -> Step {
        self.look_ups += 1;
        self.make_room(issuer);
        let lifetime = self.lifetime;
        let entry = self.entries.entry(issuer.as_str().to_owned());
        let entry = entry.or_default();
        entry.last_look_up = self.look_ups;
        entry.step(lifetime, now)
    }

    /// Stores the outcome of a discovery, and returns what its callers receive.
    pub(super) fn end(
        &mut self,
        issuer: &Issuer,
        publisher: &watch::Sender<Outcome>,
        result: Result<Metadata, Error>,
        now: Moment,
    ) -> Result<Metadata, Error> {
        let lifetime = self.lifetime;
        let entry = self.entries.get_mut(issuer.as_str());
        let entry = entry.filter(|entry| entry.is_flight_of(publisher));
        // The entry was removed or abandoned meanwhile: only the callers receive the outcome.
        let Some(entry) = entry else {
            return result;
        };
        entry.flight = None;
        entry.end(lifetime, result, now)
    }

    /// Removes a discovery whose task has ended without an outcome or has stopped.
    pub(super) fn abandon(&mut self, issuer: &Issuer, flight: &watch::Receiver<Outcome>) {
        let Some(entry) = self.entries.get_mut(issuer.as_str()) else {
            return;
        };
        entry.flight.take_if(|own| own.same_channel(flight));
    }

    pub(super) fn doubt(&mut self, issuer: &Issuer) {
        if let Some(entry) = self.entries.get_mut(issuer.as_str()) {
            entry.is_doubted = true;
        }
    }

    fn make_room(&mut self, issuer: &Issuer) {
        if self.entries.contains_key(issuer.as_str()) || self.entries.len() < self.max_entries {
            return;
        }
        let oldest = self
            .entries
            .iter()
            .min_by_key(|(_, entry)| entry.last_look_up);
        if let Some(oldest) = oldest.map(|(issuer, _)| issuer.clone()) {
            self.entries.remove(&oldest);
        }
    }
}

impl Entry {
    fn step(&mut self, lifetime: Duration, now: Moment) -> Step {
        if let Some(known) = &self.known {
            let is_young = !now.reached(known.read + DOUBT.min(lifetime));
            let is_fresh = !now.reached(known.read + lifetime);
            if is_young || (is_fresh && !self.is_doubted) {
                return Step::Use(known.metadata.clone());
            }
        }
        if let Some(failed) = self.failed.take_if(|failed| now.waited_for(failed.until)) {
            drop(failed);
        }
        if let Some(failed) = &self.failed {
            return match self.serving(lifetime, now) {
                Some(metadata) => Step::Use(metadata),
                None => Step::Fail(failed.told(now)),
            };
        }
        // A flight whose sender is dropped ended without an outcome.
        let flight = self.flight.clone();
        if let Some(flight) = flight.filter(|flight| flight.has_changed().is_ok()) {
            return Step::Wait(flight);
        }
        let (publisher, outcome) = watch::channel(None);
        self.flight = Some(outcome.clone());
        Step::Fetch(publisher, outcome)
    }

    fn end(
        &mut self,
        lifetime: Duration,
        result: Result<Metadata, Error>,
        now: Moment,
    ) -> Result<Metadata, Error> {
        match result {
            Ok(metadata) => {
                self.failed = None;
                self.is_doubted = false;
                self.known = Some(Known {
                    metadata: metadata.clone(),
                    read: now,
                });
                Ok(metadata)
            }
            Err(error) => {
                let serving = self.serving(lifetime, now);
                let pause = if serving.is_some() {
                    PAUSE_KNOWN
                } else {
                    PAUSE
                };
                let asked = error.retry_after().unwrap_or_default().min(LONGEST_PAUSE);
                self.failed = Some(Failed {
                    error: error.clone(),
                    until: now + pause.max(asked),
                });
                serving.ok_or(error)
            }
        }
    }

    /// Returns metadata that may be older than their lifetime, for use while the server does not
    /// answer.
    fn serving(&self, lifetime: Duration, now: Moment) -> Option<Metadata> {
        let known = self.known.as_ref()?;
        let is_over = now.reached(known.read + LONGEST_SERVED.max(lifetime));
        (!is_over).then(|| known.metadata.clone())
    }

    fn is_flight_of(&self, publisher: &watch::Sender<Outcome>) -> bool {
        let flight = self.flight.as_ref();
        flight.is_some_and(|flight| flight.same_channel(&publisher.subscribe()))
    }
}

impl Failed {
    /// The server's `Retry-After` counts from its answer.
    fn told(&self, now: Moment) -> Error {
        let error = self.error.clone();
        match error.retry_after() {
            Some(_) => error.with_retry_after(now.wait_until(self.until)),
            None => error,
        }
    }
}

/// How long a failure is returned to all callers if there are no metadata. The back-off of an
/// authenticator is added to it.
const PAUSE: Duration = Duration::from_secs(1);
/// How long no request is sent after a failure if old metadata are in use.
const PAUSE_KNOWN: Duration = Duration::from_secs(60);
/// The longest `Retry-After` that is obeyed.
const LONGEST_PAUSE: Duration = Duration::from_secs(3600);
/// Metadata younger than this are not read again after a failed token request.
const DOUBT: Duration = Duration::from_secs(60);
/// How long metadata are used at most after they were read, unless their lifetime is longer.
const LONGEST_SERVED: Duration = Duration::from_secs(24 * 3600);
