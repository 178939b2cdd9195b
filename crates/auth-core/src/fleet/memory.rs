use std::sync::{Mutex, MutexGuard, PoisonError};

use super::record::{Logins, Record};
use crate::{Moment, Secret, Version};

/// What this process remembers of the store, for when it fails or lies.
#[derive(Default)]
pub(super) struct Memory(Mutex<State>);

#[derive(Default)]
struct State {
    /// What was handed out last, to know it when the API refuses it.
    at_hand: Option<Secret>,
    highest: Option<Version>,
    logins: Vec<Logins>,
    unsaved: Option<Unsaved>,
}

/// What the store should say, but did not take: in place of the entry with this version.
struct Unsaved {
    replaces: Option<Version>,
    record: Record,
    since: Moment,
}

impl Memory {
    pub(super) fn hand_out(&self, token: &Secret) {
        self.state().at_hand = Some(token.clone());
    }

    pub(super) fn is_at_hand(&self, token: &Secret) -> bool {
        self.state().at_hand.as_ref() == Some(token)
    }

    pub(super) fn see(&self, version: Option<Version>, record: &Record) {
        let mut state = self.state();
        state.highest = later(state.highest, version);
        state.logins.clone_from(&record.logins);
    }

    /// The latest version there is, of this one and what was seen before.
    pub(super) fn highest(&self, seen: Option<Version>) -> Option<Version> {
        later(self.state().highest, seen)
    }

    pub(super) fn is_outdated(&self, version: Version) -> bool {
        let highest = self.state().highest;
        highest.is_some_and(|highest| version.epoch() < highest.epoch())
    }

    pub(super) fn keep(&self, replaces: Option<Version>, record: Record, since: Moment) {
        self.state().unsaved = Some(Unsaved {
            replaces,
            record,
            since,
        });
    }

    /// What the store should say, while it still says what it said when it did not take it.
    pub(super) fn unsaved(&self, seen: Option<Version>, now: Moment) -> Option<Record> {
        let mut state = self.state();
        let unsaved = state.unsaved.take()?;
        // A store that was emptied has not heard of it either.
        (seen.is_none() || unsaved.replaces == seen).then(|| {
            let record = unsaved.record.clone().aged(now.wait_since(unsaved.since));
            state.unsaved = Some(unsaved);
            record
        })
    }

    pub(super) fn logins(&self) -> Vec<Logins> {
        self.state().logins.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn later(a: Option<Version>, b: Option<Version>) -> Option<Version> {
    match (a, b) {
        (Some(a), Some(b)) if a.epoch() >= b.epoch() => Some(a),
        (_, Some(b)) => Some(b),
        (a, None) => a,
    }
}
