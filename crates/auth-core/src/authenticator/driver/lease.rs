//! The lease of a flight, which is released however the flight ends.

use super::*;

/// A lease that this flight holds. If the flight cannot release it, for example because the token
/// request panicked, a background task does.
pub(super) struct Lease {
    store: SharedTokenStore,
    key: Key,
    owner: String,
    is_held: bool,
}

impl Lease {
    pub(super) async fn take(
        store: &SharedTokenStore,
        key: &Key,
        owner: String,
        time: Duration,
        budget: &mut Budget,
    ) -> Result<Option<Self>, Error> {
        let mut lease = Self {
            store: store.clone(),
            key: key.clone(),
            owner,
            // A late answer may have granted the lease.
            is_held: true,
        };
        let granted = budget.ask(store.lease(key, &lease.owner, time)).await?;
        lease.is_held = granted;
        Ok(granted.then_some(lease))
    }

    /// Does not release the lease: the flight has taken it again under the same owner's name.
    pub(super) fn forget(mut self) {
        self.is_held = false;
    }

    pub(super) async fn give_back(mut self, budget: &mut Budget) -> Result<(), Error> {
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
