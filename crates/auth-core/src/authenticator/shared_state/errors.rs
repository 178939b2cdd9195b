//! Errors that are not caused by a token request.

use super::*;

impl SharedState {
    /// The flight found this in the store, where all processes are counted together.
    pub(super) fn over_quota_of_all(&self, wait: Duration) -> Error {
        if !self.is_store_set {
            return self.over_quota(wait);
        }
        let quota = self.rules.quota.map(Quota::describe).unwrap_or_default();
        let message = format!("the token quota of {quota} is used up by all processes together");
        let error = Error::new(ErrorKind::Quota, message).named(self.vendor());
        error.with_retry_after(wait)
    }

    pub(in crate::authenticator) fn over_quota(&self, wait: Duration) -> Error {
        let quota = self.rules.quota.map(Quota::describe).unwrap_or_default();
        let message = format!("the token quota of {quota} is used up");
        let error = Error::new(ErrorKind::Quota, message).named(self.vendor());
        error.with_retry_after(wait)
    }

    pub(crate) fn closed(&self) -> Error {
        let message = "the token request ended without a result; its runtime may have shut down";
        Error::new(ErrorKind::Closed, message).named(self.vendor())
    }

    pub(in crate::authenticator) fn refused_too_often(&self, wait: Duration) -> Error {
        let message = "the API refused the newest tokens";
        let error = Error::new(ErrorKind::Refused, message).named(self.vendor());
        error.with_retry_after(wait)
    }
}
