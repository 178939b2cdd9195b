use super::*;

pub(super) const EARLIEST: Jitter = Jitter(u32::MAX);
const LATEST: Jitter = Jitter(0);

/// A policy, a quota, and what may happen; durations in [`UNIT`]s.
pub(super) struct World {
    pub(super) policy: RefreshPolicy,
    /// So many exchanges in such a window.
    pub(super) quota: Option<(u32, u32)>,
    /// So many failures in a row make the longest back-off.
    pub(super) enough: u32,
    /// An exchange takes so long at most.
    pub(super) deadline: u32,
    /// Lifetime and hint of the tokens that the vendor gives.
    pub(super) tokens: &'static [(Option<u32>, Option<u32>, Jitter)],
    /// How it fails, and after what time it asks to be asked again.
    pub(super) failures: &'static [(Failure, Option<u32>, Jitter)],
    /// By so many seconds the wall clock may jump, up to `jumps` times.
    pub(super) steps: &'static [i64],
    pub(super) jumps: u8,
    /// Somebody may ask for a longer life at any time, which makes a world much larger.
    pub(super) prolongs: bool,
    /// What is wanted may be found with other processes, failures included.
    pub(super) shares: bool,
}

impl World {
    pub(super) fn quota(&self) -> Option<Quota> {
        self.quota
            .map(|(limit, units)| Quota::new(limit, units * UNIT))
    }

    pub(super) fn window(&self) -> Duration {
        self.quota.map_or(ZERO, |(_, units)| units * UNIT)
    }

    pub(super) fn longest_gate(&self) -> Duration {
        let probe = self.policy.probe_after(EARLIEST);
        let asked = self.policy.retry_after(Duration::MAX);
        probe.max(asked).max(self.window())
    }
}

/// Durations of a few units.
fn policy() -> RefreshPolicy {
    RefreshPolicy::default()
        .refresh_at(0.5)
        .jitter(0.25)
        .default_lifetime(3 * UNIT)
        .max_lifetime(10 * UNIT)
        .min_interval(UNIT)
        .backoff(2 * UNIT, 4 * UNIT)
        .max_retry_after(3 * UNIT)
        .probe_interval(5 * UNIT)
}

#[test]
fn every_state_without_a_quota_keeps_the_promises() {
    let world = World {
        policy: policy(),
        enough: 3,
        quota: None,
        deadline: 2,
        tokens: &[
            (None, None, LATEST),
            (Some(0), None, LATEST),
            (Some(1), None, LATEST),
            (Some(4), None, LATEST),
            (Some(4), None, EARLIEST),
            (Some(20), None, LATEST),
            (Some(20), None, EARLIEST),
            (Some(20), Some(0), LATEST),
        ],
        failures: &[
            (Failure::Transient, None, LATEST),
            (Failure::Transient, None, EARLIEST),
            (Failure::Transient, Some(2), LATEST),
            (Failure::Transient, Some(9), LATEST),
            (Failure::Terminal, None, LATEST),
            (Failure::Terminal, Some(2), EARLIEST),
            (Failure::Quota, None, LATEST),
            (Failure::Quota, Some(2), LATEST),
        ],
        steps: &[],
        jumps: 0,
        prolongs: false,
        shares: false,
    };
    explore(&world, 17_000, 240_000);
}

#[test]
fn every_state_with_two_slots_keeps_the_promises() {
    let world = World {
        policy: policy(),
        enough: 3,
        quota: Some((2, 6)),
        deadline: 1,
        tokens: &[
            (None, None, LATEST),
            (Some(0), None, LATEST),
            (Some(4), None, EARLIEST),
            (Some(20), None, LATEST),
        ],
        failures: &[
            (Failure::Transient, None, LATEST),
            (Failure::Transient, Some(2), LATEST),
            (Failure::Terminal, None, LATEST),
            (Failure::Quota, None, LATEST),
        ],
        steps: &[],
        jumps: 0,
        prolongs: true,
        shares: false,
    };
    explore(&world, 8_000, 60_000);
}

#[test]
fn every_state_with_one_slot_keeps_the_promises() {
    let world = World {
        policy: policy(),
        enough: 3,
        quota: Some((1, 4)),
        deadline: 1,
        tokens: &[
            (None, None, LATEST),
            (Some(0), None, LATEST),
            (Some(2), None, LATEST),
            (Some(20), None, LATEST),
        ],
        failures: &[
            (Failure::Transient, None, LATEST),
            (Failure::Terminal, None, LATEST),
            (Failure::Quota, None, LATEST),
        ],
        steps: &[],
        jumps: 0,
        prolongs: true,
        shares: false,
    };
    explore(&world, 450, 3_000);
}

#[test]
fn every_state_with_five_slots_keeps_the_promises() {
    let world = World {
        policy: policy(),
        enough: 3,
        quota: Some((5, 6)),
        deadline: 0,
        tokens: &[(None, None, LATEST), (Some(20), None, LATEST)],
        failures: &[(Failure::Transient, None, LATEST)],
        steps: &[],
        jumps: 0,
        prolongs: true,
        shares: false,
    };
    explore(&world, 55_000, 360_000);
}

#[test]
fn every_state_of_one_process_of_many_keeps_the_promises() {
    let world = World {
        policy: policy(),
        enough: 2,
        quota: Some((2, 6)),
        deadline: 1,
        tokens: &[(Some(4), None, LATEST), (Some(20), None, LATEST)],
        failures: &[
            (Failure::Transient, Some(2), LATEST),
            (Failure::OwnQuota, Some(3), LATEST),
        ],
        steps: &[],
        jumps: 0,
        prolongs: false,
        shares: true,
    };
    explore(&world, 3_000, 20_000);
}

#[test]
fn g20_every_state_with_jumping_clocks_keeps_the_promises() {
    let world = World {
        policy: policy(),
        enough: 3,
        quota: None,
        deadline: 1,
        tokens: &[(Some(4), None, LATEST), (Some(20), None, LATEST)],
        failures: &[(Failure::Transient, None, LATEST)],
        steps: &[-50, 2, 50],
        jumps: 2,
        prolongs: false,
        shares: false,
    };
    explore(&world, 25_000, 230_000);
}

#[test]
fn g20_every_state_with_slots_and_a_jumping_clock_keeps_the_promises() {
    let world = World {
        policy: policy(),
        enough: 3,
        quota: Some((2, 6)),
        deadline: 1,
        tokens: &[(Some(4), None, LATEST), (Some(20), None, LATEST)],
        failures: &[(Failure::Transient, None, LATEST)],
        steps: &[-50, 4, 50],
        jumps: 1,
        prolongs: true,
        shares: false,
    };
    explore(&world, 12_000, 95_000);
}

#[test]
fn every_state_with_longer_lives_asked_for_keeps_the_promises() {
    let world = World {
        policy: policy(),
        enough: 2,
        quota: None,
        deadline: 1,
        tokens: &[(Some(0), None, LATEST), (Some(4), None, LATEST)],
        failures: &[
            (Failure::Transient, None, LATEST),
            (Failure::Terminal, None, LATEST),
        ],
        steps: &[],
        jumps: 0,
        prolongs: true,
        shares: false,
    };
    explore(&world, 3_000, 40_000);
}
