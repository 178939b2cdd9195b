//! One token for all processes that share a store: one of them makes the exchange, and all know what
//! came of it.

use std::time::Duration;

use tokio::time;

use crate::{
    AccessToken, Error, Key, Quota, Reason, RefreshPolicy, Secret, SharedClock, SharedTokenStore,
    TokenStore as _,
    rejections::Requests,
    source::{BoxFuture, DynSource, Fetch, Obtained},
};

mod alone;
mod ask;
mod breaker;
mod codec;
mod entry;
mod lease;
mod memory;
mod quota;
mod record;
mod slots;
mod told;
mod turn;

use alone::Alone;
use ask::Budget;
use breaker::Breaker;
use memory::Memory;
use record::{Kept, Record};
use turn::Step;

/// A source behind a store.
pub(crate) struct Fleet {
    source: Box<dyn DynSource>,
    store: SharedTokenStore,
    key: Key,
    clock: SharedClock,
    policy: RefreshPolicy,
    quota: Option<Quota>,
    /// Holds leases in this process's name.
    owner: String,
    memory: Memory,
    alone: Alone,
    breaker: Breaker,
    requests: Requests,
}

/// What a process brings to an exchange by itself.
struct Own {
    credential: Option<u16>,
    first: Result<Option<Secret>, Error>,
}

impl Fleet {
    pub(crate) fn new(
        source: Box<dyn DynSource>,
        store: SharedTokenStore,
        key: Key,
        clock: SharedClock,
        policy: RefreshPolicy,
        quota: Option<Quota>,
    ) -> Self {
        Self {
            source,
            store,
            key,
            clock,
            policy,
            quota,
            owner: format!("{:016x}{:016x}", fastrand::u64(..), fastrand::u64(..)),
            memory: Memory::default(),
            alone: Alone::new(quota),
            breaker: Breaker::default(),
            requests: Requests::default(),
        }
    }

    /// How long all of it may take: an exchange of another process, and one of its own.
    pub(crate) fn deadline(&self) -> Duration {
        let own = self.exchange_deadline().saturating_mul(self.exchanges());
        self.lease_time()
            .saturating_add(own)
            .saturating_add(Duration::from_secs(1))
    }

    /// Longer than what its holder does, so that it ends with its holder and not before.
    fn lease_time(&self) -> Duration {
        let exchanges = self.exchange_deadline().saturating_mul(self.exchanges());
        exchanges.saturating_add(Duration::from_secs(2))
    }

    /// Where a refresh token may turn out to be worth nothing, another exchange follows.
    fn exchanges(&self) -> u32 {
        1 + u32::from(self.source.keeps_refresh_tokens())
    }

    fn exchange_deadline(&self) -> Duration {
        self.policy.exchange_deadline()
    }

    async fn obtain(&self, reason: Reason) -> Obtained {
        let obtained = match self.breaker.is_open() {
            true => self.alone(reason).await,
            false => match self.together(reason).await {
                Ok(obtained) => obtained,
                Err(error) => {
                    self.give_up(&error);
                    self.alone(reason).await
                }
            },
        };
        if let Ok(token) = &obtained.result {
            self.memory.hand_out(token.secret());
        }
        obtained
    }

    /// The store fails: it is left alone for a while.
    fn give_up(&self, error: &Error) {
        self.breaker.fail();
        tracing::warn!(%error, "going on without the token store");
    }

    /// Fails only if the store does.
    async fn together(&self, reason: Reason) -> Result<Obtained, Error> {
        let budget = Budget::new(self.store.patience());
        let mut pace = FIRST_LOOK;
        let mut lease = None;
        let mut own = None;
        loop {
            let seen = self.look(&budget).await?;
            self.breaker.succeed();
            if let Some(obtained) = self.at_hand(&seen.record, reason).await {
                // Beside the caller, who has what it wants.
                drop(lease);
                return Ok(obtained);
            }
            if let (Some(held), Some(own)) = (lease.take(), &own) {
                match self.turn(held, seen, reason, own, &budget).await? {
                    Step::Done(obtained) => return Ok(obtained),
                    Step::Again => {
                        budget.renew();
                        continue;
                    }
                }
            }
            // Before the lease, which is short: where secrets are kept may be slow.
            if own.is_none() {
                own = Some(self.own().await);
            }
            // Its last holder may have put a token there just before it gave the lease back, so that
            // who has the lease looks again.
            lease = self.lease(&budget).await?;
            if lease.is_none() {
                time::sleep(pace.mul_f64(fastrand::f64() / 2.0 + 0.5)).await;
                pace = pace.saturating_mul(2).min(LONGEST_LOOK);
                budget.renew();
            }
        }
    }

    /// What the store has makes an exchange needless, or useless.
    async fn at_hand(&self, record: &Record, reason: Reason) -> Option<Obtained> {
        if let Some(token) = self.adopt(record, reason) {
            return Some(self.found(Ok(token)));
        }
        let pause = record.pause.as_ref()?;
        // Whose failure it was knows itself when to try again.
        if pause.owner == self.owner || pause.left <= LAST_MOMENT {
            return None;
        }
        if pause.credential.is_some() && self.credential().await != pause.credential {
            return None;
        }
        Some(self.found(Err(pause.error())))
    }

    /// Takes the token that is there, if it is good for this.
    fn adopt(&self, record: &Record, reason: Reason) -> Option<AccessToken> {
        let kept = record.token.as_ref().filter(|kept| !kept.refused)?;
        // What is at hand already is why another one is wanted.
        if reason != Reason::Needed && self.memory.is_at_hand(&kept.secret) {
            return None;
        }
        if self.usable(kept).is_zero() {
            return None;
        }
        let token = AccessToken::new(kept.secret.clone()).expires_in(kept.left);
        Some(match &kept.scope {
            Some(scope) => token.scope(scope),
            None => token,
        })
    }

    /// For how long it may be sent.
    fn usable(&self, kept: &Kept) -> Duration {
        let margin = kept
            .lifetime
            .saturating_sub(RefreshPolicy::usable_for(kept.lifetime));
        kept.left.saturating_sub(margin)
    }

    fn found(&self, result: Result<AccessToken, Error>) -> Obtained {
        Obtained::found(result, self.clock.now())
    }

    /// What is not in the store.
    async fn own(&self) -> Own {
        Own {
            credential: self.credential().await,
            first: match self.source.keeps_refresh_tokens() {
                true => self.first_refresh_token().await,
                false => Ok(None),
            },
        }
    }

    async fn credential(&self) -> Option<u16> {
        let read = self.source.credentials();
        let read = time::timeout(self.exchange_deadline(), read).await;
        let id = read.ok()?.ok()?.id()?;
        Some(id.mark())
    }
}

impl Fetch for Fleet {
    fn obtain(&self, reason: Reason) -> BoxFuture<'_, Obtained> {
        Box::pin(self.obtain(reason))
    }

    fn credential_changed(&self) -> BoxFuture<'_, bool> {
        Box::pin(self.requests.credentials_changed(&*self.source))
    }
}

/// How soon after it found the lease taken a process looks again, at first and at last.
const FIRST_LOOK: Duration = Duration::from_millis(20);
const LONGEST_LOOK: Duration = Duration::from_millis(160);
/// What is left of a pause that nobody needs to wait for.
const LAST_MOMENT: Duration = Duration::from_millis(20);
