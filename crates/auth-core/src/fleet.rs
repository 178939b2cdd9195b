//! One token for all processes that share a store: one of them makes the exchange, and all know what
//! came of it.

use std::time::Duration;

use tokio::time;

use crate::{
    AccessToken, CredentialMark, Error, ErrorKind, Exchange, Key, Moment, NewEntry, Quota, Reason,
    RefreshPolicy, SharedClock, SharedTokenStore, TokenStore as _, Version,
    policy::Jitter,
    source::{BoxFuture, DynSource, Fetch, Obtained},
};

mod alone;
mod ask;
mod breaker;
mod codec;
mod lease;
mod memory;
mod quota;
mod record;
mod slots;

use alone::Alone;
use ask::Budget;
use breaker::Breaker;
use lease::Lease;
use memory::Memory;
use record::{Kept, Pause, Record, Refresh};
use slots::Account;

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
}

/// What the store had for the key.
#[derive(Clone)]
struct Seen {
    version: Option<Version>,
    record: Record,
}

/// How it went under the lease.
enum Step {
    Done(Obtained),
    /// Somebody else was faster: look again.
    Again,
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
        loop {
            let seen = self.look(&budget).await?;
            self.breaker.succeed();
            if let Some(obtained) = self.at_hand(&seen.record, reason).await {
                if let Some(lease) = lease.take() {
                    self.release(lease).await;
                }
                return Ok(obtained);
            }
            if let Some(held) = lease.take() {
                let step = self.under(&held, seen, reason, &budget).await;
                self.release(held).await;
                match step? {
                    Step::Done(obtained) => return Ok(obtained),
                    Step::Again => continue,
                }
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
            return Some(Obtained::found(Ok(token), self.clock.now()));
        }
        let pause = record.pause.as_ref()?;
        // Whose failure it was knows itself when to try again.
        if pause.owner == self.owner || pause.left <= LAST_MOMENT {
            return None;
        }
        if pause.credential.is_some() && self.credential().await != pause.credential {
            return None;
        }
        Some(Obtained::found(Err(pause.error()), self.clock.now()))
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

    /// The exchange, with the lease.
    async fn under(
        &self,
        lease: &Lease,
        mut seen: Seen,
        reason: Reason,
        budget: &Budget,
    ) -> Result<Step, Error> {
        loop {
            let credential = self.credential().await;
            let refresh = match self.refresh_token(&seen.record).await {
                Ok(refresh) => refresh,
                Err(error) => {
                    let failed = Obtained::found(Err(error), self.clock.now());
                    return Ok(Step::Done(failed));
                }
            };
            let slot = match self.take_slot(reason, budget).await? {
                Ok(slot) => slot,
                Err(wait) => return Ok(Step::Done(self.over_quota(wait))),
            };
            let before = self.before(&seen.record, refresh.as_ref(), reason);
            if before != seen.record {
                let Some(written) = self.write(&seen, before, budget).await? else {
                    return Ok(Step::Again);
                };
                seen = written;
            }
            // A process that was stopped may have lost the lease meanwhile.
            if !lease.covers(self.exchange_deadline()) {
                return Ok(Step::Again);
            }
            let mut exchange = Exchange::new(reason)
                .failed_logins(record::rejected(&seen.record.logins, credential));
            exchange.refresh_token = refresh.map(|refresh| refresh.secret);
            let spends = exchange.refresh_token.is_some();
            let sent = self.clock.now();
            let result = self.exchange(exchange).await;
            let lifetime = result.as_ref().ok().and_then(AccessToken::lifetime);
            let error = match result {
                Ok(token) => {
                    let token = self.publish(seen, token, sent, credential).await;
                    self.close_slot(slot, lifetime).await;
                    return Ok(Step::Done(Obtained::fetched(Ok(token), sent)));
                }
                Err(error) => error,
            };
            self.close_slot(slot, None).await;
            if spends && is_worth_nothing(&error) {
                budget.renew();
                let now = self.look(budget).await?;
                if now.version != seen.version {
                    return Ok(Step::Again);
                }
                let Some(written) = self
                    .write(&seen, self.without_refresh(&seen.record), budget)
                    .await?
                else {
                    return Ok(Step::Again);
                };
                tracing::info!("a refresh token is worth nothing any more");
                seen = written;
                continue;
            }
            let error = self.tell(seen, error, credential, spends).await;
            return Ok(Step::Done(Obtained::fetched(Err(error), sent)));
        }
    }

    /// One exchange with the vendor.
    async fn exchange(&self, exchange: Exchange) -> Result<AccessToken, Error> {
        let deadline = self.exchange_deadline();
        match time::timeout(deadline, self.source.fetch(exchange)).await {
            Ok(result) => result,
            Err(_) => {
                let seconds = deadline.as_secs_f64();
                let message = format!("the exchange did not end within {seconds} s");
                Err(Error::new(ErrorKind::TimedOut, message))
            }
        }
    }

    /// The refresh token to spend, if there is one that may be.
    async fn refresh_token(&self, record: &Record) -> Result<Option<Refresh>, Error> {
        if !self.source.keeps_refresh_tokens() {
            return Ok(None);
        }
        let kept = record.refresh.clone();
        // Sent once without an answer that is known, it is sent once more, and not again.
        if let Some(refresh) = kept {
            return Ok((refresh.spent < 2).then_some(refresh));
        }
        let first = self.source.first_refresh_token();
        let first = match time::timeout(self.exchange_deadline(), first).await {
            Ok(first) => first?,
            Err(_) => None,
        };
        let first = first.filter(|first| record.dead.as_ref() != Some(first));
        Ok(first.map(|secret| Refresh {
            secret,
            spent: 0,
            is_first: true,
        }))
    }

    /// What the store says while the exchange is under way, and after it if this process dies.
    fn before(&self, record: &Record, refresh: Option<&Refresh>, reason: Reason) -> Record {
        let mut before = match refresh {
            Some(_) => record.clone(),
            None => self.without_refresh(record),
        };
        before.refresh = refresh.cloned().map(|mut refresh| {
            refresh.spent = refresh.spent.saturating_add(1);
            refresh
        });
        // So that nobody takes it, also if no other can be had for it.
        if let Some(kept) = before.token.as_mut().filter(|_| reason == Reason::Refused) {
            kept.refused |= self.memory.is_at_hand(&kept.secret);
        }
        before
    }

    fn without_refresh(&self, record: &Record) -> Record {
        let mut record = record.clone();
        if let Some(refresh) = record.refresh.take().filter(|refresh| refresh.is_first) {
            record.dead = Some(refresh.secret);
        }
        record
    }

    /// Puts a token where the others find it, and returns the one to use. It is good whatever becomes
    /// of this.
    async fn publish(
        &self,
        mut seen: Seen,
        token: AccessToken,
        sent: Moment,
        credential: Option<CredentialMark>,
    ) -> AccessToken {
        for _ in 0..TRIES {
            let record = self.after(&seen.record, &token, sent, credential);
            let budget = Budget::new(WRITE);
            let written = self.write(&seen, record.clone(), &budget).await;
            match written {
                Ok(Some(_)) => return token,
                Ok(None) => {}
                Err(error) => {
                    self.memory.keep(seen.version, record, self.clock.now());
                    self.give_up(&error);
                    return token;
                }
            }
            // The lease was lost: whoever had it next may have put a token there, too.
            match self.look(&budget).await {
                Ok(now) => seen = now,
                Err(error) => {
                    self.give_up(&error);
                    return token;
                }
            }
            if let Some(theirs) = self.adopt(&seen.record, Reason::Needed) {
                return theirs;
            }
        }
        token
    }

    /// What the store says after an exchange that brought a token.
    fn after(
        &self,
        record: &Record,
        token: &AccessToken,
        sent: Moment,
        credential: Option<CredentialMark>,
    ) -> Record {
        let lifetime = token.lifetime().filter(|_| !token.is_permanent());
        let kept = lifetime.map(|lifetime| Kept {
            secret: token.secret().clone(),
            scope: token.granted_scope().map(ToOwned::to_owned),
            left: lifetime.saturating_sub(self.clock.now().wait_since(sent)),
            lifetime,
            refused: false,
        });
        let keeps = self.source.keeps_refresh_tokens();
        let refresh = match token.kept_refresh_token().filter(|_| keeps) {
            Some(secret) => Some(Refresh {
                secret: secret.clone(),
                spent: 0,
                is_first: false,
            }),
            None => record.refresh.clone().map(|refresh| Refresh {
                spent: 0,
                ..refresh
            }),
        };
        let mut logins = record.logins.clone();
        logins.retain(|logins| Some(logins.credential) != credential);
        Record {
            token: kept.filter(|kept| !kept.left.is_zero()),
            dead: record.dead.clone().filter(|_| refresh.is_none()),
            refresh,
            pause: None,
            failures: 0,
            logins,
        }
    }

    /// Tells the others of a failure. Returns it as whoever waits is told.
    async fn tell(
        &self,
        seen: Seen,
        error: Error,
        credential: Option<CredentialMark>,
        spent: bool,
    ) -> Error {
        let mut record = seen.record.clone();
        // The vendor said something else than a token: then it is not spent.
        let is_known = error.code().is_some() || error.kind() == ErrorKind::Throttled;
        if let Some(refresh) = record.refresh.as_mut().filter(|_| spent && is_known) {
            refresh.spent = refresh.spent.saturating_sub(1);
        }
        let mut told = error.clone();
        if record::is_shared(error.kind()) {
            record.failures = record.failures.saturating_add(1);
            let usable = record.token.as_ref().filter(|kept| !kept.refused);
            let usable = usable.map(|kept| (self.usable(kept), kept.lifetime));
            let usable = usable.filter(|(left, _)| !left.is_zero());
            let left = self.pause(&error, record.failures, usable);
            let terminal = !error.is_transient();
            if !terminal && usable.is_none() {
                told = told.with_retry_after(left);
            }
            let about = credential.filter(|_| terminal);
            record.pause = Some(Pause::new(&self.owner, left, about, &error));
        }
        if !spent && error.rejects_credential() {
            if let Some(credential) = credential {
                record::reject(&mut record.logins, credential, 1);
            }
        }
        if record != seen.record {
            match self.write(&seen, record, &Budget::new(WRITE)).await {
                Ok(_) => {}
                Err(error) => self.give_up(&error),
            }
        }
        told
    }

    /// For how long nobody asks again.
    fn pause(
        &self,
        error: &Error,
        failures: u32,
        usable: Option<(Duration, Duration)>,
    ) -> Duration {
        let policy = &self.policy;
        let jitter = Jitter(fastrand::u32(..));
        match (error.retry_after(), usable) {
            _ if !error.is_transient() => policy.probe_after(jitter),
            (Some(asked), _) => policy.retry_after(asked),
            (None, _) if error.kind() == ErrorKind::Quota => {
                policy.quota_backoff(self.quota.map(Quota::spacing))
            }
            (None, Some((left, lifetime))) => {
                policy.backoff_while_usable(failures, jitter, left, lifetime)
            }
            (None, None) => policy.backoff_after(failures, jitter),
        }
    }

    async fn credential(&self) -> Option<CredentialMark> {
        let mark = self.source.credential();
        let mark = time::timeout(self.exchange_deadline(), mark).await;
        mark.ok().flatten()
    }

    // --- the store ---

    async fn look(&self, budget: &Budget) -> Result<Seen, Error> {
        let entry = budget.ask(self.store.load(&self.key)).await?;
        let version = entry.as_ref().map(|entry| entry.version);
        // What a hostile or restored store brings back is older than what was there before.
        let entry = entry.filter(|entry| !self.memory.is_outdated(entry.version));
        let record = entry.and_then(|entry| Some(Record::decode(&entry.bytes)?.aged(entry.age)));
        let record = match self.memory.unsaved(version, self.clock.now()) {
            Some(unsaved) => unsaved,
            None => record.unwrap_or_default(),
        };
        self.memory.see(version, &record);
        Ok(Seen { version, record })
    }

    /// Returns what is there now, unless somebody was faster.
    async fn write(
        &self,
        seen: &Seen,
        record: Record,
        budget: &Budget,
    ) -> Result<Option<Seen>, Error> {
        let version = self.next_version(seen.version);
        let entry = NewEntry::new(version, record.encode(), record.lives());
        let replace = self.store.replace(&self.key, seen.version, entry);
        if !budget.ask(replace).await? {
            return Ok(None);
        }
        let version = Some(version);
        self.memory.see(version, &record);
        Ok(Some(Seen { version, record }))
    }

    fn next_version(&self, seen: Option<Version>) -> Version {
        let wall = self.clock.now().since_unix_epoch();
        Version::after(self.memory.highest(seen), wall)
    }
}

impl Fetch for Fleet {
    fn obtain(&self, reason: Reason) -> BoxFuture<'_, Obtained> {
        Box::pin(self.obtain(reason))
    }

    fn credential_changed(&self) -> BoxFuture<'_, bool> {
        self.source.credential_changed()
    }
}

/// Tells whether a refresh token is what the vendor did not take.
fn is_worth_nothing(error: &Error) -> bool {
    error.kind() == ErrorKind::Rejected && error.code() == Some("invalid_grant")
}

/// How soon after it found the lease taken a process looks again, at first and at last.
const FIRST_LOOK: Duration = Duration::from_millis(20);
const LONGEST_LOOK: Duration = Duration::from_millis(160);
/// What is left of a pause that nobody needs to wait for.
const LAST_MOMENT: Duration = Duration::from_millis(20);
/// How long a token that is there already may take to get into the store.
const WRITE: Duration = Duration::from_secs(1);
/// How often something is written over what others wrote.
const TRIES: u32 = 3;
