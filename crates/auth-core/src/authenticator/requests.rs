//! Requests that were sent without a token, and refused requests that were not replayed, for [`Health`](crate::Health).

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::{Moment, RequestsLost};

/// Requests that were sent unsigned, and refused requests that were not replayed.
#[derive(Debug, Default)]
pub(crate) struct Requests(Mutex<Option<Box<Kinds>>>);

#[derive(Debug, Default)]
struct Kinds {
    unsigned: Option<Lost>,
    not_replayed: Option<Lost>,
}

#[derive(Clone, Debug)]
struct Lost {
    count: u64,
    cause: &'static str,
    host: Box<str>,
    at: Moment,
}

impl Requests {
    pub(crate) fn note_unsigned(&self, cause: &'static str, host: &str, now: Moment) {
        let mut kinds = self.kinds();
        note(&mut kinds.get_or_insert_default().unsigned, cause, host, now);
    }

    pub(crate) fn note_not_replayed(&self, cause: &'static str, host: &str, now: Moment) {
        let mut kinds = self.kinds();
        let kinds = kinds.get_or_insert_default();
        note(&mut kinds.not_replayed, cause, host, now);
    }

    pub(crate) fn unsigned(&self, now: Moment) -> Option<RequestsLost> {
        let lost = self.kinds().as_ref()?.unsigned.clone()?;
        Some(lost.told(now))
    }

    pub(crate) fn not_replayed(&self, now: Moment) -> Option<RequestsLost> {
        let lost = self.kinds().as_ref()?.not_replayed.clone()?;
        Some(lost.told(now))
    }

    fn kinds(&self) -> MutexGuard<'_, Option<Box<Kinds>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lost {
    fn told(self, now: Moment) -> RequestsLost {
        RequestsLost {
            count: self.count,
            cause: self.cause,
            host: self.host,
            ago: now.wait_since(self.at),
        }
    }
}

fn note(lost: &mut Option<Lost>, cause: &'static str, host: &str, now: Moment) {
    let last = lost.get_or_insert_with(|| Lost {
        count: 0,
        cause,
        host: host.into(),
        at: now,
    });
    last.count = last.count.saturating_add(1);
    last.cause = cause;
    last.at = now;
    // A client that sends many such requests usually sends them to the same host.
    if *last.host != *host {
        last.host = host.into();
    }
}
