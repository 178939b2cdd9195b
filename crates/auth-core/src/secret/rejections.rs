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
    /// `since_last` ago. The first rejection causes no pause.
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
    use crate::Credentials;

    const START: Duration = Duration::from_secs(1_000);
    const HOUR: Duration = Duration::from_secs(3_600);
    const MINUTE: Duration = Duration::from_secs(60);

    fn account(name: &str, password: &'static str) -> CredentialsId {
        let credentials = Credentials::lockable(&[name], [password.into()]);
        credentials.id().unwrap()
    }

    /// A time after the start of the test.
    fn after(time: Duration) -> Moment {
        Moment::new(START, START) + time
    }

    fn rejected(text: &str) -> Error {
        Error::new(ErrorKind::Rejected, text.to_owned())
    }

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

    #[test]
    fn a_third_login_waits_a_day_after_the_second_rejection() {
        let mut rejections = Rejections::default();
        let (own, other) = (account("a", "fake-secret-1"), account("b", "fake-secret-1"));
        let changed = account("a", "fake-secret-2");
        let password = Counted::Credentials;
        rejections.reject(own, password, 1, &rejected("first"), after(Duration::ZERO));
        assert!(rejections.forbid(own, after(Duration::ZERO)).is_none());
        rejections.reject(own, password, 1, &rejected("second"), after(HOUR));
        let forbidden = rejections.forbid(own, after(2 * HOUR)).unwrap();
        assert_eq!(forbidden.counted, password);
        assert_eq!(forbidden.wait, 23 * HOUR, "counted from the last rejection");
        let cause = forbidden.cause.unwrap().to_string();
        assert!(cause.contains("second"), "{cause}");
        for free in [other, changed] {
            assert!(rejections.forbid(free, after(2 * HOUR)).is_none());
        }
        assert!(rejections.forbid(own, after(25 * HOUR)).is_none());
        // Without a store, other processes may send the same login: one rejection counts as two.
        rejections.reject(other, password, 2, &rejected("both"), after(HOUR));
        assert!(rejections.forbid(other, after(HOUR)).is_some());
    }

    #[test]
    fn the_longer_of_the_two_pauses_is_waited_for() {
        let mut rejections = Rejections::default();
        let own = account("a", "fake-secret-1");
        let code = rejected("code");
        rejections.reject(own, Counted::SecondFactor, 2, &code, after(Duration::ZERO));
        let forbidden = rejections.forbid(own, after(MINUTE)).unwrap();
        let shown = (forbidden.counted, forbidden.wait);
        assert_eq!(shown, (Counted::SecondFactor, 9 * MINUTE));
        let password = rejected("password");
        rejections.reject(own, Counted::Credentials, 2, &password, after(MINUTE));
        let forbidden = rejections.forbid(own, after(MINUTE)).unwrap();
        let shown = (forbidden.counted, forbidden.wait);
        assert_eq!(shown, (Counted::Credentials, 24 * HOUR));
    }

    #[test]
    fn an_accepted_login_ends_both_pauses_of_these_credentials() {
        let mut rejections = Rejections::default();
        let (own, other) = (account("a", "fake-secret-1"), account("a", "fake-secret-2"));
        let start = after(Duration::ZERO);
        for id in [own, other] {
            for counted in Counted::ALL {
                rejections.reject(id, counted, 2, &rejected("fake"), start);
            }
        }
        rejections.accept(own);
        assert!(rejections.forbid(own, start).is_none());
        assert!(rejections.forbid(other, start).is_some());
        // The next rejection is the first of a new count.
        rejections.reject(own, Counted::Credentials, 1, &rejected("fake"), start);
        assert!(rejections.forbid(own, start).is_none());
    }

    #[test]
    fn an_operator_clears_all_credentials_of_one_account() {
        let mut rejections = Rejections::default();
        let (old, new) = (account("a", "fake-secret-1"), account("a", "fake-secret-2"));
        let other = account("b", "fake-secret-1");
        let start = after(Duration::ZERO);
        for id in [old, new, other] {
            rejections.reject(id, Counted::Credentials, 2, &rejected("fake"), start);
        }
        rejections.clear(old.account());
        let forbidden = [old, new, other].map(|id| rejections.forbid(id, start).is_some());
        assert_eq!(forbidden, [false, false, true]);
    }

    #[test]
    fn the_marks_of_the_two_counts_are_the_same_in_every_release() {
        // Other processes may run another release, and stores hold the marks.
        let account = ["https://example.com/token", "client"];
        let credentials = Credentials::new(&account, ["fake-secret-1".into()]);
        let id = credentials.id().unwrap();
        let marks = Counted::ALL.map(|counted| counted.mark(id));
        assert_eq!(marks, [0xa1ca, 0x8ee5]);
    }
}
