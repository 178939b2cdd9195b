use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use auth_core::{AccessToken, Error, ErrorKind, Moment, RejectedPart};

use crate::VENDOR;

/// Spaces logins whose second factor failed: each login sends the user a code. The password has a
/// count of its own, in auth-core.
#[derive(Debug, Default)]
pub(crate) struct Pause(Mutex<Option<Failed>>);

#[derive(Debug)]
struct Failed {
    /// Rejected codes in a row.
    codes: u32,
    until: Moment,
    error: Error,
}

impl Pause {
    /// Returns why no login may be sent now.
    pub(crate) fn check(&self, now: Moment) -> Result<(), Error> {
        let failed = self.failed();
        let Some(failed) = failed.as_ref() else {
            return Ok(());
        };
        let wait = now.wait_until(failed.until);
        if wait.is_zero() {
            return Ok(());
        }
        let message = "no login is sent yet, because each one sends the user a code and the second \
                       factor of the last one failed";
        let part = failed.error.rejected_part();
        Err(Error::new(ErrorKind::Rejected, message)
            .with_vendor(VENDOR)
            .with_rejected_part(part.unwrap_or(RejectedPart::SecondFactor))
            .with_retry_after(wait)
            .with_source(failed.error.clone()))
    }

    /// The vendor asked for a code, and there is nobody to ask: only a restart can change that.
    pub(crate) fn no_callback(&self, error: &Error, now: Moment) {
        *self.failed() = Some(Failed {
            codes: 0,
            until: now + DAY,
            error: error.clone(),
        });
    }

    /// Notes what the vendor said to a code.
    pub(crate) fn code_sent(&self, result: &Result<AccessToken, Error>, now: Moment) {
        let mut failed = self.failed();
        match result {
            Ok(_) => *failed = None,
            Err(error) if error.rejected_part() == Some(RejectedPart::SecondFactor) => {
                let codes = failed.as_ref().map_or(0, |failed| failed.codes);
                let codes = codes.saturating_add(1);
                *failed = Some(Failed {
                    codes,
                    until: now + pause_after(codes),
                    error: error.clone(),
                });
            }
            Err(_) => {}
        }
    }

    fn failed(&self) -> MutexGuard<'_, Option<Failed>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// After the first rejected code, the policy's back-off is enough.
fn pause_after(codes: u32) -> Duration {
    match codes.checked_sub(2) {
        None => Duration::ZERO,
        Some(doublings) => {
            let factor = 1_u32.checked_shl(doublings).unwrap_or(u32::MAX);
            FIRST.saturating_mul(factor).min(DAY)
        }
    }
}

const FIRST: Duration = Duration::from_secs(10 * 60);
const DAY: Duration = Duration::from_secs(24 * 3600);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_day() {
        let minutes = [0, 1, 2, 3, 4, 9, 10, 40, u32::MAX].map(|codes| {
            let pause = pause_after(codes);
            pause.as_secs() / 60
        });
        assert_eq!(minutes, [0, 0, 10, 20, 40, 1280, 1440, 1440, 1440]);
    }
}
