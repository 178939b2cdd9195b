use std::time::Duration;

use tokio::time;

use super::{Fleet, ask::Budget, slots::Account};
use crate::{
    Error, ErrorKind, NewEntry, Quota, Reason, TokenStore as _, Version, quota::Slots,
    source::Obtained,
};

/// A slot that was taken for an exchange; without a quota, none.
pub(super) type Slot = Option<u64>;

impl Fleet {
    /// Takes a slot of what all processes share, or says how long until one frees.
    pub(super) async fn take_slot(
        &self,
        reason: Reason,
        budget: &Budget,
    ) -> Result<Result<Slot, Duration>, Error> {
        let Some(quota) = self.quota else {
            return Ok(Ok(None));
        };
        let slots = match reason {
            Reason::Ahead => Slots::ButReserve,
            Reason::Needed | Reason::Refused => Slots::All,
        };
        let number = fastrand::u64(..);
        // Nobody knows yet when it ends; it will be said then.
        let frees_in = quota.window().saturating_add(self.exchange_deadline());
        let take = |account: &mut Account| account.take(quota, slots, number, frees_in);
        let taken = self.change(take, budget).await?;
        Ok(taken.map(|()| Some(number)))
    }

    /// Says when the slot of an exchange that ended frees: after the window, or with its token.
    pub(super) async fn close_slot(
        &self,
        slot: Slot,
        token_lives: Option<Duration>,
        budget: &Budget,
    ) {
        let (Some(quota), Some(number)) = (self.quota, slot) else {
            return;
        };
        let lives = token_lives.filter(|lives| !lives.is_zero());
        let frees_in = lives.map_or(quota.window(), |lives| lives.min(quota.window()));
        self.set_slot(number, frees_in, budget).await;
    }

    /// Nothing was asked of the vendor after all.
    pub(super) async fn return_slot(&self, slot: Slot, budget: &Budget) {
        if let Some(number) = slot {
            self.set_slot(number, Duration::ZERO, budget).await;
        }
    }

    /// Where that cannot be said now, the slot frees at the latest time that it may.
    async fn set_slot(&self, number: u64, frees_in: Duration, budget: &Budget) {
        // What the store did not take of the exchange is nothing to hold anybody up for again.
        if self.breaker.is_open() {
            return;
        }
        let set = |account: &mut Account| match account.set(number, frees_in) {
            true => Ok(()),
            false => Err(()),
        };
        if let Err(error) = self.change(set, budget).await {
            self.give_up(&error);
        }
    }

    pub(super) fn over_quota(&self, wait: Duration) -> Obtained {
        let quota = self.quota.map(Quota::describe).unwrap_or_default();
        let message = format!("the token quota of {quota} is used up by all processes together");
        let error = Error::new(ErrorKind::Quota, message).with_retry_after(wait);
        Obtained::over_quota(error, self.clock.now())
    }

    /// Changes the account, against others who do the same. What the change refuses is not written.
    async fn change<E>(
        &self,
        mut change: impl FnMut(&mut Account) -> Result<(), E>,
        budget: &Budget,
    ) -> Result<Result<(), E>, Error> {
        let key = Account::key(&self.key);
        for _ in 0..TRIES {
            let entry = budget.ask(self.store.load(&key)).await?;
            let expected = entry.as_ref().map(|entry| entry.version);
            let account = entry.and_then(|entry| {
                Some(Account::decode(&key, entry.content.as_ref().ok()?)?.aged(entry.age))
            });
            let mut account = account.unwrap_or_default();
            if let Err(refused) = change(&mut account) {
                return Ok(Err(refused));
            }
            let version = Version::after(expected, self.clock.now().since_unix_epoch());
            let entry = NewEntry::new(version, account.encode(&key), account.lives());
            if budget
                .ask(self.store.replace(&key, expected, entry))
                .await?
            {
                return Ok(Ok(()));
            }
            time::sleep(Duration::from_millis(fastrand::u64(1..10))).await;
            budget.renew();
        }
        let message = "token store: too many change the quota's account at once";
        Err(Error::new(ErrorKind::Store, message))
    }
}

const TRIES: u32 = 50;
