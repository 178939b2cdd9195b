//! When what the store timed ends, as this process saw it first.
//!
//! A store without a clock of its own, such as Redis, reports entries younger than they are after
//! its server's clock was set back. What this process has seen before ends when it was to end then,
//! by the process's own clock.

use std::time::Duration;

use super::{
    account::{Account, Logins},
    prints::Print,
    record::Record,
};
use crate::{EntryVersion, Moment};

#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(test, derive(Hash))]
pub(crate) struct FirstSeen {
    record: Ends<EntryVersion>,
    token: Ends<(Print, u64)>,
    slots: Ends<u64>,
    logins: Ends<(u16, u32)>,
}

impl FirstSeen {
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

    /// Corrects the slots of an account, and keeps in mind those that are new.
    pub(crate) fn account(&mut self, account: &mut Account, now: Moment) {
        self.slots.hold(account.times(), now);
    }

    /// The same for rejected logins, whose times are ages.
    pub(crate) fn logins(&mut self, logins: &mut Logins, now: Moment) {
        let mut left: Vec<_> = logins
            .ages()
            .map(|(id, age)| (id, LONGEST.saturating_sub(*age)))
            .collect();
        self.logins
            .hold(left.iter_mut().map(|(id, left)| (*id, left)), now);
        for ((_, age), (_, left)) in logins.ages().zip(left) {
            *age = (*age).max(LONGEST.saturating_sub(left));
        }
    }
}

/// Ends of what the store showed last.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(Hash))]
struct Ends<T>(Vec<(T, Moment)>);

impl<T> Default for Ends<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

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
}

/// Longer than anything that the store times.
const LONGEST: Duration = Duration::from_secs(400 * 24 * 3600);
/// The most slots that are kept in mind. More token requests in one window are rare.
const MOST: usize = 256;
