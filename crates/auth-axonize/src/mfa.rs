use std::{
    fmt,
    future::{Future, poll_fn},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    task::Poll,
    time::Duration,
};

use auth_core::{Error, RejectedPart, Secret, TokenRequestOutcome};
use tokio::time;

use crate::VENDOR;

/// A binding code is required: the vendor has just sent it to the user.
#[derive(Clone, Debug)]
pub struct MfaChallenge {
    pub(crate) authenticator: String,
    pub(crate) resends: u8,
}

impl MfaChallenge {
    /// Returns how the code was sent, in the vendor's words, for example SMS or e-mail. Cut to 64
    /// bytes, without control characters.
    #[must_use]
    pub fn authenticator(&self) -> &str {
        &self.authenticator
    }

    /// Returns how often the code was sent again in this login.
    #[must_use]
    pub fn resends(&self) -> u8 {
        self.resends
    }
}

/// The callback's answer to a challenge.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum MfaAnswer {
    /// The binding code.
    Code(Secret),
    /// No code has arrived: request another, at most three times in a login.
    Resend,
}

/// The user's callback. Its panics and its delays do not reach other code.
pub(crate) struct Callback(Box<dyn Fn(MfaChallenge) -> BoxAnswer + Send + Sync>);

type BoxAnswer = Pin<Box<dyn Future<Output = Result<MfaAnswer, Error>> + Send>>;

impl Callback {
    pub(crate) fn new<F, R>(callback: F) -> Self
    where
        F: Fn(MfaChallenge) -> R + Send + Sync + 'static,
        R: Future<Output = Result<MfaAnswer, Error>> + Send + 'static,
    {
        Self(Box::new(move |challenge| Box::pin(callback(challenge))))
    }

    /// Calls the callback, and subtracts the time that it took from `left`.
    pub(crate) async fn ask(
        &self,
        challenge: MfaChallenge,
        left: &mut Duration,
    ) -> Result<MfaAnswer, Error> {
        let begun = time::Instant::now();
        let answer = time::timeout(*left, self.guarded(challenge)).await;
        *left = left.saturating_sub(begun.elapsed());
        match answer {
            Ok(Some(Ok(answer))) => Ok(answer),
            Ok(Some(Err(error))) => {
                Err(failed("the callback returned an error").with_source(error))
            }
            Ok(None) => Err(failed("the callback panicked")),
            Err(_) => Err(failed(
                "the callback did not return a code within `mfa_deadline`",
            )),
        }
    }

    /// `None` if the callback panicked.
    async fn guarded(&self, challenge: MfaChallenge) -> Option<Result<MfaAnswer, Error>> {
        let made = catch_unwind(AssertUnwindSafe(|| (self.0)(challenge)));
        let mut answer = made.ok()?;
        poll_fn(|cx| {
            let polled = catch_unwind(AssertUnwindSafe(|| answer.as_mut().poll(cx)));
            polled.map_or(Poll::Ready(None), |poll| poll.map(Some))
        })
        .await
    }
}

impl fmt::Debug for Callback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Callback")
    }
}

fn failed(problem: &str) -> Error {
    no_code(format_args!(
        "{VENDOR} requires a binding code, and {problem}"
    ))
}

/// Reports that no code can be sent. Each further login would send the user another code, so the
/// next login is sent after the back-off of a rejected second factor. The vendor rejected nothing,
/// so nothing is counted against the account.
pub(crate) fn no_code(problem: impl fmt::Display) -> Error {
    Error::config("mfa", problem)
        .with_outcome(TokenRequestOutcome::Rejected)
        .with_rejected_part(RejectedPart::SecondFactor)
}
