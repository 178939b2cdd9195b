//! Requests that were sent without a token, and refused requests that were not replayed, for [`Health`](crate::Health).

use std::sync::{
    Mutex, OnceLock, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use crate::{Moment, RequestsLost, origin::hash_of};

/// Requests that were sent unsigned, and refused requests that were not replayed.
#[derive(Debug, Default)]
pub(crate) struct Requests {
    unsigned: Lost,
    not_replayed: Lost,
}

/// Made with the first request.
#[derive(Debug, Default)]
struct Lost(OnceLock<Box<Counted>>);

/// A client that sends many such requests usually sends them to the same host, which takes no lock.
#[derive(Debug)]
struct Counted {
    count: AtomicU64,
    at_mono: AtomicU64,
    at_wall: AtomicU64,
    /// The hash of cause and host of the last request. Changed under the lock.
    hash: AtomicU64,
    last: Mutex<Last>,
}

#[derive(Debug)]
struct Last {
    cause: &'static str,
    host: Box<str>,
}

impl Requests {
    pub(crate) fn note_unsigned(&self, cause: &'static str, host: &str, now: Moment) {
        self.unsigned.note(cause, host, now);
    }

    /// Counts a request like the last one, whose cause and host have this hash. Returns false, and
    /// counts nothing, if the last request has another hash.
    #[inline]
    pub(crate) fn note_same_unsigned(&self, hash: u64, now: Moment) -> bool {
        let counted = self.unsigned.0.get();
        counted.is_some_and(|counted| counted.note_same(hash, now))
    }

    pub(crate) fn note_not_replayed(&self, cause: &'static str, host: &str, now: Moment) {
        self.not_replayed.note(cause, host, now);
    }

    pub(crate) fn unsigned(&self, now: Moment) -> Option<RequestsLost> {
        self.unsigned.tell(now)
    }

    pub(crate) fn not_replayed(&self, now: Moment) -> Option<RequestsLost> {
        self.not_replayed.tell(now)
    }
}

impl Lost {
    fn note(&self, cause: &'static str, host: &str, now: Moment) {
        let hash = hash_of([cause, host]);
        let counted = self.0.get_or_init(|| {
            let host = host.into();
            let (mono, wall) = now.parts();
            Box::new(Counted {
                count: AtomicU64::new(0),
                at_mono: AtomicU64::new(mono),
                at_wall: AtomicU64::new(wall),
                hash: AtomicU64::new(hash),
                last: Mutex::new(Last { cause, host }),
            })
        });
        if !counted.note_same(hash, now) {
            counted.note_other(hash, cause, host, now);
        }
    }

    fn tell(&self, now: Moment) -> Option<RequestsLost> {
        let counted = self.0.get()?;
        let last = counted.last.lock().unwrap_or_else(PoisonError::into_inner);
        let at = Moment::from_parts(
            counted.at_mono.load(Ordering::Relaxed),
            counted.at_wall.load(Ordering::Relaxed),
        );
        Some(RequestsLost {
            // At least the request that the rest is about, which is counted a moment later.
            count: counted.count.load(Ordering::Relaxed).max(1),
            cause: last.cause,
            host: last.host.clone(),
            ago: now.wait_since(at),
        })
    }
}

impl Counted {
    #[inline]
    fn note_same(&self, hash: u64, now: Moment) -> bool {
        if self.hash.load(Ordering::Relaxed) != hash {
            return false;
        }
        self.count(now);
        true
    }

    fn note_other(&self, hash: u64, cause: &'static str, host: &str, now: Moment) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if *last.host != *host {
            last.host = host.into();
        }
        last.cause = cause;
        self.hash.store(hash, Ordering::Relaxed);
        self.count(now);
    }

    #[inline]
    fn count(&self, now: Moment) {
        let (mono, wall) = now.parts();
        self.at_mono.store(mono, Ordering::Relaxed);
        self.at_wall.store(wall, Ordering::Relaxed);
        self.count.fetch_add(1, Ordering::Relaxed);
    }
}
