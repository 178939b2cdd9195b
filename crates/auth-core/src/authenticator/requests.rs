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

#[cfg(test)]
mod tests {
    use std::{thread, time::Duration};

    use super::*;

    fn at(seconds: u64) -> Moment {
        let since = Duration::from_secs(seconds);
        Moment::new(since, since)
    }

    /// Returns number, cause, host and age in seconds.
    fn told(requests: &Requests, now: Moment) -> Option<(u64, &'static str, String, u64)> {
        let lost = requests.unsigned(now)?;
        let (host, ago) = (lost.host.to_string(), lost.ago.as_secs());
        Some((lost.count, lost.cause, host, ago))
    }

    #[test]
    fn g21_each_request_counts_and_the_last_one_is_told() {
        let requests = Requests::default();
        assert_eq!(told(&requests, at(9)), None);
        let hash = hash_of(["other_origin", "a.example"]);
        assert!(
            !requests.note_same_unsigned(hash, at(1)),
            "nothing to be like"
        );
        assert_eq!(told(&requests, at(9)), None);

        requests.note_unsigned("other_origin", "a.example", at(1));
        let told = |now| told(&requests, at(now)).unwrap();
        assert_eq!(told(9), (1, "other_origin", "a.example".to_owned(), 8));
        assert!(requests.note_same_unsigned(hash, at(2)));
        assert_eq!(told(9), (2, "other_origin", "a.example".to_owned(), 7));

        requests.note_unsigned("other_origin", "b.example", at(3));
        assert_eq!(told(9), (3, "other_origin", "b.example".to_owned(), 6));
        assert!(!requests.note_same_unsigned(hash, at(4)), "another host");
        assert_eq!(told(9).0, 3);
        requests.note_unsigned("no_token", "b.example", at(5));
        assert_eq!(told(9), (4, "no_token", "b.example".to_owned(), 4));
        requests.note_unsigned("other_origin", "a.example", at(6));
        assert!(requests.note_same_unsigned(hash, at(7)));
        assert_eq!(told(9), (6, "other_origin", "a.example".to_owned(), 2));
        assert!(requests.not_replayed(at(9)).is_none());
    }

    #[test]
    fn g21_requests_that_are_not_replayed_are_counted_apart() {
        let requests = Requests::default();
        requests.note_not_replayed("body", "a.example", at(1));
        requests.note_not_replayed("body", "b.example", at(2));
        let lost = requests.not_replayed(at(9)).unwrap();
        let (host, ago) = (&*lost.host, lost.ago.as_secs());
        assert_eq!(
            (lost.count, lost.cause, host, ago),
            (2, "body", "b.example", 7)
        );
        assert_eq!(told(&requests, at(9)), None, "none was unsigned");
    }

    #[test]
    fn g21_no_request_is_lost_when_threads_count() {
        const ROUNDS: u64 = 2_000;
        let requests = Requests::default();
        thread::scope(|scope| {
            for host in ["a.example", "a.example", "b.example", "c.example"] {
                let requests = &requests;
                scope.spawn(move || {
                    let hash = hash_of(["other_origin", host]);
                    for _ in 0..ROUNDS {
                        if !requests.note_same_unsigned(hash, at(1)) {
                            requests.note_unsigned("other_origin", host, at(1));
                        }
                    }
                });
            }
        });
        assert_eq!(told(&requests, at(1)).unwrap().0, 4 * ROUNDS);
    }
}
