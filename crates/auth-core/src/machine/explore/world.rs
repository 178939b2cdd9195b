//! Small worlds: their parts, and what may happen.

use std::sync::Arc;

use super::*;

/// A world and its possible moves. Times are in seconds, which are the clock's ticks.
#[derive(Clone)]
pub(super) struct World {
    pub(super) name: &'static str,
    pub(super) processes: usize,
    /// The processes share a store.
    pub(super) shares: bool,
    pub(super) policy: RefreshPolicy,
    pub(super) quota: Option<(u32, u32)>,
    /// The lifetime of tokens.
    pub(super) lifetime: u32,
    pub(super) horizon: u32,
    /// The number of faults in one story.
    pub(super) faults: u8,
    pub(super) may: May,
    pub(super) vendor: Kind,
}

/// The kind of vendor.
#[derive(Clone, Copy, Default)]
pub(super) struct Kind {
    /// Tokens are requested with refresh tokens, and each refresh token may be sent once.
    pub(super) rotates: bool,
    /// No credentials bring a token without a refresh token.
    pub(super) needs_refresh_token: bool,
    /// A new token ends the previous one.
    pub(super) one_live: bool,
    /// Rejected logins may lock the account. The first credentials are wrong.
    pub(super) lockable: bool,
    /// Tokens have expired when they arrive.
    pub(super) expired: bool,
}

/// The possible faults. Each one costs one of [`World::faults`].
#[derive(Clone, Copy, Default)]
pub(super) struct May {
    pub(super) crash: bool,
    pub(super) stop: bool,
    pub(super) give_up: bool,
    pub(super) set_clock: bool,
    pub(super) store_fails: bool,
    /// The store denies the lease, or reports that a write was lost.
    pub(super) store_denies: bool,
    pub(super) wipe: bool,
    pub(super) roll_back: bool,
    pub(super) rubbish: bool,
    pub(super) not_sent: bool,
    pub(super) reply_lost: bool,
    pub(super) page: bool,
    pub(super) throttle: Option<u32>,
    pub(super) revoke: bool,
    pub(super) refuse_falsely: bool,
    /// Not a fault: the API accepts tokens, and callers report it.
    pub(super) accept: bool,
    pub(super) prolong: bool,
    /// The operator wants a new token now.
    pub(super) renew: bool,
    /// The operator drops the cached token.
    pub(super) invalidate: bool,
    /// The clock of the store's server is set back.
    pub(super) set_store_back: Option<u32>,
}

/// One move.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Move {
    Tick,
    Demand(usize),
    Prolong(usize),
    Renew(usize),
    Invalidate(usize),
    Accept(usize),
    Refuse(usize),
    /// A flight continues. If the flag is set, the flight is one that was given up.
    Step(usize, bool, Result_),
    Crash(usize),
    Stop(usize),
    GiveUp(usize),
    SetClock(usize, i32),
    SetStoreBack(u32),
    Wipe,
    RollBack,
    Rubbish,
    Revoke,
}

/// How an order ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Result_ {
    Well,
    /// The store takes nothing, and fails.
    FailsBefore,
    /// The store takes it, and its answer is lost.
    FailsAfter,
    Denied,
    NotSent,
    /// The token request or its reply is lost.
    LostBefore,
    LostAfter,
    Page,
    Throttled,
    /// The reply to a token request arrives.
    Arrives,
}

impl World {
    pub(super) fn quota(&self) -> Option<Quota> {
        self.quota
            .map(|(limit, window)| Quota::new(limit, secs(window)).unwrap())
    }

    /// The policy's times fit the ticks.
    pub(super) fn policy() -> RefreshPolicy {
        RefreshPolicy::default()
            .refresh_at(0.5)
            .unwrap()
            .jitter(0.0)
            .unwrap()
            .margin(secs(1))
            .unwrap()
            .deadline(secs(1))
            .unwrap()
            .min_interval(secs(1))
            .unwrap()
            .backoff(secs(1), secs(2))
            .unwrap()
            .max_retry_after(secs(4))
            .probe_interval(secs(3))
            .unwrap()
    }

    /// One process with a store, a vendor without quota, and two faults.
    pub(super) fn one(name: &'static str) -> Self {
        Self {
            name,
            processes: 1,
            shares: true,
            policy: Self::policy(),
            quota: None,
            lifetime: 4,
            horizon: 5,
            faults: 2,
            may: May::default(),
            vendor: Kind::default(),
        }
    }

    /// Two processes that share a store, and one fault.
    pub(super) fn two(name: &'static str) -> Self {
        Self {
            processes: 2,
            lifetime: 3,
            horizon: 2,
            faults: 1,
            ..Self::one(name)
        }
    }

    pub(super) fn rules(&self, owner: String) -> Rules {
        Rules {
            policy: Arc::new(self.policy.clone()),
            quota: self.quota(),
            shares: self.shares,
            keeps_refresh_tokens: self.vendor.rotates,
            needs_refresh_token: self.vendor.needs_refresh_token,
            owner: owner.into(),
        }
    }
}
