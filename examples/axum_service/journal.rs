//! What happened to the service's tokens: counted and kept for the status page.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use auth_core::{Error, Event, EventKind, Moment, Observer};

/// An observer that keeps what a person wants to see: counts, the last errors, and the token
/// requests of the last hour. Its size does not grow.
#[derive(Debug, Default)]
pub(crate) struct Journal(Mutex<Kept>);

/// What is kept.
#[derive(Clone, Debug, Default)]
pub(crate) struct Kept {
    pub(crate) counts: Counts,
    /// The newest first, at most [`MOST_TROUBLES`].
    pub(crate) troubles: VecDeque<Trouble>,
    /// Token requests by minute, the newest first, at most [`MINUTES`].
    minutes: VecDeque<Minute>,
}

/// Counts since the start of the service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) tokens: u64,
    pub(crate) failures: u64,
    pub(crate) waited: u64,
    pub(crate) refused: u64,
    pub(crate) replayed: u64,
    pub(crate) not_replayed: u64,
    pub(crate) unsigned: u64,
}

/// Something that a person should look at.
#[derive(Clone, Debug)]
pub(crate) struct Trouble {
    pub(crate) at: Moment,
    /// Whose: the label of the authenticator.
    pub(crate) whose: String,
    pub(crate) what: &'static str,
    pub(crate) host: Option<String>,
    /// Has no secret: errors and events have none.
    pub(crate) cause: String,
}

/// The token requests of one minute.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Minute {
    /// Since the Unix epoch.
    number: u64,
    pub(crate) tokens: u32,
    pub(crate) failures: u32,
}

impl Journal {
    pub(crate) fn kept(&self) -> Kept {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    /// Returns the token requests of the last hour by minute, the oldest first.
    pub(crate) fn last_hour(&self, now: Moment) -> [Minute; MINUTES] {
        let mut hour = [Minute::default(); MINUTES];
        for minute in &self.minutes {
            let age = minute_of(now).saturating_sub(minute.number);
            let place = usize::try_from(age)
                .ok()
                .and_then(|age| (MINUTES - 1).checked_sub(age));
            if let Some(place) = place {
                hour[place] = *minute;
            }
        }
        hour
    }

    fn note_request(&mut self, at: Moment, error: Option<&Error>) {
        let number = minute_of(at);
        if self.minutes.front().is_none_or(|last| last.number < number) {
            self.minutes.push_front(Minute {
                number,
                ..Minute::default()
            });
            self.minutes.truncate(MINUTES);
        }
        // A wall clock that was set back counts into the newest minute.
        let minute = self.minutes.front_mut();
        let (count, of_minute) = match error {
            None => (&mut self.counts.tokens, minute.map(|m| &mut m.tokens)),
            Some(_) => (&mut self.counts.failures, minute.map(|m| &mut m.failures)),
        };
        *count += 1;
        if let Some(of_minute) = of_minute {
            *of_minute = of_minute.saturating_add(1);
        }
    }

    fn note_trouble(&mut self, event: &Event, what: &'static str) {
        let cause = match event.error() {
            Some(error) => error.to_string(),
            None => event.cause().unwrap_or_default().to_owned(),
        };
        self.troubles.push_front(Trouble {
            at: event.time(),
            whose: event.label().unwrap_or(event.vendor()).to_owned(),
            what,
            host: event.host().map(str::to_owned),
            cause,
        });
        self.troubles.truncate(MOST_TROUBLES);
    }
}

impl Observer for Journal {
    fn on_event(&self, event: &Event) {
        let mut kept = self.lock();
        match event.kind() {
            EventKind::TokenRequestEnded { error, .. } => {
                kept.note_request(event.time(), error.as_ref());
                if error.is_some() {
                    kept.note_trouble(event, "token request failed");
                }
            }
            EventKind::RequestsWaited { count, .. } => kept.counts.waited += count,
            EventKind::TokenRefused { .. } => {
                kept.counts.refused += 1;
                kept.note_trouble(event, "token refused by the API");
            }
            EventKind::RequestReplayed { .. } => kept.counts.replayed += 1,
            EventKind::RequestNotReplayed { .. } => {
                kept.counts.not_replayed += 1;
                kept.note_trouble(event, "request not sent again");
            }
            EventKind::RequestUnsigned { .. } => {
                kept.counts.unsigned += 1;
                kept.note_trouble(event, "request sent without a token");
            }
            EventKind::StoreFailed { .. } => kept.note_trouble(event, "token store failed"),
            _ => {}
        }
    }
}

fn minute_of(at: Moment) -> u64 {
    at.since_unix_epoch().as_secs() / Duration::from_secs(60).as_secs()
}

/// How many minutes are kept.
pub(crate) const MINUTES: usize = 60;
/// How many troubles are kept.
pub(crate) const MOST_TROUBLES: usize = 10;
