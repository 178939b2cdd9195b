//! The decisions of a seed before the run.

use std::time::Duration;

use fastrand::Rng;

/// The settings of one run.
#[derive(Clone, Debug)]
pub(crate) struct Scenario {
    pub(crate) steps: usize,
    /// The usual lifetime of the vendor's tokens.
    pub(crate) lifetime: Duration,
    pub(crate) replay: ReplayMode,
    /// How many of 100 token requests have a fault.
    pub(crate) token_faults: u8,
    /// How many of 100 API responses have a fault.
    pub(crate) api_faults: u8,
    /// How many of 100 operations are neither requests nor waiting.
    pub(crate) events: u8,
    pub(crate) quota: Option<u32>,
    /// Whether the service below needs time to become ready.
    pub(crate) slow_readiness: bool,
}

/// How the layer keeps bodies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReplayMode {
    /// The default: here only empty bodies.
    Cheap,
    /// With `replay_with`: bodies that are not streams.
    With,
    Off,
}

impl Scenario {
    pub(crate) fn draw(rng: &mut Rng) -> Self {
        let replay = match rng.u8(0..10) {
            0..2 => ReplayMode::Cheap,
            2..9 => ReplayMode::With,
            _ => ReplayMode::Off,
        };
        // Evenly distributed over the orders of magnitude between one second and two hours.
        let lifetime = 7_200_f64.powf(rng.f64()).floor().max(1.0);
        let slow_readiness = lifetime > 60.0 && rng.u8(0..4) == 0;
        Self {
            steps: rng.usize(12..45),
            lifetime: Duration::from_secs_f64(lifetime),
            replay,
            token_faults: choose(rng, [0, 5, 20, 20, 50, 90]),
            api_faults: choose(rng, [0, 2, 10, 30]),
            events: choose(rng, [0, 10, 30]),
            quota: (rng.u8(0..5) == 0).then(|| rng.u32(3..20)),
            slow_readiness,
        }
    }
}

pub(crate) fn choose<T: Copy, const N: usize>(rng: &mut Rng, from: [T; N]) -> T {
    from[rng.usize(0..N)]
}

/// Chooses a waiting time: mostly short, sometimes long, sometimes about the lifetime of a token.
pub(crate) fn pause(rng: &mut Rng, lifetime: Duration) -> Duration {
    match rng.u8(0..12) {
        0..2 => Duration::ZERO,
        2..4 => Duration::from_millis(rng.u64(1..50)),
        4..7 => Duration::from_millis(rng.u64(50..3_000)),
        7..9 => Duration::from_millis(rng.u64(3_000..70_000)),
        9..11 => lifetime.mul_f64(rng.f64() * 1.3),
        _ => Duration::from_secs(rng.u64(60..1_200)),
    }
}
