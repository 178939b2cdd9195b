//! Tokens without requests: kept valid, watched, renewed by hand.

use std::{fmt, sync::Arc, time::Duration};

use tokio::{runtime::Handle, task::AbortHandle, time};

use crate::{
    Authenticator, Error, ErrorKind, Generation, Token,
    authenticator::{
        acquire::{Acquire, Wish},
        asking::Answer,
        shared_state::SharedState,
    },
};

impl Authenticator {
    /// Renews the token now and waits for the new token. For an operator.
    ///
    /// Joins a token request that is in progress. Back-off, refusal back-off and quota apply as for
    /// every token request; the quota's reserve is not used.
    ///
    /// # Errors
    ///
    /// As [`token`](Self::token). If no token request may start now, returns the last failure or
    /// [`Quota`](crate::ErrorKind::Quota) at once; [`Error::retry_after`] says when one may start.
    /// The cached token stays.
    ///
    /// # Cancel safety
    ///
    /// As [`token`](Self::token).
    pub async fn refresh_now(&self) -> Result<Token, Error> {
        let shared = Arc::clone(&self.shared);
        match shared.renew() {
            Answer::Token(token) | Answer::SendAgain(token, _) => Ok(token),
            Answer::Wait(flight) => Acquire::joined(shared, flight, Wish::Longer).await,
            Answer::RefusalBackOff => Err(shared.closed()),
            Answer::Error(error) => Err(error),
        }
    }

    /// Drops the cached token, for an operator who knows that the token was revoked or leaked. This
    /// process neither sends the token again nor takes it from the store. The next request waits
    /// for a new token, as soon as back-off and quota allow one. A credential that does not expire
    /// is read from its source again.
    ///
    /// Starts nothing. Does not revoke the token at the vendor.
    pub fn invalidate(&self) {
        self.shared.invalidate();
    }

    /// Keeps the token valid without requests until the handle is dropped. Renews ahead of expiry;
    /// after a failure, renews as soon as back-off and quota allow.
    ///
    /// Sends token requests also while no request uses the token. Use it only where the first
    /// request after a pause must not wait.
    ///
    /// # Panics
    ///
    /// If called outside a tokio runtime.
    #[must_use = "dropping the handle ends the renewals"]
    pub fn keep_warm(&self) -> KeepWarm {
        let mut watch = self.watch();
        let task = Handle::current().spawn(async move {
            loop {
                // The failure is logged already, and the next round waits for the back-off.
                let _ = watch.next().await;
            }
        });
        KeepWarm(task.abort_handle())
    }

    /// Follows the token, for connections that live longer than a token, for example to a database
    /// or a message broker. The token is renewed ahead of its expiry while a caller waits in
    /// [`TokenWatch::next`].
    ///
    /// # Example
    ///
    /// ```
    /// # use auth_core::{Authenticator, Error};
    /// async fn stay_logged_in(authenticator: Authenticator) -> Result<(), Error> {
    ///     let mut tokens = authenticator.watch();
    ///     loop {
    ///         let token = tokens.next().await?;
    ///         // Log the connection in with this token.
    ///         # drop(token);
    ///     }
    /// }
    /// ```
    #[must_use]
    pub fn watch(&self) -> TokenWatch {
        TokenWatch {
            shared: Arc::clone(&self.shared),
            last: None,
            failed: false,
        }
    }

    /// Waits until no token request is in progress and all writes into the store are done, for
    /// `at_most` at the longest. Call it at the end of a process, so that a rotated refresh token is
    /// not lost.
    ///
    /// Starts and stops nothing: a later request may start a token request again.
    ///
    /// # Errors
    ///
    /// - [`TimedOut`](ErrorKind::TimedOut): work is still in progress after `at_most`.
    /// - [`Store`](ErrorKind::Store): the token store did not take the newest refresh token, which
    ///   this process alone has. Keep the process, or expect that a person has to log in again. The
    ///   cause was told to the observer as [`StoreFailed`](crate::EventKind::StoreFailed).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future ends only the waiting.
    pub async fn shutdown(&self, at_most: Duration) -> Result<(), Error> {
        let shared = &self.shared;
        let done = async {
            loop {
                let changed = shared.changed().notified();
                let mut changed = std::pin::pin!(changed);
                // Register before the check below, so that no notification is missed.
                changed.as_mut().enable();
                if !shared.is_at_work() {
                    return;
                }
                changed.await;
            }
        };
        if time::timeout(at_most, done).await.is_err() {
            let message = format!(
                "a token request or a write into the token store is still in progress after {} s",
                at_most.as_secs_f64()
            );
            return Err(Error::new(ErrorKind::TimedOut, message).named(shared.vendor()));
        }
        if shared.has_unsaved_refresh_token() {
            let message = "the token store did not take the newest refresh token, which is lost \
                           with this process";
            return Err(Error::new(ErrorKind::Store, message).named(shared.vendor()));
        }
        Ok(())
    }
}

/// Keeps a token valid until it is dropped. Made by [`Authenticator::keep_warm`].
#[must_use = "dropping the handle ends the renewals"]
pub struct KeepWarm(AbortHandle);

impl Drop for KeepWarm {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl fmt::Debug for KeepWarm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeepWarm").finish_non_exhaustive()
    }
}

/// Follows the token of an authenticator. Made by [`Authenticator::watch`].
///
/// No task runs for it. Dropping it stops nothing else.
pub struct TokenWatch {
    shared: Arc<SharedState>,
    /// The token that was returned last.
    last: Option<Generation>,
    /// Whether the last call returned an error.
    failed: bool,
}

impl TokenWatch {
    /// Waits for a token other than the one that was returned last. The first call returns the
    /// cached token if it is valid.
    ///
    /// # Errors
    ///
    /// As [`Authenticator::token`], if no valid token is left. The next call waits until a token
    /// request may start again.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: no token is skipped.
    pub async fn next(&mut self) -> Result<Token, Error> {
        if std::mem::take(&mut self.failed) {
            let wait = self.shared.rests_for();
            self.rest(wait.max(SHORTEST_REST)).await;
        }
        loop {
            let shared = &self.shared;
            let changed = shared.changed().notified();
            let mut changed = std::pin::pin!(changed);
            // Register before the check below, so that no notification is missed.
            changed.as_mut().enable();
            match Acquire::new(Arc::clone(shared)).await {
                Ok(token) if self.last != Some(token.generation()) => {
                    self.last = Some(token.generation());
                    return Ok(token);
                }
                Ok(_) => {}
                Err(error) => {
                    self.failed = true;
                    return Err(error);
                }
            }
            let rest = shared.rests_for().clamp(SHORTEST_REST, LONGEST_REST);
            let _ = time::timeout(rest, changed).await;
        }
    }

    /// Waits for `wait`, or until a token request has ended.
    async fn rest(&self, wait: Duration) {
        let changed = self.shared.changed().notified();
        let _ = time::timeout(wait.min(LONGEST_REST), changed).await;
    }
}

impl fmt::Debug for TokenWatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenWatch")
            .field("last", &self.last)
            .finish_non_exhaustive()
    }
}

/// A waiting caller checks again after this time, because the clock may have been set or the
/// machine may have been suspended.
const LONGEST_REST: Duration = Duration::from_secs(60);
/// The shortest time between two checks.
const SHORTEST_REST: Duration = Duration::from_millis(100);
