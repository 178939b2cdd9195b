use std::{
    collections::HashSet,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use auth_core::{AccessToken, Error, ErrorKind};
use fastrand::Rng;
use tokio::time::{Instant, sleep};

use super::HOUR;

/// The vendor and its API. They know the valid tokens, and count requests.
#[derive(Clone)]
pub(super) struct Vendor(Arc<Mutex<State>>);

pub(super) struct State {
    pub(super) rng: Rng,
    pub(super) quota: u32,
    pub(super) lifetime: Duration,
    pub(super) is_down: bool,
    /// The token requests, and until when each one counts.
    pub(super) token_requests: Vec<Counted>,
    pub(super) refused_by_quota: u64,
    pub(super) failures: u64,
    good: HashSet<String>,
}

/// A token request counts for one hour, or until its token expires if that is sooner.
#[derive(Clone, Copy)]
pub(super) struct Counted {
    pub(super) at: Instant,
    pub(super) until: Instant,
}

impl Vendor {
    pub(super) fn new(rng: Rng, quota: u32, lifetime: Duration) -> Self {
        Self(Arc::new(Mutex::new(State {
            rng,
            quota,
            lifetime,
            is_down: false,
            token_requests: Vec::new(),
            refused_by_quota: 0,
            failures: 0,
            good: HashSet::new(),
        })))
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// Serves one token request.
    pub(super) async fn token_request(&self) -> Result<AccessToken, Error> {
        let (there, back) = {
            let rng = &mut self.state().rng;
            (rng.u64(1..200), rng.u64(1..200))
        };
        sleep(Duration::from_millis(there)).await;
        let answer = self.state().answer();
        sleep(Duration::from_millis(back)).await;
        answer
    }

    pub(super) fn accepts(&self, token: &str) -> bool {
        self.state().good.contains(token)
    }

    pub(super) fn revoke_all(&self) {
        self.state().good.clear();
    }
}

impl State {
    fn answer(&mut self) -> Result<AccessToken, Error> {
        let now = Instant::now();
        let counts = |counted: &&Counted| now < counted.until;
        let used = self.token_requests.iter().filter(counts).count();
        self.token_requests.push(Counted {
            at: now,
            until: now + HOUR,
        });
        if used >= self.quota as usize {
            self.refused_by_quota += 1;
            let error = Error::new(ErrorKind::Quota, "vendor: too many tokens");
            return Err(error);
        }
        if self.is_down {
            self.failures += 1;
            return Err(Error::new(ErrorKind::Unavailable, "vendor: down"));
        }
        let token = format!("fake-token-{}", self.token_requests.len());
        self.good.insert(token.clone());
        if let Some(counted) = self.token_requests.last_mut() {
            counted.until = now + self.lifetime.min(HOUR);
        }
        Ok(AccessToken::new(token).expires_in(self.lifetime))
    }
}
