//! Rejected logins, counted for the whole process: an account is one account, whoever logs in.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use crate::{CredentialsId, Error, ErrorKind, Moment, RejectedPart, SharedClock};

/// What the vendor rejects: each part has a count and pauses of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Counted {
    /// The password, or another secret.
    Credentials,
    /// The code that the vendor asked for after it had accepted the password.
    SecondFactor,
}

impl Counted {
    const ALL: [Self; 2] = [Self::Credentials, Self::SecondFactor];

    /// Returns what a failed token request counts against. A second factor that could not be had
    /// says nothing about the account: only the vendor's verdict counts.
    pub(crate) fn of(error: &Error) -> Option<Self> {
        match error.rejected_part() {
            Some(RejectedPart::Credentials) => Some(Self::Credentials),
            Some(RejectedPart::SecondFactor) if error.kind() == ErrorKind::Rejected => {
                Some(Self::SecondFactor)
            }
            _ => None,
        }
    }

    /// Returns the 16 bits by which stores know the count.
    pub(crate) fn mark(self, id: CredentialsId) -> u16 {
        match self {
            Self::Credentials => id.mark(),
            Self::SecondFactor => id.mark() ^ SECOND_FACTOR,
        }
    }

    /// Returns for how long no login is sent after `times` rejections in a row; the last one was
    /// `since_last` ago. The first two have no pause.
    pub(crate) fn forbidden_for(self, times: u32, since_last: Duration) -> Option<Duration> {
        let more = times.checked_sub(ALLOWED)?;
        let pause = match self {
            Self::Credentials => DAY,
            // Each login has another code, so the next one may be right.
            Self::SecondFactor => {
                let factor = 1_u32.checked_shl(more).unwrap_or(u32::MAX);
                FIRST_CODE_PAUSE.saturating_mul(factor).min(DAY)
            }
        };
        let wait = pause.saturating_sub(since_last);
        (!wait.is_zero()).then_some(wait)
    }

    /// Returns the count that keeps these credentials back for longest, and for how long.
    pub(crate) fn longest(wait: impl Fn(Self) -> Option<Duration>) -> Option<(Self, Duration)> {
        let waits = Self::ALL.map(|counted| Some((counted, wait(counted)?)));
        waits.into_iter().flatten().max_by_key(|(_, wait)| *wait)
    }
}

/// Why no login may be sent now.
#[derive(Clone, Debug)]
#[cfg_attr(test, derive(Hash))]
pub(crate) struct Forbidden {
    pub(crate) counted: Counted,
    pub(crate) cause: Option<Error>,
    pub(crate) wait: Duration,
}

/// How often the vendor rejected which part of which logins. Holds only accounts that the vendor
/// may lock.
#[derive(Default)]
pub(crate) struct Rejections(HashMap<(CredentialsId, Counted), Count>);

struct Count {
    times: u32,
    last: Moment,
    error: Error,
}

impl Rejections {
    /// Returns why no login with these credentials may be sent now.
    pub(crate) fn forbid(&self, id: CredentialsId, now: Moment) -> Option<Forbidden> {
        let (counted, wait) = Counted::longest(|counted| {
            let count = self.0.get(&(id, counted))?;
            counted.forbidden_for(count.times, now.wait_since(count.last))
        })?;
        let count = self.0.get(&(id, counted));
        Some(Forbidden {
            counted,
            cause: count.map(|count| count.error.clone()),
            wait,
        })
    }

    /// The vendor rejected a login. `times` says as how many rejected logins this one counts.
    pub(crate) fn reject(
        &mut self,
        id: CredentialsId,
        counted: Counted,
        times: u32,
        error: &Error,
        now: Moment,
    ) {
        let error = error.clone();
        let count = self.0.entry((id, counted)).or_insert(Count {
            times: 0,
            last: now,
            error: error.clone(),
        });
        count.times = count.times.saturating_add(times);
        count.last = now;
        count.error = error;
    }

    pub(crate) fn accept(&mut self, id: CredentialsId) {
        for counted in Counted::ALL {
            self.0.remove(&(id, counted));
        }
    }

    /// Forgets all that is known of an account.
    pub(crate) fn clear(&mut self, account: u64) {
        self.0.retain(|(id, _), _| id.account() != account);
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

/// How many rejected logins have no pause. Vendors lock accounts after three to ten rejected logins
/// in a row, and a person may have made one of them.
const ALLOWED: u32 = 2;
/// The distance of two attempts with credentials that were rejected more often, and the longest
/// pause of a second factor.
const DAY: Duration = Duration::from_secs(24 * 3600);
/// The pause after two rejected codes; twice as long after each further one.
const FIRST_CODE_PAUSE: Duration = Duration::from_secs(10 * 60);
/// Tells the marks of the two counts apart.
const SECOND_FACTOR: u16 = 0x2f2f;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_after_rejected_codes_double_up_to_a_day() {
        let minutes = [0, 1, 2, 3, 4, 9, 10, 40, u32::MAX].map(|times| {
            let pause = Counted::SecondFactor.forbidden_for(times, Duration::ZERO);
            pause.unwrap_or_default().as_secs() / 60
        });
        assert_eq!(minutes, [0, 0, 10, 20, 40, 1280, 1440, 1440, 1440]);
    }

    #[test]
    fn only_the_vendors_verdict_counts() {
        let rejected = |kind, part| {
            let error = Error::new(kind, "fake").with_outcome(crate::TokenRequestOutcome::Rejected);
            Counted::of(&error.with_rejected_part(part))
        };
        for (kind, part, counted) in [
            (
                ErrorKind::Rejected,
                RejectedPart::Credentials,
                Some(Counted::Credentials),
            ),
            (
                ErrorKind::Protocol,
                RejectedPart::Credentials,
                Some(Counted::Credentials),
            ),
            (
                ErrorKind::Rejected,
                RejectedPart::SecondFactor,
                Some(Counted::SecondFactor),
            ),
            // The callback had no code.
            (ErrorKind::Config, RejectedPart::SecondFactor, None),
            (ErrorKind::Rejected, RejectedPart::RefreshToken, None),
            (ErrorKind::Rejected, RejectedPart::Request, None),
        ] {
            assert_eq!(rejected(kind, part), counted, "{kind:?} {part:?}");
        }
    }
}
