use std::{
    sync::{Arc, LazyLock},
    thread,
    time::Duration,
};

use crate::{
    Observer, Quota, RefreshPolicy, SharedClock, SharedTokenStore, TokenRequestLimit, TokenStore,
    WiderScope,
    observer::{SharedNames, SharedObserver},
};

/// Options of an [`Authenticator`](crate::Authenticator) that do not depend on its vendor.
///
/// [`AuthenticatorBuilder::options`](crate::AuthenticatorBuilder::options) and the builders of the
/// vendor crates take these options. An option that is not set has its default, or the vendor's
/// default where the vendor documents one. Clones are cheap: they share the policy, the store, the
/// limit and the clock.
///
/// # Example
///
/// One set of options for all authenticators of a program:
///
/// ```
/// use std::time::Duration;
///
/// use auth_core::{
///     ApiKey, Authenticator, AuthenticatorOptions, TokenRequestLimit, Key, MemoryStore, Origins,
///     RefreshPolicy, Secret,
/// };
///
/// # fn main() -> Result<(), auth_core::Error> {
/// let options = AuthenticatorOptions::new()
///     .policy(RefreshPolicy::default().deadline(Duration::from_secs(5))?)
///     .limit(TokenRequestLimit::new(16)?)
///     .store(MemoryStore::new());
/// for tenant in ["one", "two"] {
///     let source = ApiKey::new(Secret::new(format!("fake-key-of-{tenant}")));
///     let authenticator =
///         Authenticator::builder(source, Origins::new(["https://api.example.com"])?)
///             .key(Key::builder("example").client(tenant).build())
///             .options(options.clone())
///             .build()?;
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct AuthenticatorOptions {
    policy: Option<Arc<RefreshPolicy>>,
    quota: Option<Quota>,
    limit: Option<Arc<TokenRequestLimit>>,
    store: Option<SharedTokenStore>,
    clock: Option<SharedClock>,
    shards: Option<u8>,
    observer: Option<SharedObserver>,
    label: Option<Arc<str>>,
    wider_scope: Option<Arc<WiderScope>>,
    names: SharedNames,
}

impl AuthenticatorOptions {
    /// Makes options with no option set.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets when tokens are renewed and how long the back-off is. Default: the vendor's policy, or
    /// [`RefreshPolicy::default`].
    pub fn policy(mut self, policy: RefreshPolicy) -> Self {
        self.policy = Some(Arc::new(policy));
        self
    }

    /// Sets the number of token requests that the vendor allows. Default: the vendor's quota, or no
    /// limit.
    pub fn quota(mut self, quota: Quota) -> Self {
        self.quota = Some(quota);
        self
    }

    /// Sets the limit that this authenticator shares with others at the same token endpoint.
    /// Default: no limit.
    pub fn limit(mut self, limit: TokenRequestLimit) -> Self {
        self.limit = Some(Arc::new(limit));
        self
    }

    /// Sets the store that shares the token with other processes and with the next start of this
    /// process. Default: no store.
    ///
    /// The store needs a key that names the token. A vendor crate makes the key; with
    /// [`Authenticator::builder`](crate::Authenticator::builder), set
    /// [`AuthenticatorBuilder::key`](crate::AuthenticatorBuilder::key).
    ///
    /// The process reads the store before a token request, and uses a valid token that it finds. If
    /// the store has none, one process takes the lease and sends the token request; the other
    /// processes wait for the entry that this process writes. All processes know of a failure, of
    /// the time before which no token request is sent, and of rejected credentials. Each [refresh
    /// token](crate::TokenSource::keeps_refresh_tokens) is used once. The [quota](Self::quota)
    /// counts the token requests of all keys that have the same vendor, issuer and client, as
    /// vendors do.
    ///
    /// If the store does not answer within its [latency budget](TokenStore::latency_budget)
    /// (Default: 50 ms), this process continues without the store and with a
    /// [share](Quota::without_store) of the quota. The process asks the store again after 1 to 4 s.
    /// When the store answers again, the process writes the refused tokens and the token requests
    /// that count against the quota into it.
    ///
    /// The holder of the lease may have lost its network. So a process that is denied the lease for
    /// half of the [deadline](crate::RefreshPolicy::deadline) while callers wait sends one token
    /// request without the lease. Where a user's password is sent, the process waits until the
    /// holder's lease has ended, by default 14 s. After one such wait, later waits take 1 s, until
    /// the store grants a lease again. Where a refresh token is sent, the process always waits for
    /// the lease.
    ///
    /// Credentials that do not expire, and tokens of unknown lifetime, are not stored.
    pub fn store(mut self, store: impl TokenStore) -> Self {
        self.store = Some(SharedTokenStore::new(store));
        self
    }

    /// Sets the clock. Default: [`SystemClock`](crate::SystemClock).
    pub fn clock(mut self, clock: impl Into<SharedClock>) -> Self {
        self.clock = Some(clock.into());
        self
    }

    /// Sets the number of copies of a token's headers. Default: the number of processors, at most
    /// 8. The number is rounded up to a power of two, 1 to 64. Each copy takes about 520 bytes; the
    /// token itself is kept once. Use 1 where one process holds many authenticators that each see
    /// little traffic.
    pub fn shards(mut self, count: usize) -> Self {
        self.shards = Some(limited(count, MAX_SET_SHARDS));
        self
    }

    /// Sets the observer, which is told of token requests, tokens, requests that were not signed or
    /// not replayed, and the state of the store. Default: no observer. All events are also logged.
    ///
    /// Replaces an observer that was set before. For two observers, pass a pair.
    pub fn observer(mut self, observer: impl Observer) -> Self {
        self.observer = Some(SharedObserver::new(observer));
        self
    }

    /// Sets a label that tells this authenticator from others of the same vendor in events, logs
    /// and [`Health`](crate::Health), for example `tenant-7`. Default: no label.
    ///
    /// Metrics have one time series for each label, so keep the number of labels small.
    ///
    /// # Example
    ///
    /// Each authenticator of a map gets its label from the closure:
    ///
    /// ```
    /// use auth_core::{
    ///     ApiKey, Authenticator, AuthenticatorMap, AuthenticatorOptions, Key, KeyPart, Origins, Secret,
    /// };
    ///
    /// # fn main() -> Result<(), auth_core::Error> {
    /// let options = AuthenticatorOptions::new().shards(1);
    /// let authenticators = AuthenticatorMap::builder(move |key: &Key| {
    ///     let tenant = key.get(KeyPart::Client).unwrap_or_default();
    ///     let source = ApiKey::new(Secret::new(format!("fake-key-of-{tenant}")));
    ///     Authenticator::builder(source, Origins::new(["https://api.example.com"])?)
    ///         .options(options.clone().label(tenant))
    ///         .build()
    /// })
    /// .build()?;
    /// let key = Key::builder("example").client("tenant-7").build();
    /// assert_eq!(authenticators.get(&key)?.label(), Some("tenant-7"));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Security
    ///
    /// The label is shown in logs and metrics: use neither a secret nor the name of a person.
    pub fn label(mut self, label: impl Into<Arc<str>>) -> Self {
        self.label = Some(label.into());
        self
    }

    /// Permits token requests for a larger scope when the API answers `insufficient_scope`. Default:
    /// such an answer is returned, and no larger scope is requested.
    pub fn wider_scope(mut self, permitted: WiderScope) -> Self {
        self.wider_scope = Some(Arc::new(permitted));
        self
    }

    /// Sets the policy if none is set. For vendor crates: the vendor's default.
    pub fn default_policy(mut self, policy: RefreshPolicy) -> Self {
        self.policy.get_or_insert_with(|| Arc::new(policy));
        self
    }

    /// Sets the quota if none is set. For vendor crates: the vendor's default.
    ///
    /// # Example
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use auth_core::{AuthenticatorOptions, Quota};
    ///
    /// # fn build(options: AuthenticatorOptions) -> Result<(), auth_core::Error> {
    /// // The vendor documents 20 tokens an hour; the user may have set less.
    /// let options = options.default_quota(Quota::new(20, Duration::from_secs(3600))?);
    /// # Ok(())
    /// # }
    /// ```
    pub fn default_quota(mut self, quota: Quota) -> Self {
        self.quota.get_or_insert(quota);
        self
    }

    /// Returns the clock that [`clock`](Self::clock) set, or [`SystemClock`](crate::SystemClock).
    /// For vendor crates: pass it to the token source, so that source and authenticator read the
    /// same clock.
    #[must_use]
    pub fn shared_clock(&self) -> SharedClock {
        self.clock.clone().unwrap_or_default()
    }

    /// Adds `extra` to the deadline of the policy, for a login that waits for a person.
    #[doc(hidden)]
    pub fn extend_deadline(mut self, extra: Duration) -> Self {
        let policy = Arc::unwrap_or_clone(self.policy.unwrap_or_else(default_policy));
        self.policy = Some(Arc::new(policy.extend_deadline(extra)));
        self
    }

    pub(crate) fn resolve(self) -> Resolved {
        Resolved {
            clock: self.shared_clock(),
            policy: self.policy.unwrap_or_else(default_policy),
            quota: self.quota,
            limit: self.limit,
            store: self.store,
            shards: self.shards.unwrap_or_else(default_shards),
            observer: self.observer,
            label: self.label,
            wider_scope: self.wider_scope,
            names: self.names,
        }
    }
}

/// [`AuthenticatorOptions`] with every default filled in.
pub(crate) struct Resolved {
    pub(crate) policy: Arc<RefreshPolicy>,
    pub(crate) quota: Option<Quota>,
    pub(crate) limit: Option<Arc<TokenRequestLimit>>,
    pub(crate) store: Option<SharedTokenStore>,
    pub(crate) clock: SharedClock,
    pub(crate) shards: u8,
    pub(crate) observer: Option<SharedObserver>,
    pub(crate) label: Option<Arc<str>>,
    pub(crate) wider_scope: Option<Arc<WiderScope>>,
    pub(crate) names: SharedNames,
}

/// All authenticators without a policy share this one.
fn default_policy() -> Arc<RefreshPolicy> {
    static POLICY: LazyLock<Arc<RefreshPolicy>> = LazyLock::new(Arc::default);
    Arc::clone(&POLICY)
}

pub(crate) fn default_shards() -> u8 {
    if cfg!(model) {
        // A model has the same orders on each machine.
        return 2;
    }
    let threads = thread::available_parallelism();
    limited(threads.map_or(1, usize::from), MAX_SHARDS)
}

fn limited(shards: usize, most: u8) -> u8 {
    u8::try_from(shards).unwrap_or(most).clamp(1, most)
}

/// More copies than this bring no measured gain.
const MAX_SHARDS: u8 = 8;
/// The largest number that can be set.
const MAX_SET_SHARDS: u8 = 64;

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    #[test]
    fn defaults_of_a_vendor_apply_only_where_nothing_is_set() {
        let quota = |limit| Quota::new(limit, HOUR).unwrap();
        let policy = |deadline| {
            let policy = RefreshPolicy::default();
            policy.deadline(Duration::from_secs(deadline)).unwrap()
        };
        let vendor = |options: AuthenticatorOptions| {
            let options = options.default_quota(quota(20)).default_policy(policy(30));
            options.resolve()
        };
        let unset = vendor(AuthenticatorOptions::new());
        assert_eq!(unset.quota, Some(quota(20)));
        assert_eq!(*unset.policy, policy(30));
        let set = AuthenticatorOptions::new();
        let set = vendor(set.quota(quota(5)).policy(policy(3)));
        assert_eq!(set.quota, Some(quota(5)));
        assert_eq!(*set.policy, policy(3));
        // A policy that the user sets wins over the vendor's default, also if it equals this
        // crate's default.
        let said = vendor(AuthenticatorOptions::new().policy(RefreshPolicy::default()));
        assert_eq!(*said.policy, RefreshPolicy::default());
    }

    #[test]
    fn options_that_are_not_set_have_the_documented_defaults() {
        let unset = AuthenticatorOptions::new().resolve();
        assert_eq!(*unset.policy, RefreshPolicy::default());
        assert!(unset.quota.is_none() && unset.limit.is_none() && unset.store.is_none());
        assert!((1..=8).contains(&unset.shards));
    }

    #[test]
    fn all_authenticators_without_a_policy_share_one() {
        let unset = || AuthenticatorOptions::new().resolve().policy;
        assert!(Arc::ptr_eq(&unset(), &unset()));
    }

    #[test]
    fn default_number_of_shards_is_the_number_of_threads_up_to_8() {
        let threads = thread::available_parallelism().unwrap().get();
        assert_eq!(usize::from(default_shards()), threads.min(8));
    }

    #[test]
    fn shards_are_kept_between_1_and_64() {
        for (set, kept) in [(0, 1), (1, 1), (8, 8), (64, 64), (65, 64), (usize::MAX, 64)] {
            assert_eq!(
                AuthenticatorOptions::new().shards(set).resolve().shards,
                kept
            );
        }
    }

    #[test]
    fn a_deadline_is_extended_from_the_policy_or_its_default() {
        let minute = Duration::from_secs(60);
        let longer = AuthenticatorOptions::new()
            .extend_deadline(minute)
            .resolve();
        assert_eq!(
            longer.policy.token_request_deadline(),
            Duration::from_secs(70)
        );
        let endless = AuthenticatorOptions::new()
            .extend_deadline(Duration::MAX)
            .resolve();
        assert_eq!(endless.policy.token_request_deadline(), Duration::MAX);
    }
}
