//! What one process remembers of a key between two flights.

use std::time::Duration;

use super::{
    account::Account,
    first_seen::FirstSeen,
    orders::Rules,
    prints::{Print, Prints},
    record::{Pause, Record},
    seldom::{Seldom, Unchanged},
};
use crate::{
    EntryVersion, Moment, Quota, RejectedPart,
    limits::quota::{Ledger, Slots},
    machine::backoff::Failure,
    policy::Jitter,
};

/// Facts that outlive a flight and hold when the store fails, forgets or lies.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(Hash))]
pub(crate) struct Memory {
    /// Tokens that the API refused.
    pub(crate) refused: Prints,
    /// The newest token that was published.
    pub(crate) current: Option<Print>,
    /// Only where a store is used.
    stored: Seldom<Stored>,
    /// Only with a quota.
    share: Option<Box<Share>>,
}

/// Facts about the store and about what it said.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(Hash))]
struct Stored {
    /// First refresh tokens that were replaced or rejected.
    spent: Prints,
    /// The highest version of an entry that could be understood.
    highest: Option<EntryVersion>,
    /// Boxed because it is rare and large.
    unsaved: Option<Box<Unsaved>>,
    obeyed: Obeyed,
    first_seen: FirstSeen,
    breaker: Breaker,
    /// The lease was denied for longer than a token request takes, and was not granted since.
    doubts_lease: bool,
    ignores_rejections: bool,
}

impl Unchanged for Stored {
    const UNCHANGED: &Self = &Self {
        spent: Prints::NONE,
        highest: None,
        unsaved: None,
        obeyed: Obeyed {
            since: None,
            pause: None,
        },
        first_seen: FirstSeen::NOTHING,
        breaker: Breaker::CLOSED,
        doubts_lease: false,
        ignores_rejections: false,
    };
}

/// This process's share of the quota, for the time when the store fails.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(Hash))]
struct Share {
    ledger: Ledger,
    /// Token requests that the shared account does not contain yet.
    owed: Vec<Owed>,
}

/// A token request that took a slot of the process's share.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(Hash))]
struct Owed {
    number: u64,
    frees: Moment,
}

/// A record that the store did not take, in place of the entry with this version.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(Hash))]
struct Unsaved {
    replaces: Option<EntryVersion>,
    record: Record,
    since: Moment,
}

/// Back-offs of other processes that this process obeyed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(Hash))]
struct Obeyed {
    /// The time since this process last sent a token request or had a token.
    since: Option<Moment>,
    /// The newest pause, identified by its number and the count of failures, and its end.
    pause: Option<(u64, u32, Moment)>,
}

impl Obeyed {
    /// Returns for how long a pause is obeyed that has `left` time left, as the store says. The
    /// same pause ends when it first was to end: the store's clock may have been set back, and a
    /// hostile store may say that the pause has just begun.
    fn left(&mut self, pause: (u64, u32), left: Duration, now: Moment) -> Duration {
        let known = self
            .pause
            .filter(|(number, failures, _)| (*number, *failures) == pause);
        let end = match known {
            Some((_, _, end)) if now.wait_until(end) <= left => end,
            _ => now + left,
        };
        self.pause = Some((pause.0, pause.1, end));
        now.wait_until(end)
    }
}

/// A store that failed is not asked for a while.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(Hash))]
struct Breaker {
    failures: u32,
    until: Moment,
}

impl Breaker {
    const CLOSED: Self = Self {
        failures: 0,
        until: Moment::PAST,
    };
}

impl Memory {
    pub(crate) fn new(quota: Option<Quota>) -> Self {
        Self {
            refused: Prints::default(),
            current: None,
            stored: Seldom::default(),
            share: quota.map(|quota| {
                Box::new(Share {
                    ledger: Ledger::new(Some(quota.share())),
                    owed: Vec::new(),
                })
            }),
        }
    }

    // --- refresh tokens ---

    /// Records that a first refresh token was replaced or rejected.
    pub(crate) fn spend(&mut self, print: Print) {
        self.stored.spent.add(print);
    }

    pub(crate) fn has_spent(&self, print: Print) -> bool {
        self.stored.spent.contains(print)
    }

    // --- versions ---

    /// Records the version of an entry that could be understood.
    pub(crate) fn see(&mut self, version: EntryVersion) {
        let known = self.stored.highest.map_or(0, EntryVersion::epoch);
        if version.epoch() >= known {
            self.stored.highest = Some(version);
        }
    }

    /// Returns whether an entry is older than one before, so that the store was rolled back.
    pub(crate) fn is_outdated(&self, version: EntryVersion) -> bool {
        self.stored
            .highest
            .is_some_and(|highest| version.epoch() < highest.epoch())
    }

    /// Returns the later one of the highest known version and `seen`.
    pub(crate) fn later_than(&self, seen: Option<EntryVersion>) -> Option<EntryVersion> {
        match (self.stored.highest, seen) {
            (Some(known), Some(seen)) if known.epoch() >= seen.epoch() => Some(known),
            (known, seen) => seen.or(known),
        }
    }

    // --- a store whose clock is set back ---

    pub(crate) fn first_seen(&mut self) -> &mut FirstSeen {
        &mut self.stored.first_seen
    }

    // --- what could not be saved ---

    pub(crate) fn keep_unsaved(
        &mut self,
        replaces: Option<EntryVersion>,
        record: Record,
        since: Moment,
    ) {
        self.stored.unsaved = Some(Box::new(Unsaved {
            replaces,
            record,
            since,
        }));
    }

    /// Returns the record that could not be saved, if the store still has the entry that it should
    /// have replaced. With any other entry, or none, another process has written.
    pub(crate) fn unsaved(&mut self, seen: Option<EntryVersion>, now: Moment) -> Option<Record> {
        self.stored.unsaved.as_ref()?;
        let unsaved = self.stored.unsaved.take();
        let unsaved = unsaved.filter(|unsaved| unsaved.replaces == seen)?;
        let record = unsaved.record.clone().aged(now.wait_since(unsaved.since));
        self.stored.unsaved = Some(unsaved);
        Some(record)
    }

    /// Records that the store took a newer record.
    pub(crate) fn forget_unsaved(&mut self) {
        if self.stored.unsaved.is_some() {
            self.stored.unsaved = None;
        }
    }

    /// Returns whether the store did not take a new refresh token.
    pub(crate) fn has_unsaved_refresh_token(&self) -> bool {
        let unsaved = self.stored.unsaved.as_ref();
        unsaved.is_some_and(|unsaved| unsaved.record.refresh.is_some())
    }

    // --- back-offs of other processes ---

    /// Returns for how long the back-off in the record is obeyed.
    ///
    /// A pause that the vendor asked for is obeyed each time, but not longer than the vendor itself
    /// is obeyed. A failure without an answer of the vendor may be the problem of the process that
    /// met it. If only one process has failed, its back-off is obeyed for a few seconds only.
    /// Processes that have failed themselves ask later than the others.
    pub(crate) fn obeys(
        &mut self,
        rules: &Rules,
        record: &Record,
        pause: &Pause,
        now: Moment,
    ) -> Option<Duration> {
        let policy = &rules.policy;
        let longest = policy
            .retry_after(Duration::MAX)
            .max(policy.probe_after(Jitter(u32::MAX)));
        let is_from_vendor = pause.is_from_vendor();
        let me = Print::of_text(&rules.owner);
        let left = if is_from_vendor || record.failed_by.contains(me) {
            pause.left
        } else {
            pause.left.saturating_sub(pause.yields)
        };
        let left = left.min(longest);
        let failures = record.row.map_or(0, |row| row.times);
        let left = self.stored.obeyed.left((pause.number, failures), left, now);
        if left <= LAST_MOMENT {
            return None;
        }
        if is_from_vendor {
            return Some(left);
        }
        let obeyed = now.wait_since(*self.stored.obeyed.since.get_or_insert(now));
        if obeyed > longest {
            return None;
        }
        let left = left.min(policy.backoff_range().1.saturating_add(YIELD));
        match record.failed_by.iter().count() {
            0 | 1 if *pause.owner != *rules.owner => {
                let left = left.min(ONE_PROCESS.saturating_sub(obeyed));
                Some(left).filter(|left| !left.is_zero())
            }
            _ => Some(left),
        }
    }

    /// Forgets rejections, because the operator wants rejected credentials to be tried again.
    /// Rejections that other processes wrote are ignored too.
    pub(crate) fn forget_rejections(&mut self) {
        self.stored.ignores_rejections = true;
    }

    pub(crate) fn ignores_rejections(&self) -> bool {
        self.stored.ignores_rejections
    }

    /// Records that this process sent a token request or has a token.
    pub(crate) fn asked(&mut self) {
        if self.stored.obeyed.since.is_some() || self.stored.ignores_rejections {
            self.stored.obeyed.since = None;
            self.stored.ignores_rejections = false;
        }
    }

    // --- when nobody uses the key ---

    /// Returns whether refresh tokens were replaced or rejected, or a new one could not be saved.
    pub(crate) fn keeps_refresh_tokens(&self) -> bool {
        !self.stored.spent.is_empty() || self.stored.unsaved.is_some()
    }

    pub(crate) fn is_at_rest(&self, now: Moment) -> bool {
        let share = self.share.as_ref();
        !self.store_is_paused(now) && share.is_none_or(|share| share.ledger.is_empty(now))
    }

    // --- the store's failures ---

    pub(crate) fn store_is_paused(&self, now: Moment) -> bool {
        !now.waited_for(self.stored.breaker.until)
    }

    /// Returns whether the store failed and has not answered since.
    pub(crate) fn store_is_failing(&self) -> bool {
        self.stored.breaker.failures > 0
    }

    pub(crate) fn store_failed(&mut self, now: Moment, jitter: Jitter) {
        let breaker = &mut self.stored.breaker;
        let pause = FIRST_PAUSE.saturating_mul(1 << breaker.failures.min(2));
        breaker.failures = breaker.failures.saturating_add(1);
        // Spread by jitter, so that not all processes ask a recovering store at once.
        breaker.until = now + pause.saturating_sub(jitter.of(pause / 2));
    }

    pub(crate) fn store_answered(&mut self) {
        self.stored.breaker = Breaker::CLOSED;
    }

    /// Records that the store answers and denies the lease without end.
    pub(crate) fn store_denied(&mut self, now: Moment, jitter: Jitter) {
        self.stored.breaker.until = now + DENIED_PAUSE.saturating_sub(jitter.of(DENIED_PAUSE / 2));
    }

    /// Makes later waits for a denied lease shorter, until a lease is granted.
    pub(crate) fn doubt_lease(&mut self) {
        self.stored.doubts_lease = true;
    }

    pub(crate) fn trust_lease(&mut self) {
        if self.stored.doubts_lease {
            self.stored.doubts_lease = false;
        }
    }

    pub(crate) fn doubts_lease(&self) -> bool {
        self.stored.doubts_lease
    }

    // --- the share of the quota for the time when the store fails ---

    /// Takes a slot of the share, or says how long until one frees.
    pub(crate) fn take_share(&mut self, now: Moment) -> Result<(), Duration> {
        // The share is too small to keep a part of it back.
        let share = self.share.as_mut();
        share.map_or(Ok(()), |share| share.ledger.take(Slots::All, now))
    }

    /// The token request ended that took a slot of the share.
    pub(crate) fn close_share(&mut self, now: Moment, lifetime: Option<Duration>) {
        if let Some(share) = &mut self.share {
            share.ledger.close(now, lifetime);
        }
    }

    /// No token request was made with the slot.
    pub(crate) fn cancel_share(&mut self) {
        if let Some(share) = &mut self.share {
            share.ledger.cancel();
        }
    }

    // --- what the store has to be told ---

    /// Records a token request that took a slot of the process's share.
    pub(crate) fn owe(&mut self, number: u64, frees: Moment, now: Moment) {
        if let Some(share) = &mut self.share {
            share.owed.retain(|owed| !now.waited_for(owed.frees));
            share.owed.push(Owed { number, frees });
        }
    }

    /// Adds the token requests to the account that it does not contain. Returns whether there are
    /// any.
    pub(crate) fn pay(&self, account: &mut Account, now: Moment) -> bool {
        let open = || self.owed(now);
        open().for_each(|owed| account.put(owed.number, now.wait_until(owed.frees)));
        open().next().is_some()
    }

    /// Records that the account was written.
    pub(crate) fn paid(&mut self) {
        if let Some(share) = &mut self.share {
            share.owed.clear();
        }
    }

    pub(crate) fn owes(&self, now: Moment) -> bool {
        self.owed(now).next().is_some()
    }

    fn owed(&self, now: Moment) -> impl Iterator<Item = &Owed> {
        let owed = self.share.iter().flat_map(|share| &share.owed);
        owed.filter(move |owed| !now.waited_for(owed.frees))
    }

    /// Returns when missing facts are written into the store: the tokens that the API refused while
    /// the store failed, and the token requests that were sent without the account.
    pub(crate) fn settle_at(&self, now: Moment) -> Option<Moment> {
        let paused = self
            .store_is_paused(now)
            .then_some(self.stored.breaker.until);
        let owes = self.owes(now).then_some(now + SETTLE);
        paused.or(owes)
    }

    /// Returns whether the store may lack any fact.
    pub(crate) fn has_to_settle(&self, now: Moment) -> bool {
        !self.refused.is_empty() || self.owes(now)
    }
}

/// Returns whether other processes are told of a failure.
pub(crate) fn is_shared(failure: Failure) -> bool {
    !matches!(
        failure,
        Failure::NotSent
            | Failure::OwnQuota
            | Failure::SameToken
            | Failure::Rejected(RejectedPart::Scope)
    )
}

/// A shorter rest of a back-off is not waited for.
const LAST_MOMENT: Duration = Duration::from_millis(20);
/// How much later than the others a process sends a token request after its own failure, because the
/// problem may concern this process only.
pub(crate) const YIELD: Duration = Duration::from_secs(2);
/// How long the back-off of a single process is obeyed.
const ONE_PROCESS: Duration = Duration::from_secs(5);
/// How long a store is not asked after its first failure. Each further failure doubles the time, up
/// to 4 s.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// How long a store is not asked after it denied a lease for as long as two leases last.
const DENIED_PAUSE: Duration = Duration::from_secs(60);
/// The time until a token request is written into an account that could not be written at once.
const SETTLE: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests;
