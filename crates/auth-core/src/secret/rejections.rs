//! Rejected logins, counted for the whole process, because all authenticators use the same
//! accounts.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use crate::{CredentialsId, Error, ErrorKind, Moment, RejectedPart, SharedClock};

/// The part of a login that the vendor rejects. Each part has a separate count and separate pauses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Counted {
    /// The password or another secret.
    Credentials,
    /// The code that the vendor asks for after it has accepted the password.
    SecondFactor,
}

impl Counted {
    const ALL: [Self; 2] = [Self::Credentials, Self::SecondFactor];

    /// Returns the part that a failed token request counts against. A second factor that could not
    /// be read was not sent, so only a rejection by the vendor counts.
    pub(crate) fn of(error: &Error) -> Option<Self> {
        match error.rejected_part() {
            Some(RejectedPart::Credentials) => Some(Self::Credentials),
            Some(RejectedPart::SecondFactor) if error.kind() == ErrorKind::Rejected => {
                Some(Self::SecondFactor)
            }
            _ => None,
        }
    }

    /// Returns the 16 bits by which stores identify the count.
    pub(crate) fn mark(self, id: CredentialsId) -> u16 {
        match self {
            Self::Credentials => id.mark(),
            Self::SecondFactor => id.mark() ^ SECOND_FACTOR,
        }
    }

    /// Returns how long no login is sent after `times` rejections in a row, the last of them
    /// `since_last` ago. The first two rejections cause no pause.
    pub(crate) fn forbidden_for(self, times: u32, since_last: Duration) -> Option<Duration> {
        let more = times.checked_sub(ALLOWED)?;
        let pause = match self {
            Self::Credentials => DAY,
            // Each login has a new code, so the next code may be right.
            Self::SecondFactor => {
                let factor = 1_u32.checked_shl(more).unwrap_or(u32::MAX);
                FIRST_CODE_PAUSE.saturating_mul(factor).min(DAY)
            }
        };
        let wait = pause.saturating_sub(since_last);
        (!wait.is_zero()).then_some(wait)
    }

    /// Returns the count with the longest pause, and the pause.
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

/// The number of rejected logins for each part and identity. Holds only accounts that the vendor
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

    /// Counts a rejected login as `times` rejections.
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

    /// Forgets all rejections of an account.
    pub(crate) fn clear(&mut self, account: u64) {
        self.0.retain(|(id, _), _| id.account() != account);
    }
}

/// The counts of this process. There is one set for each clock.
pub(crate) fn of_process<T>(clock: &SharedClock, look: impl FnOnce(&mut Rejections) -> T) -> T {
    static ALL: Mutex<Option<HashMap<usize, Rejections>>> = Mutex::new(None);
    let mut all = ALL.lock().unwrap_or_else(PoisonError::into_inner);
    look(
        all.get_or_insert_default()
            .entry(clock.identity())
            .or_default(),
    )
}

/// The number of rejected logins without a pause. Vendors lock accounts after three to ten rejected
/// logins in a row, and a person may have caused one of these.
const ALLOWED: u32 = 2;
/// The time between two logins with credentials that were rejected more often, and the longest
/// pause of a second factor.
const DAY: Duration = Duration::from_secs(24 * 3600);
/// The pause after two rejected codes. Each further rejection doubles it.
const FIRST_CODE_PAUSE: Duration = Duration::from_secs(10 * 60);
/// Makes the marks of the two counts differ.
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
    fn only_a_rejection_by_the_vendor_counts() {
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
            // The callback for the code failed; nothing was sent.
            (ErrorKind::Config, RejectedPart::SecondFactor, None),
            (ErrorKind::Rejected, RejectedPart::RefreshToken, None),
            (ErrorKind::Rejected, RejectedPart::Request, None),
        ] {
            assert_eq!(rejected(kind, part), counted, "{kind:?} {part:?}");
        }
    }
}
