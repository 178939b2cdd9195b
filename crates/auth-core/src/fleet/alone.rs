use std::sync::{Mutex, MutexGuard, PoisonError};

use super::Fleet;
use crate::{
    Error, ErrorKind, Exchange, Quota, Reason,
    quota::{Ledger, Slots},
    source::Obtained,
};

/// A process's own share of the quota, for while the store does not answer.
pub(super) struct Alone(Mutex<Ledger>);

impl Alone {
    pub(super) fn new(quota: Option<Quota>) -> Self {
        Self(Mutex::new(Ledger::new(quota.map(Quota::share))))
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Fleet {
    /// An exchange without the store: within limits that many processes can afford at once.
    pub(super) async fn alone(&self, reason: Reason) -> Obtained {
        let sent = self.clock.now();
        if let Err(error) = self.may_go_alone().await {
            return self.found(Err(error));
        }
        // The share is too small to keep a part of it back.
        let slot = self.alone.ledger().take(Slots::All, sent);
        if let Err(wait) = slot {
            return self.over_quota(wait);
        }
        let result = self.exchange(Exchange::new(reason), 0).await;
        let lifetime = result.as_ref().ok().and_then(crate::AccessToken::lifetime);
        self.alone.ledger().close(self.clock.now(), lifetime);
        Obtained::fetched(result, sent)
    }

    /// Two who spend one refresh token lose both: where there is nothing else to begin with, it takes
    /// the store.
    async fn may_go_alone(&self) -> Result<(), Error> {
        let needs_store =
            self.source.keeps_refresh_tokens() && self.first_refresh_token().await?.is_some();
        if !needs_store {
            return Ok(());
        }
        let message = "the refresh token is spent with the token store only, which does not answer";
        Err(Error::new(ErrorKind::Store, message))
    }
}
