//! What one process remembers of a key between two flights.

use std::time::Duration;

use super::{
    account::Account,
    first_seen::FirstSeen,
    orders::Rules,
    prints::{Print, Prints},
    record::{Pause, Record},
};
use crate::{
    EntryVersion, Moment, Quota, RejectedPart,
    limits::quota::{Ledger, Slots},
    machine::backoff::Failure,
    policy::Jitter,
};

/// Facts that outlive a flight, and hold when the store fails, forgets or lies.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(Hash))]
pub(crate) struct Memory {
    /// Tokens that the API refused.
    pub(crate) refused: Prints,
    /// The newest token that was published.
    pub(crate) current: Option<Print>,
    /// First refresh tokens that were replaced or rejected.
    pub(crate) spent: Prints,
    /// The highest version of an entry that could be understood.
    highest: Option<EntryVersion>,
    /// Seldom there, and large.
    unsaved: Option<Box<Unsaved>>,
    obeyed: Obeyed,
    /// Only where a store is used.
    first_seen: Option<Box<FirstSeen>>,
    breaker: Breaker,
    /// The lease was denied for longer than a token request should take, and was not granted since.
    doubts_lease: bool,
    ignores_rejections: bool,
    /// Only with a quota.
    share: Option<Box<Share>>,
}

/// What a process takes of a quota without the store.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(Hash))]
struct Share {
    ledger: Ledger,
    /// Token requests that the shared account does not know yet.
    owed: Vec<Owed>,
}

/// A token request that took a slot of the process's own share.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(Hash))]
struct Owed {
    number: u64,
    frees: Moment,
}

/// What the store should say, but did not take: in place of the entry with this version.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(Hash))]
struct Unsaved {
    replaces: Option<EntryVersion>,
    record: Record,
    since: Moment,
}

/// Back-offs of other processes that were obeyed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(test, derive(Hash))]
struct Obeyed {
    /// Since this process last asked the vendor, or had a token.
    since: Option<Moment>,
    /// The newest pause, by its number and the count of failures, and when that pause ends.
    pause: Option<(u64, u32, Moment)>,
}

impl Obeyed {
    /// Returns for how long a pause is obeyed that has so much left, as the store says. The same
    /// pause ends when it was to end at first: the store's clock may have been set back, and a
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

/// A store that fails is not asked for a while.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(Hash))]
struct Breaker {
    failures: u32,
    until: Moment,
}

impl Memory {
    pub(crate) fn new(quota: Option<Quota>) -> Self {
        Self {
            refused: Prints::default(),
            current: None,
            spent: Prints::default(),
            highest: None,
            unsaved: None,
            obeyed: Obeyed::default(),
            first_seen: None,
            breaker: Breaker {
                failures: 0,
                until: Moment::PAST,
            },
            doubts_lease: false,
            ignores_rejections: false,
            share: quota.map(|quota| {
                Box::new(Share {
                    ledger: Ledger::new(Some(quota.share())),
                    owed: Vec::new(),
                })
            }),
        }
    }

    // --- versions ---

    /// Notes the version of an entry that could be understood.
    pub(crate) fn see(&mut self, version: EntryVersion) {
        let known = self.highest.map_or(0, EntryVersion::epoch);
        if version.epoch() >= known {
            self.highest = Some(version);
        }
    }

    /// An entry that is older than what was there before comes from a store that was rolled back.
    pub(crate) fn is_outdated(&self, version: EntryVersion) -> bool {
        self.highest
            .is_some_and(|highest| version.epoch() < highest.epoch())
    }

    /// The later of the highest known version and this one.
    pub(crate) fn later_than(&self, seen: Option<EntryVersion>) -> Option<EntryVersion> {
        match (self.highest, seen) {
            (Some(known), Some(seen)) if known.epoch() >= seen.epoch() => Some(known),
            (known, seen) => seen.or(known),
        }
    }

    // --- a store whose clock is set back ---

    pub(crate) fn first_seen(&mut self) -> &mut FirstSeen {
        self.first_seen.get_or_insert_default()
    }

    // --- what could not be saved ---

    pub(crate) fn keep_unsaved(
        &mut self,
        replaces: Option<EntryVersion>,
        record: Record,
        since: Moment,
    ) {
        self.unsaved = Some(Box::new(Unsaved {
            replaces,
            record,
            since,
        }));
    }

    /// Returns what the store should say, while the store still has the entry that should have been
    /// replaced. With any other entry, or none, somebody else has been there.
    pub(crate) fn unsaved(&mut self, seen: Option<EntryVersion>, now: Moment) -> Option<Record> {
        let unsaved = self
            .unsaved
            .take()
            .filter(|unsaved| unsaved.replaces == seen)?;
        let record = unsaved.record.clone().aged(now.wait_since(unsaved.since));
        self.unsaved = Some(unsaved);
        Some(record)
    }

    /// The store took a newer record.
    pub(crate) fn forget_unsaved(&mut self) {
        self.unsaved = None;
    }

    /// A refresh token came that the store did not take.
    pub(crate) fn has_unsaved_refresh_token(&self) -> bool {
        let unsaved = self.unsaved.as_ref();
        unsaved.is_some_and(|unsaved| unsaved.record.refresh.is_some())
    }

    // --- back-offs of other processes ---

    /// Returns for how long the back-off that the record holds is obeyed.
    ///
    /// What the vendor said is obeyed, each time that the vendor says so, though not for longer
    /// than the vendor itself would be. What processes met without the vendor's word may be their
    /// own trouble: if only one process has failed, its back-off is obeyed for a few seconds only;
    /// and those that have failed go last.
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
        let left = self.obeyed.left((pause.number, record.failures), left, now);
        if left <= LAST_MOMENT {
            return None;
        }
        if is_from_vendor {
            return Some(left);
        }
        let obeyed = now.wait_since(*self.obeyed.since.get_or_insert(now));
        if obeyed > longest {
            return None;
        }
        let left = left.min(policy.backoff_range().1.saturating_add(YIELD));
        match record.failed_by.iter().count() {
            0 | 1 if pause.owner != rules.owner => {
                let left = left.min(ONE_PROCESS.saturating_sub(obeyed));
                Some(left).filter(|left| !left.is_zero())
            }
            _ => Some(left),
        }
    }

    /// The operator wants rejected credentials to be tried again, whatever other processes say.
    pub(crate) fn forget_rejections(&mut self) {
        self.ignores_rejections = true;
    }

    pub(crate) fn ignores_rejections(&self) -> bool {
        self.ignores_rejections
    }

    /// This process asked the vendor, or has a token.
    pub(crate) fn asked(&mut self) {
        self.obeyed.since = None;
        self.ignores_rejections = false;
    }

    // --- when nobody uses the key ---

    /// Refresh tokens were replaced or rejected, or a new one could not be saved.
    pub(crate) fn keeps_refresh_tokens(&self) -> bool {
        !self.spent.is_empty() || self.unsaved.is_some()
    }

    pub(crate) fn is_at_rest(&self, now: Moment) -> bool {
        let share = self.share.as_ref();
        !self.store_is_left_alone(now) && share.is_none_or(|share| share.ledger.is_empty(now))
    }

    // --- the store's failures ---

    pub(crate) fn store_is_left_alone(&self, now: Moment) -> bool {
        !now.waited_for(self.breaker.until)
    }

    /// The store failed, and has not answered since.
    pub(crate) fn store_is_failing(&self) -> bool {
        self.breaker.failures > 0
    }

    pub(crate) fn store_failed(&mut self, now: Moment, jitter: Jitter) {
        let breaker = &mut self.breaker;
        let pause = FIRST_PAUSE.saturating_mul(1 << breaker.failures.min(2));
        breaker.failures = breaker.failures.saturating_add(1);
        // Apart from each other, so that a store that comes back is not stormed.
        breaker.until = now + pause.saturating_sub(jitter.of(pause / 2));
    }

    pub(crate) fn store_answered(&mut self) {
        self.breaker.failures = 0;
        self.breaker.until = Moment::PAST;
    }

    /// The store answers, and denies the lease for ever.
    pub(crate) fn store_denied(&mut self, now: Moment, jitter: Jitter) {
        self.breaker.until = now + DENIED_PAUSE.saturating_sub(jitter.of(DENIED_PAUSE / 2));
    }

    /// Denied leases are waited for less long from now on, until one is granted.
    pub(crate) fn doubt_lease(&mut self) {
        self.doubts_lease = true;
    }

    pub(crate) fn trust_lease(&mut self) {
        self.doubts_lease = false;
    }

    pub(crate) fn doubts_lease(&self) -> bool {
        self.doubts_lease
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

    /// A token request was made with a slot of the process's own share.
    pub(crate) fn owe(&mut self, number: u64, frees: Moment, now: Moment) {
        if let Some(share) = &mut self.share {
            share.owed.retain(|owed| !now.waited_for(owed.frees));
            share.owed.push(Owed { number, frees });
        }
    }

    /// Writes the token requests down that the account does not know. Tells whether there are any.
    pub(crate) fn pay(&self, account: &mut Account, now: Moment) -> bool {
        let open = || self.owed(now);
        open().for_each(|owed| account.put(owed.number, now.wait_until(owed.frees)));
        open().next().is_some()
    }

    /// The account has taken what was written down.
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

    /// When the store is told what it does not know: which tokens the API refused while the store
    /// failed, and which token requests were made without the account.
    pub(crate) fn settle_at(&self, now: Moment) -> Option<Moment> {
        let left_alone = self.store_is_left_alone(now).then_some(self.breaker.until);
        let owes = self.owes(now).then_some(now + SETTLE);
        left_alone.or(owes)
    }

    /// Tells whether there is anything that the store may not know.
    pub(crate) fn has_to_settle(&self, now: Moment) -> bool {
        !self.refused.is_empty() || self.owes(now)
    }
}

/// Tells whether a failure is told to other processes.
pub(crate) fn is_shared(failure: Failure) -> bool {
    !matches!(
        failure,
        Failure::NotSent
            | Failure::OwnQuota
            | Failure::SameToken
            | Failure::Rejected(RejectedPart::Scope)
    )
}

/// What is left of a back-off that nobody needs to wait for.
const LAST_MOMENT: Duration = Duration::from_millis(20);
/// How much later than the others a process asks the vendor that has failed before: its trouble may
/// be its own.
pub(crate) const YIELD: Duration = Duration::from_secs(2);
/// How long the back-off of a single process is obeyed.
const ONE_PROCESS: Duration = Duration::from_secs(5);
/// How long a store that failed is not asked at first; twice as long each time, up to 4 s.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// How long a store is not asked that denied a lease for as long as two leases last.
const DENIED_PAUSE: Duration = Duration::from_secs(60);
/// How soon the account is told of a token request that the account could not be told at once.
const SETTLE: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests;
