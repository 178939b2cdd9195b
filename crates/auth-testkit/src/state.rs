use std::{
    collections::{HashSet, VecDeque},
    fmt,
    sync::Mutex,
    time::{Duration, SystemTime},
};

use http::{HeaderValue, header};
use serde_json::json;

use crate::{
    Answer, Counters, RetryAfter, Script, TokenUse, counters::Tally, ledger::Ledger, queue::lock,
    quota::Window, record::Record, refresh::Refreshes, settings::Settings, upload,
};

/// A server without its sockets and its vendor: settings, script and memory.
pub(crate) struct State {
    pub(crate) settings: Settings,
    secrets: Mutex<Secrets>,
    pub(crate) token: Script,
    pub(crate) api: Script,
    pub(crate) stray: Script,
    pub(crate) tally: Tally,
    pub(crate) record: Record,
    ledger: Mutex<Ledger>,
    refreshes: Mutex<Refreshes>,
    quota: Option<Mutex<Window>>,
    arrivals: Mutex<VecDeque<Duration>>,
}

/// What a client must know, and other values that must not leak.
#[derive(Default)]
pub(crate) struct Secrets {
    pub(crate) client: String,
    pub(crate) password: String,
    /// Secrets that the rules created, or that were valid before.
    pub(crate) others: Vec<String>,
}

impl State {
    pub(crate) fn new(settings: Settings, secrets: Secrets, name: &str) -> Self {
        let salt = [name, "\0", &settings.client_id]
            .iter()
            .fold(upload::HASH_START, |salt, part| {
                upload::hash_on(salt, part.as_bytes())
            });
        let quota = settings
            .quota
            .map(|(limit, window)| Mutex::new(Window::new(limit, window)));
        Self {
            settings,
            secrets: Mutex::new(secrets),
            token: Script::default(),
            api: Script::default(),
            stray: Script::default(),
            tally: Tally::default(),
            record: Record::default(),
            ledger: Mutex::new(Ledger::new(salt)),
            refreshes: Mutex::new(Refreshes::new(salt)),
            quota,
            arrivals: Mutex::default(),
        }
    }

    /// The server's own time: the time since its creation, without jumps of a client's clock.
    pub(crate) fn now(&self) -> Duration {
        self.settings.clock.world_elapsed()
    }

    pub(crate) fn client_secret(&self) -> String {
        lock(&self.secrets).client.clone()
    }

    pub(crate) fn change_client_secret(&self, secret: String) {
        let mut secrets = lock(&self.secrets);
        let old = std::mem::replace(&mut secrets.client, secret);
        secrets.others.push(old);
    }

    /// The user's password as it is now, if there is a user.
    pub(crate) fn user_password(&self) -> Option<String> {
        self.settings.user.as_ref()?;
        Some(lock(&self.secrets).password.clone())
    }

    /// Tells whether these are the user's name and password now.
    pub(crate) fn is_user(&self, name: &str, password: &str) -> bool {
        self.settings.user.as_deref() == Some(name)
            && self.user_password().as_deref() == Some(password)
    }

    pub(crate) fn change_password(&self, password: String) {
        let mut secrets = lock(&self.secrets);
        let old = std::mem::replace(&mut secrets.password, password);
        secrets.others.push(old);
    }

    pub(crate) fn remember_secret(&self, secret: String) {
        lock(&self.secrets).others.push(secret);
    }

    /// Everything that must not leak, tokens included; without empty values and duplicates.
    pub(crate) fn all_secrets(&self) -> Vec<String> {
        let mut all = {
            let secrets = lock(&self.secrets);
            let mut all = vec![secrets.client.clone(), secrets.password.clone()];
            all.extend(secrets.others.iter().cloned());
            all
        };
        all.extend(self.ledger(|ledger| ledger.tokens()));
        all.extend(self.refreshes(|refreshes| refreshes.tokens()));
        let mut seen = HashSet::new();
        all.retain(|secret| !secret.is_empty() && seen.insert(secret.clone()));
        all
    }

    pub(crate) fn ledger<T>(&self, work: impl FnOnce(&mut Ledger) -> T) -> T {
        work(&mut lock(&self.ledger))
    }

    pub(crate) fn refreshes<T>(&self, work: impl FnOnce(&mut Refreshes) -> T) -> T {
        work(&mut lock(&self.refreshes))
    }

    pub(crate) fn token_uses(&self) -> Vec<TokenUse> {
        self.ledger(|ledger| ledger.uses())
    }

    pub(crate) fn counters(&self) -> Counters {
        self.tally.snapshot()
    }

    pub(crate) fn max_token_requests_within(&self, window: Duration) -> usize {
        crate::quota::densest(&lock(&self.arrivals), window)
    }

    pub(crate) fn token_request_times(&self) -> Vec<Duration> {
        lock(&self.arrivals).iter().copied().collect()
    }

    pub(crate) fn reset(&self) {
        self.tally.reset();
        self.record.clear();
        lock(&self.arrivals).clear();
        if let Some(quota) = &self.quota {
            lock(quota).clear();
        }
    }

    /// Frees the slot of a request when its token expires, if that is the quota's rule.
    pub(crate) fn slot_until(&self, slot: Option<u64>, until: Duration) {
        if let (Some(slot), Some(quota), true) =
            (slot, &self.quota, self.settings.quota_of_live_tokens)
        {
            lock(quota).free_at(slot, until);
        }
    }

    /// Counts an arrival at the token endpoint. Returns the number of its slot if there is a quota,
    /// or the time until the next slot frees.
    pub(crate) fn take_slot(&self, now: Duration) -> Result<Option<u64>, Duration> {
        let mut arrivals = lock(&self.arrivals);
        if arrivals.len() == KEEP_ARRIVALS {
            arrivals.pop_front();
        }
        arrivals.push_back(now);
        match &self.quota {
            Some(quota) => lock(quota).take(now).map(Some),
            None => Ok(None),
        }
    }

    pub(crate) fn over_quota(&self, wait: Duration) -> Answer {
        self.tally.over_quota();
        let mut answer = Answer::json(
            self.settings.quota_status,
            &json!({ "message": "too many tokens were requested in the last hour" }),
        );
        let text = match self.settings.quota_retry_after {
            RetryAfter::Absent => return answer,
            RetryAfter::Seconds => wait.as_millis().div_ceil(1000).to_string(),
            RetryAfter::HttpDate => {
                let at = self.settings.clock.world_wall().saturating_add(wait);
                http_date(Duration::from_secs(at.as_millis().div_ceil(1000) as u64))
            }
        };
        if let Ok(value) = HeaderValue::try_from(text) {
            answer.headers.push((header::RETRY_AFTER, value));
        }
        answer
    }

    pub(crate) fn date(&self) -> Option<(header::HeaderName, HeaderValue)> {
        let date = http_date(self.settings.clock.world_wall());
        HeaderValue::try_from(date)
            .ok()
            .map(|date| (header::DATE, date))
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State")
            .field("counters", &self.counters())
            .finish_non_exhaustive()
    }
}

fn http_date(since_unix_epoch: Duration) -> String {
    // The format ends with the year 9999.
    let latest = Duration::from_secs(253_402_300_799);
    httpdate::fmt_http_date(SystemTime::UNIX_EPOCH + since_unix_epoch.min(latest))
}

/// The number of arrivals at the token endpoint that are remembered for
/// `max_token_requests_within`.
const KEEP_ARRIVALS: usize = 100_000;
