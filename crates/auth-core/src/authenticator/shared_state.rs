//! State that all handles of one key share: the cached token, and the machine's state behind a
//! lock.

use std::{
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::Duration,
};

use tokio::sync::Notify;

use crate::{
    AccessToken, Error, ErrorKind, Generation, Health, HealthFailure, Key, MemoryStore, Moment,
    Origins, Quota, RefreshPolicy, RejectedPart, Scheme, SharedClock, SharedTokenStore, Token,
    TokenRequestLimit, TokenStore as _, WiderScope,
    authenticator::{
        flight::{Flight, Outcome},
        published::Published,
        requests::Requests,
        residue::Residue,
        snapshot::{Carried, Snapshot},
    },
    machine::{
        flight::{Flight as FlightState, Verdict},
        key_state::{KeyState, Landed},
        orders::{Draw, End, Fact, Landing, Order, Rules},
        scopes::Scopes,
        serving::State,
    },
    observer::{EventKind, Observed, QuotaUse},
    policy::Jitter,
    secret::rejections,
    token::source::DynSource,
};
use http::HeaderMap;

mod errors;
mod landing;

pub(crate) struct SharedState {
    pub(crate) settings: Settings,
    source: Box<dyn DynSource>,
    /// The store, and the key's name in it. If no store is set, a store in this process keeps
    /// refresh tokens, so that the same rules apply: made when it is first needed.
    store: OnceLock<Box<(SharedTokenStore, Key)>>,
    is_store_set: bool,
    pub(crate) rules: Rules,
    pub(super) published: Published,
    desk: Mutex<Desk>,
    /// Made when the first watcher comes.
    changed: OnceLock<Box<Notify>>,
    pub(super) requests: Requests,
    /// The number of writes into the store that run in the background.
    writing: AtomicU32,
    /// Whether a thread's table of the map may hold a handle.
    is_in_table: AtomicBool,
}

pub(crate) struct Settings {
    pub(crate) observed: Observed,
    pub(crate) scheme: Scheme,
    pub(crate) origins: Origins,
    pub(crate) limit: Option<Arc<TokenRequestLimit>>,
    pub(crate) shards: u8,
    pub(crate) wider_scope: Option<Arc<WiderScope>>,
}

/// Changed under the lock, which is never held across an await.
pub(super) struct Desk {
    pub(super) key: KeyState,
    pub(super) flight: Option<Arc<Flight>>,
    /// The number of flights so far.
    pub(super) flights: u64,
    pub(super) last_error: Option<Error>,
    /// The token before the newest one, while the newest one is on trial.
    pub(super) previous: Option<Arc<Snapshot>>,
    /// The credentials that were used last.
    pub(super) credentials: Option<crate::CredentialsId>,
    /// Until then the observer knows that the quota is used up.
    pub(super) quota_told: Moment,
    /// When the newest token came.
    pub(super) last_success: Option<Moment>,
    /// Boxed because it is rare.
    pub(super) last_failure: Option<Box<(Error, Moment)>>,
    /// The larger scope that the API requires. Boxed because it is rare and large.
    pub(super) scopes: Option<Box<Scopes>>,
}

impl SharedState {
    pub(crate) fn new(
        settings: Settings,
        policy: Arc<RefreshPolicy>,
        quota: Option<Quota>,
        source: Box<dyn DynSource>,
        store: Option<(SharedTokenStore, Key)>,
    ) -> Self {
        let desk = Desk {
            key: KeyState::new(quota),
            flight: None,
            flights: 0,
            last_error: None,
            previous: None,
            credentials: None,
            quota_told: Moment::PAST,
            last_success: None,
            last_failure: None,
            scopes: None,
        };
        let shares = store.is_some() || source.keeps_refresh_tokens();
        let owner = if shares {
            format!("{:016x}{:016x}", fastrand::u64(..), fastrand::u64(..))
        } else {
            String::new()
        };
        let rules = Rules {
            policy,
            quota,
            shares,
            keeps_refresh_tokens: source.keeps_refresh_tokens(),
            needs_refresh_token: source.needs_refresh_token(),
            owner: owner.into(),
        };
        Self {
            settings,
            source,
            is_store_set: store.is_some(),
            store: store
                .map(Box::new)
                .map_or_else(OnceLock::new, OnceLock::from),
            rules,
            published: Published::nothing(),
            desk: Mutex::new(desk),
            changed: OnceLock::new(),
            requests: Requests::default(),
            writing: AtomicU32::new(0),
            is_in_table: AtomicBool::new(false),
        }
    }

    #[inline(always)]
    pub(crate) fn now(&self) -> Moment {
        self.clock().now()
    }

    /// The time without lag, for deadlines that were promised to others.
    fn precise(&self) -> Moment {
        self.clock().precise()
    }

    pub(crate) fn policy(&self) -> &RefreshPolicy {
        &self.rules.policy
    }

    pub(crate) fn source(&self) -> &dyn DynSource {
        &*self.source
    }

    #[inline(always)]
    pub(crate) fn clock(&self) -> &SharedClock {
        self.settings.observed.clock()
    }

    pub(crate) fn shards(&self) -> usize {
        self.settings.shards.into()
    }

    pub(crate) fn store(&self) -> Option<(&SharedTokenStore, &Key)> {
        if !self.is_store_set && !self.rules.keeps_refresh_tokens {
            return None;
        }
        let (store, key) = &**self.store.get_or_init(|| {
            let store = SharedTokenStore::new(MemoryStore::new());
            Box::new((store, Key::builder(self.vendor()).build()))
        });
        Some((store, key))
    }

    /// Returns what must survive the eviction of this key. `None` if nothing must.
    pub(crate) fn residue(&self) -> Option<Residue> {
        let now = self.now();
        let own_store = self.store.get().filter(|_| !self.is_store_set);
        let desk = self.desk();
        let residue = Residue {
            state: desk.key.state.without_token(),
            memory: desk.key.memory.clone(),
            last_error: desk.last_error.clone(),
            credentials: desk.credentials,
            refresh_tokens: own_store.map(|store| (**store).clone()),
        };
        Some(residue).filter(|residue| !residue.is_over(now))
    }

    /// Takes over what an earlier authenticator of the same key left behind.
    pub(crate) fn restore(&self, residue: Residue) {
        let Residue {
            state,
            memory,
            last_error,
            credentials,
            refresh_tokens,
        } = residue;
        if let Some(store) = refresh_tokens {
            let _ = self.store.set(Box::new(store));
        }
        let mut desk = self.desk();
        desk.key = KeyState::restored(state, memory);
        desk.last_error = last_error;
        desk.credentials = credentials;
    }

    pub(crate) fn store_patience(&self) -> Duration {
        self.store()
            .map_or(Duration::ZERO, |(store, _)| store.latency_budget())
    }

    pub(crate) fn lease_time(&self) -> Duration {
        self.rules.lease_time()
    }

    /// The lease owner's name, unique for each flight: a flight that was given up must not act in
    /// the name of its successor.
    pub(crate) fn lease_owner(&self, flight: &Flight) -> String {
        format!("{}-{}", self.rules.owner, flight.number)
    }

    pub(crate) fn vendor(&self) -> &str {
        self.settings.observed.vendor()
    }

    // --- hot path ---

    /// Returns the cached token, unless it is time to ask the machine.
    pub(crate) fn fresh_token(&self) -> Option<Token> {
        self.published.fresh(self.now()).map(Token)
    }

    /// Signs with the cached token, unless it is time to ask the machine, or a credential header is
    /// set already.
    #[inline(always)]
    pub(crate) fn sign_fresh(&self, headers: &mut HeaderMap) -> Option<Generation> {
        self.published.sign(headers, self.now())
    }

    /// Forgets that the vendor rejected the credentials.
    pub(crate) fn clear_rejections(&self) {
        let mut desk = self.desk();
        desk.key.state.clear_rejection();
        desk.key.memory.forget_rejections();
        if let Some(id) = desk.credentials {
            rejections::of_process(self.clock(), |known| known.clear(id.account()));
        }
    }

    /// Makes the published token follow the machine: removes it if the machine holds none, and sets
    /// the time of the machine's next decision.
    ///
    /// Returns the number of the removed token if no caller used it.
    pub(super) fn follow(&self, state: &State, now: Moment) -> Option<Generation> {
        if state.usable_until().is_none() {
            let unused = self.unused();
            self.published.store(None);
            return unused;
        }
        if self.published.load().is_some() {
            self.published.set_check_at(state.check_at(now));
        }
        None
    }

    /// Returns the number of the published token if no caller used it.
    fn unused(&self) -> Option<Generation> {
        let published = self.published.load()?;
        published.is_unused().then(|| published.generation())
    }

    /// Logs an event and tells the observer. The caller holds no lock.
    pub(crate) fn tell(&self, event: EventKind) {
        self.settings.observed.tell(event);
    }

    /// Returns the used and allowed slots of the quota.
    pub(crate) fn quota_use(&self, now: Moment) -> Option<QuotaUse> {
        let (used, limit) = self.desk().key.state.ledger().in_use(now)?;
        Some(QuotaUse { used, limit })
    }

    pub(crate) fn health(&self) -> Health {
        let now = self.now();
        let desk = self.desk();
        let state = &desk.key.state;
        let until = state.usable_until();
        let next_try = state.next_try(now);
        let last_error = desk.last_error.as_ref();
        let failure = desk.last_failure.as_deref();
        Health {
            vendor: self.vendor().to_owned(),
            label: self.settings.observed.label().map(Arc::from),
            valid_for: until
                .filter(|until| !now.reached(*until))
                .map(|until| now.until(until)),
            is_refused: state.is_refused(now),
            is_renewing: desk.flight.is_some(),
            last_error: last_error.map(|error| error.told_later(next_try)),
            last_success: desk.last_success.map(|at| now.wait_since(at)),
            last_failure: failure.map(|(error, at)| HealthFailure {
                error: error.clone(),
                ago: now.wait_since(*at),
            }),
            next_try: Some(next_try).filter(|wait| !wait.is_zero()),
            renewal_due: state.renewal_in(now),
            is_store_failing: desk.key.memory.store_is_failing(),
            unsigned: self.requests.unsigned(now),
            not_replayed: self.requests.not_replayed(now),
        }
    }

    /// Returns the time in which nothing has to be decided if no caller asks for a token.
    pub(crate) fn rests_for(&self) -> Duration {
        let now = self.now();
        let desk = self.desk();
        desk.key.state.rests_for(now)
    }

    /// Returns whether a token request is in progress.
    fn has_flight(&self) -> bool {
        self.desk().flight.is_some()
    }

    /// Drops the cached token, so that it is neither sent again nor taken from the store.
    pub(crate) fn invalidate(&self) {
        let now = self.now();
        let mut desk = self.desk();
        desk.key.invalidate(self.policy(), now);
        desk.previous = None;
        self.follow(&desk.key.state, now);
        drop(desk);
        self.notify_watchers();
    }

    /// Wakes the callers that wait for another token or for the end of all work.
    pub(crate) fn notify_watchers(&self) {
        if let Some(changed) = self.changed.get() {
            changed.notify_waiters();
        }
    }

    /// Notified when a token request has ended or a write is done.
    pub(crate) fn changed(&self) -> &Notify {
        self.changed.get_or_init(Box::default)
    }

    /// Counts a write into the store that continues in the background.
    pub(crate) fn begin_write(&self) {
        self.writing.fetch_add(1, Ordering::SeqCst);
    }

    pub(crate) fn end_write(&self) {
        self.writing.fetch_sub(1, Ordering::SeqCst);
        self.notify_watchers();
    }

    /// Records that a table of the map gets a handle. The table is locked.
    pub(crate) fn enter_table(&self) {
        self.is_in_table.store(true, Ordering::Relaxed);
    }

    /// Records that the tables of the map lose their handles. Called before the tables are locked,
    /// so a table that gets a handle later records it later. Returns whether a table may have one.
    pub(crate) fn leave_tables(&self) -> bool {
        self.is_in_table.swap(false, Ordering::Relaxed)
    }

    /// Returns whether the store did not take the newest refresh token.
    pub(crate) fn has_unsaved_refresh_token(&self) -> bool {
        self.desk().key.memory.has_unsaved_refresh_token()
    }

    pub(crate) fn is_at_work(&self) -> bool {
        self.has_flight() || self.writing.load(Ordering::SeqCst) > 0
    }

    pub(super) fn desk(&self) -> MutexGuard<'_, Desk> {
        // A step of the machine does not panic, so its state is never half-changed.
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for SharedState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Settings {
            observed, origins, ..
        } = &self.settings;
        let Rules { policy, quota, .. } = &self.rules;
        f.debug_struct("Authenticator")
            .field("vendor", &observed.vendor())
            .field("origins", origins)
            .field("policy", policy)
            .field("quota", quota)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
pub(in crate::authenticator) mod tests;
