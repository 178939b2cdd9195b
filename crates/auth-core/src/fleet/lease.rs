use std::time::Duration;

use tokio::{
    runtime::Handle,
    time::{self, Instant},
};

use super::{Fleet, ask::Budget, entry::WRITE};
use crate::{Error, Key, SharedTokenStore, TokenStore as _};

/// A lease that this process has. Where it could not be given back, as when the exchange panics, it
/// is given back beside the caller.
pub(super) struct Lease {
    store: SharedTokenStore,
    key: Key,
    owner: String,
    /// Before it was asked for.
    since: Instant,
    time: Duration,
    is_held: bool,
}

impl Lease {
    /// Tells whether it lasts for so long from now on.
    pub(super) fn covers(&self, more: Duration) -> bool {
        self.since.elapsed().saturating_add(more) <= self.time
    }

    pub(super) async fn give_back(mut self, budget: &Budget) -> Result<(), Error> {
        budget
            .ask(self.store.release(&self.key, &self.owner))
            .await?;
        self.is_held = false;
        Ok(())
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if !self.is_held {
            return;
        }
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        let (store, key) = (self.store.clone(), self.key.clone());
        let owner = std::mem::take(&mut self.owner);
        runtime.spawn(async move {
            let _ = time::timeout(WRITE, store.release(&key, &owner)).await;
        });
    }
}

impl Fleet {
    pub(super) async fn lease(&self, budget: &Budget) -> Result<Option<Lease>, Error> {
        let (since, time) = (Instant::now(), self.lease_time());
        let asked = self.store.lease(&self.key, &self.owner, time);
        Ok(budget.ask(asked).await?.then(|| Lease {
            store: self.store.clone(),
            key: self.key.clone(),
            owner: self.owner.clone(),
            since,
            time,
            is_held: true,
        }))
    }
}
