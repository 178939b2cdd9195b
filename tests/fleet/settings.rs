//! The settings of a run, from the environment.

use std::env;

/// Returns the seed of this run: the one in the environment, or a new one.
pub(crate) fn seed() -> u64 {
    env::var("AUTH_FLEET_SEED").map_or_else(|_| fastrand::u64(..1 << 32), |s| s.parse().unwrap())
}

/// Returns how often each point is tested.
pub(crate) fn runs(default: u64) -> u64 {
    env::var("AUTH_FLEET_RUNS").map_or(default, |runs| runs.parse().unwrap())
}
