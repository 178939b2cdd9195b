//! Rejected logins, counted for the whole process: an account is one account, whoever logs in.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use crate::{CredentialsId, Error, Moment, SharedClock};

/// How often the vendor rejected which credentials. Holds only credentials that may lock an account.
#[derive(Default)]
pub(crate) struct Rejections(HashMap<CredentialsId, Count>);

struct Count {
    times: u32,
    last: Moment,
    error: Error,
}

impl Rejections {
    /// Returns why these credentials must not be sent now, and for how long.
    pub(crate) fn forbid(&self, id: CredentialsId, now: Moment) -> Option<(Error, Duration)> {
        let count = self.0.get(&id)?;
        let wait = forbidden_for(count.times, now.wait_since(count.last))?;
        Some((count.error.clone(), wait))
    }

    /// The vendor rejected the credentials; that counts as so many times.
    pub(crate) fn reject(&mut self, id: CredentialsId, times: u32, error: &Error, now: Moment) {
        let error = error.clone();
        let count = self.0.entry(id).or_insert(Count {
            times: 0,
            last: now,
            error: error.clone(),
        });
        count.times = count.times.saturating_add(times);
        count.last = now;
        count.error = error;
    }

    pub(crate) fn accept(&mut self, id: CredentialsId) {
        self.0.remove(&id);
    }

    /// Forgets all that is known of an account.
    pub(crate) fn clear(&mut self, account: u64) {
        self.0.retain(|id, _| id.account() != account);
    }
}

/// The counts of this process, one set for each clock.
pub(crate) fn of_process<T>(clock: &SharedClock, look: impl FnOnce(&mut Rejections) -> T) -> T {
    static ALL: Mutex<Option<HashMap<usize, Rejections>>> = Mutex::new(None);
    let mut all = ALL.lock().unwrap_or_else(PoisonError::into_inner);
    look(
        all.get_or_insert_default()
            .entry(clock.identity())
            .or_default(),
    )
}

/// Returns for how long credentials must not be sent that were rejected so often, the last time so
/// long ago.
pub(crate) fn forbidden_for(times: u32, since_last: Duration) -> Option<Duration> {
    let wait = PROBE.saturating_sub(since_last);
    (times >= ALLOWED && !wait.is_zero()).then_some(wait)
}

/// How often rejected credentials are sent. Vendors lock accounts after three to ten rejected logins
/// in a row, and a person may have made one of them.
const ALLOWED: u32 = 2;
/// The distance of two attempts with credentials that were rejected more often.
const PROBE: Duration = Duration::from_secs(24 * 3600);
