//! Requests that were sent without a token, and refused requests that were not replayed, for [`Health`](crate::Health).

use std::sync::{Mutex, PoisonError};

use crate::{Moment, RequestsLost};

/// Requests that were sent unsigned, and refused requests that were not replayed.
#[derive(Debug, Default)]
pub(crate) struct Requests {
    unsigned: Mutex<Option<Box<Lost>>>,
    not_replayed: Mutex<Option<Box<Lost>>>,
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
        note(&self.unsigned, cause, host, now);
    }

    pub(crate) fn note_not_replayed(&self, cause: &'static str, host: &str, now: Moment) {
        note(&self.not_replayed, cause, host, now);
    }

    pub(crate) fn unsigned(&self, now: Moment) -> Option<RequestsLost> {
        tell(&self.unsigned, now)
    }

    pub(crate) fn not_replayed(&self, now: Moment) -> Option<RequestsLost> {
        tell(&self.not_replayed, now)
    }
}

fn note(lost: &Mutex<Option<Box<Lost>>>, cause: &'static str, host: &str, now: Moment) {
    let mut lost = lost.lock().unwrap_or_else(PoisonError::into_inner);
    let last = lost.get_or_insert_with(|| {
        Box::new(Lost {
            count: 0,
            cause,
            host: host.into(),
            at: now,
        })
    });
    last.count = last.count.saturating_add(1);
    last.cause = cause;
    last.at = now;
    // A client that sends many such requests usually sends them to the same host.
    if *last.host != *host {
        last.host = host.into();
    }
}

fn tell(lost: &Mutex<Option<Box<Lost>>>, now: Moment) -> Option<RequestsLost> {
    let lost = lost
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .clone()?;
    Some(RequestsLost {
        count: lost.count,
        cause: lost.cause,
        host: lost.host,
        ago: now.wait_since(lost.at),
    })
}
