//! When what the store timed ends, as this process saw it first.
//!
//! A store without a steady clock, such as Redis, reports entries younger than they are after
//! its server's clock was set back. What this process has seen before ends when it was to end then,
//! by the process's own clock.

use std::time::Duration;

use super::{
    account::{Account, Logins},
    prints::Print,
    record::{REFRESH_LIVES, Record},
};
use crate::{EntryVersion, Moment};

#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(Hash))]
pub(crate) struct FirstSeen {
    record: Ends<EntryVersion>,
    token: Ends<(Print, u64)>,
    slots: Ends<u64>,
    logins: Ends<(u16, u32)>,
}

impl FirstSeen {
    pub(crate) const NOTHING: Self = Self {
        record: Ends(Vec::new()),
        token: Ends(Vec::new()),
        slots: Ends(Vec::new()),
        logins: Ends(Vec::new()),
    };

    /// Corrects a record that the store reports to be of this age, and that has been made that much
    /// older already.
    pub(crate) fn record(
        &mut self,
        version: EntryVersion,
        record: Record,
        age: Duration,
        now: Moment,
    ) -> Record {
        let Some(mut left) = LONGEST.checked_sub(age) else {
            return record;
        };
        self.record.hold([(version, &mut left)].into_iter(), now);
        let older = LONGEST.saturating_sub(age).saturating_sub(left);
        let mut record = record.aged(older);
        let token = record.token.as_mut();
        let token = token.map(|kept| ((Print::of(&kept.secret), kept.number), &mut kept.left));
        self.token.hold(token.into_iter(), now);
        // Drops what is over.
        record.aged(Duration::ZERO)
    }

    /// Keeps in mind a record that is about to be written.
    pub(crate) fn note_record(&mut self, version: EntryVersion, record: &Record, now: Moment) {
        self.record.note([(version, LONGEST)].into_iter(), now);
        let token = record.token.as_ref();
        let token = token.map(|kept| ((Print::of(&kept.secret), kept.number), kept.left));
        self.token.note(token.into_iter(), now);
    }

    /// Corrects the slots of an account that was loaded.
    pub(crate) fn account(&mut self, account: &mut Account, now: Moment) {
        self.slots.hold(account.times(), now);
    }

    pub(crate) fn note_account(&mut self, account: &mut Account, now: Moment) {
        let times = account
            .times()
            .map(|(number, frees_in)| (number, *frees_in));
        self.slots.note(times, now);
    }

    /// Corrects rejected logins, whose times are ages.
    pub(crate) fn logins(&mut self, logins: &mut Logins, now: Moment) {
        let mut left = left_of(logins);
        let times = left.iter_mut().map(|(id, left)| (*id, left));
        self.logins.hold(times, now);
        for ((_, age), (_, left)) in logins.ages().zip(left) {
            *age = (*age).max(LONGEST.saturating_sub(left));
        }
    }

    pub(crate) fn note_logins(&mut self, logins: &mut Logins, now: Moment) {
        self.logins.note(left_of(logins).into_iter(), now);
    }
}

fn left_of(logins: &mut Logins) -> Vec<((u16, u32), Duration)> {
    let ages = logins.ages();
    ages.map(|(id, age)| (id, LONGEST.saturating_sub(*age)))
        .collect()
}

/// Ends of what the store showed last, and of what was to be written since.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(Hash))]
struct Ends<T>(Vec<(T, Moment)>);

impl<T: Copy + Eq> Ends<T> {
    /// Shortens times that were shorter when they were seen first. Forgets what is not among them.
    fn hold<'a>(&mut self, times: impl Iterator<Item = (T, &'a mut Duration)>, now: Moment) {
        let known = std::mem::take(&mut self.0);
        for (id, left) in times.take(MOST) {
            let end = now + *left;
            let known = known.iter().find(|(known, _)| *known == id);
            let end = known.map_or(end, |(_, known)| known.earlier(end));
            *left = now.wait_until(end).min(*left);
            self.0.push((id, end));
        }
    }

    /// Adds what the store may show next, and forgets nothing: the write may be lost.
    fn note(&mut self, times: impl Iterator<Item = (T, Duration)>, now: Moment) {
        for (id, left) in times {
            let is_known = self.0.iter().any(|(known, _)| *known == id);
            if !is_known && self.0.len() < MOST {
                self.0.push((id, now + left));
            }
        }
    }
}

/// Nothing that the store times lasts longer.
const LONGEST: Duration = REFRESH_LIVES;
/// The most slots that are kept in mind. More token requests in one window are rare.
const MOST: usize = 256;

#[cfg(test)]
mod tests;
