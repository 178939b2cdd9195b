//! Errors that no token request is the cause of.

use super::*;

impl SharedState {
    /// What the flight found: with a store, the processes count together.
    pub(super) fn over_quota_of_all(&self, wait: Duration) -> Error {
        if self.store.is_none() {
            return self.over_quota(wait);
        }
        let quota = self.settings.quota.map(Quota::describe).unwrap_or_default();
        let vendor = self.vendor();
        let message =
            format!("{vendor}: the token quota of {quota} is used up by all processes together");
        Error::new(ErrorKind::Quota, message).with_retry_after(wait)
    }

    pub(super) fn over_quota(&self, wait: Duration) -> Error {
        let quota = self.settings.quota.map(Quota::describe).unwrap_or_default();
        let message = format!("{}: the token quota of {quota} is used up", self.vendor());
        Error::new(ErrorKind::Quota, message).with_retry_after(wait)
    }

    pub(crate) fn closed(&self) -> Error {
        let message = format!(
            "{}: the token request ended without a result",
            self.vendor()
        );
        Error::new(ErrorKind::Closed, message)
    }

    pub(super) fn refused_too_often(&self, wait: Duration) -> Error {
        let vendor = self.vendor();
        let message = format!("{vendor}: the API refused the newest tokens");
        Error::new(ErrorKind::Refused, message).with_retry_after(wait)
    }
}
