use std::{
    future::Future,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::{self, Instant};

use super::{NewEntry, SharedTokenStore, StoredEntry, TokenStore as _, Version, record::Record};
use crate::{
    AccessToken, Error, ErrorKind, Exchange, Key, Reason, RefreshPolicy, Secret, SharedClock,
    source::{BoxFuture, DynSource},
};

/// A source behind a store: of all processes that share it, one makes the exchange.
pub(crate) struct Stored {
    source: Box<dyn DynSource>,
    store: SharedTokenStore,
    key: Key,
    clock: SharedClock,
    /// Holds leases in this process's name.
    owner: String,
    /// How long an exchange may take.
    exchange: Duration,
    /// Longer than that, so that a lease ends with its holder and not before.
    lease: Duration,
    /// What was handed out last, to know it when the API refuses it.
    last: Mutex<Option<Secret>>,
    breaker: Mutex<Breaker>,
}

/// While the store fails it is left alone.
#[derive(Default)]
struct Breaker {
    failures: u32,
    until: Option<Instant>,
}

/// Why the processes could not do it together.
enum Trouble {
    /// With the store: this process goes on alone.
    Store(Error),
    /// With the exchange, as it would have been without a store.
    Exchange(Error),
}

impl Stored {
    pub(crate) fn new(
        source: Box<dyn DynSource>,
        store: SharedTokenStore,
        key: Key,
        clock: SharedClock,
        exchange: Duration,
    ) -> Self {
        let owner = format!("{:016x}{:016x}", fastrand::u64(..), fastrand::u64(..));
        Self {
            source,
            store,
            key,
            clock,
            owner,
            exchange,
            lease: exchange.saturating_add(Duration::from_secs(2)),
            last: Mutex::default(),
            breaker: Mutex::default(),
        }
    }

    /// How long it may wait for others, before an exchange of its own.
    pub(crate) fn longest_wait(&self) -> Duration {
        self.lease.saturating_add(Duration::from_secs(1))
    }

    /// One exchange with the vendor.
    async fn exchange(&self, exchange: &Exchange) -> Result<AccessToken, Error> {
        match time::timeout(self.exchange, self.source.fetch(exchange.clone())).await {
            Ok(result) => result,
            Err(_) => {
                let seconds = self.exchange.as_secs_f64();
                let message = format!("the exchange did not end within {seconds} s");
                Err(Error::new(ErrorKind::TimedOut, message))
            }
        }
    }

    async fn obtain(&self, exchange: &Exchange) -> Result<AccessToken, Error> {
        let token = match self.is_left_alone() {
            true => self.exchange(exchange).await,
            false => match self.together(exchange).await {
                Ok(token) => Ok(token),
                Err(Trouble::Exchange(error)) => Err(error),
                Err(Trouble::Store(error)) => {
                    self.fail(&error);
                    self.exchange(exchange).await
                }
            },
        }?;
        *lock(&self.last) = Some(token.secret().clone());
        Ok(token)
    }

    async fn together(&self, exchange: &Exchange) -> Result<AccessToken, Trouble> {
        let mut is_held = false;
        let entry = loop {
            let entry = self.ask(LOOK, self.store.load(&self.key)).await?;
            if let Some(token) = self.adopt(entry.as_ref(), exchange) {
                if is_held {
                    self.release().await;
                }
                self.succeed();
                return Ok(token);
            }
            if is_held {
                break entry;
            }
            let lease = self.store.lease(&self.key, &self.owner, self.lease);
            is_held = self.ask(LOOK, lease).await?;
            // The holder may have put its token there just before it gave the lease back, so that
            // who has the lease looks again.
            if !is_held {
                time::sleep(Duration::from_millis(fastrand::u64(50..150))).await;
            }
        };
        self.succeed();
        let version = self.mark_refused(entry.as_ref(), exchange).await;
        let before = self.wall();
        let fetched = self.exchange(exchange).await;
        if let Ok(token) = &fetched {
            self.publish(token, before, version).await;
        }
        self.release().await;
        fetched.map_err(Trouble::Exchange)
    }

    /// Takes the token that is there, if it is good for this.
    fn adopt(&self, entry: Option<&StoredEntry>, exchange: &Exchange) -> Option<AccessToken> {
        let record = Record::decode(&entry?.bytes)?;
        let is_last = lock(&self.last).as_ref() == Some(&record.token);
        // What is at hand already is why another one is wanted.
        if record.refused || (is_last && exchange.reason != Reason::Needed) {
            return None;
        }
        let left = Duration::from_millis(record.expires_at.checked_sub(self.wall())?);
        let lifetime = Duration::from_millis(record.lifetime);
        let margin = lifetime.saturating_sub(RefreshPolicy::usable_for(lifetime));
        // A clock that was set back makes no token live longer than it ever did.
        let left = left.min(lifetime);
        if left <= margin {
            return None;
        }
        let token = AccessToken::new(record.token).expires_in(left);
        Some(match record.scope {
            Some(scope) => token.scope(scope),
            None => token,
        })
    }

    /// Keeps other processes from taking the token that the API refused, also if no other can be had
    /// for it. Returns the version to replace.
    async fn mark_refused(
        &self,
        entry: Option<&StoredEntry>,
        exchange: &Exchange,
    ) -> Option<Version> {
        let entry = entry?;
        let current = Some(entry.version);
        let next = Version::after(current, self.clock.now().since_unix_epoch());
        let record = Record::decode(&entry.bytes).filter(|record| !record.refused);
        let Some(mut record) = record.filter(|_| exchange.reason == Reason::Refused) else {
            return current;
        };
        if lock(&self.last).as_ref() != Some(&record.token) {
            return current;
        }
        record.refused = true;
        let lives = Duration::from_millis(record.expires_at.saturating_sub(self.wall()));
        let replace = self.store.replace(
            &self.key,
            current,
            NewEntry::new(next, record.encode(), lives),
        );
        match self.ask(WRITE, replace).await {
            Ok(true) => Some(next),
            _ => current,
        }
    }

    /// The token is good whatever becomes of this.
    async fn publish(&self, token: &AccessToken, before: u64, version: Option<Version>) {
        let lifetime = token.lifetime().filter(|_| !token.is_permanent());
        let Some(lifetime) = lifetime.filter(|lifetime| !lifetime.is_zero()) else {
            return;
        };
        let millis = u64::try_from(lifetime.as_millis()).unwrap_or(u64::MAX);
        let record = Record {
            token: token.secret().clone(),
            scope: token.granted_scope().map(ToOwned::to_owned),
            expires_at: before.saturating_add(millis),
            lifetime: millis,
            refused: false,
        };
        let replace = self.store.replace(
            &self.key,
            version,
            NewEntry::new(
                Version::after(version, self.clock.now().since_unix_epoch()),
                record.encode(),
                lifetime,
            ),
        );
        match self.ask(WRITE, replace).await {
            // Somebody whose lease this one's outlived was faster; either token is good.
            Ok(_) => {}
            Err(Trouble::Store(error) | Trouble::Exchange(error)) => self.fail(&error),
        }
    }

    async fn release(&self) {
        let release = self.store.release(&self.key, &self.owner);
        if let Err(Trouble::Store(error) | Trouble::Exchange(error)) =
            self.ask(WRITE, release).await
        {
            self.fail(&error);
        }
    }

    async fn ask<T>(
        &self,
        within: Duration,
        answer: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Trouble> {
        match time::timeout(within, answer).await {
            Ok(answer) => answer.map_err(Trouble::Store),
            Err(_) => {
                let message = format!("token store: no answer within {} ms", within.as_millis());
                Err(Trouble::Store(Error::new(ErrorKind::Store, message)))
            }
        }
    }

    fn is_left_alone(&self) -> bool {
        lock(&self.breaker)
            .until
            .is_some_and(|until| Instant::now() < until)
    }

    fn fail(&self, error: &Error) {
        let mut breaker = lock(&self.breaker);
        // Apart from each other, so that a store that comes back is not stormed.
        let pause = PAUSE.saturating_mul(1 << breaker.failures.min(3));
        breaker.failures = breaker.failures.saturating_add(1);
        breaker.until = Instant::now().checked_add(pause.mul_f64(fastrand::f64() / 2.0 + 0.5));
        drop(breaker);
        tracing::warn!(%error, "going on without the token store");
    }

    fn succeed(&self) {
        *lock(&self.breaker) = Breaker::default();
    }

    /// In milliseconds since the Unix epoch.
    fn wall(&self) -> u64 {
        let wall = self.clock.now().since_unix_epoch().as_millis();
        u64::try_from(wall).unwrap_or(u64::MAX)
    }
}

impl DynSource for Stored {
    fn fetch(&self, exchange: Exchange) -> BoxFuture<'_, Result<AccessToken, Error>> {
        Box::pin(async move { self.obtain(&exchange).await })
    }

    fn credential_changed(&self) -> BoxFuture<'_, bool> {
        self.source.credential_changed()
    }

    fn credential(&self) -> BoxFuture<'_, Option<crate::CredentialMark>> {
        self.source.credential()
    }

    fn keeps_refresh_tokens(&self) -> bool {
        self.source.keeps_refresh_tokens()
    }

    fn first_refresh_token(&self) -> BoxFuture<'_, Result<Option<Secret>, Error>> {
        self.source.first_refresh_token()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How long a look into the store may hold up a request.
const LOOK: Duration = Duration::from_millis(50);
/// How long a token that is there already may take to get into the store.
const WRITE: Duration = Duration::from_secs(1);
/// How long a store that failed is left alone at first; twice as long each time, up to 40 s.
const PAUSE: Duration = Duration::from_secs(5);
