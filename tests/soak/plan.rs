//! The faults of a run, drawn from its seed. No clock decides.

use std::time::Duration;

use fastrand::Rng;
use libtest_mimic::Trial;

use crate::check;

/// One fault. It lasts as long as [`Cycle::lasts`] says, unless it has a count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The token endpoint answers late, but within the deadline.
    SlowTokens(Duration),
    /// The token endpoint answers 500.
    TokenErrors,
    /// The token endpoint answers 429 with `Retry-After` in seconds, a number of times.
    Throttled { seconds: u64, times: usize },
    /// The token endpoint resets connections.
    TokenResets,
    /// The token endpoint carries requests out, and their replies are lost.
    LostReplies(usize),
    /// The API refuses all tokens that were issued before.
    Revoked,
    /// The API answers 503, a number of times.
    ApiErrors(usize),
    /// The API resets connections, a number of times.
    ApiResets(usize),
    /// The API answers late.
    SlowApi(Duration),
    /// Redis loses its data, and is gone for a while.
    RedisKilled,
    /// Redis does not answer.
    RedisHalted,
    /// The network to Redis loses all packets.
    RedisSilent,
}

/// What happens after a calm time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cycle {
    pub(crate) faults: Vec<Fault>,
    pub(crate) lasts: Duration,
}

impl Fault {
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::SlowTokens(_) => "slow token endpoint",
            Self::TokenErrors => "500 from the token endpoint",
            Self::Throttled { .. } => "429 with Retry-After",
            Self::TokenResets => "token endpoint resets",
            Self::LostReplies(_) => "replies of the token endpoint lost",
            Self::Revoked => "all tokens revoked",
            Self::ApiErrors(_) => "503 from the API",
            Self::ApiResets(_) => "API resets",
            Self::SlowApi(_) => "slow API",
            Self::RedisKilled => "Redis killed and restarted",
            Self::RedisHalted => "Redis halted",
            Self::RedisSilent => "Redis silent",
        }
    }

    /// A fault of the shared store.
    pub(crate) fn is_of_store(self) -> bool {
        matches!(
            self,
            Self::RedisKilled | Self::RedisHalted | Self::RedisSilent
        )
    }

    fn drawn(random: &mut Rng) -> Self {
        let millis = |random: &mut Rng, range| Duration::from_millis(random.u64(range));
        match random.u8(..9) {
            0 => Self::SlowTokens(millis(random, 100..800)),
            1 => Self::TokenErrors,
            2 => Self::Throttled {
                seconds: random.u64(1..=3),
                times: random.usize(1..=3),
            },
            3 => Self::TokenResets,
            4 => Self::LostReplies(random.usize(1..=2)),
            5 => Self::Revoked,
            6 => Self::ApiErrors(random.usize(1..=20)),
            7 => Self::ApiResets(random.usize(1..=20)),
            _ => Self::SlowApi(millis(random, 50..500)),
        }
    }

    fn of_store(random: &mut Rng) -> Self {
        match random.u8(..3) {
            0 => Self::RedisKilled,
            1 => Self::RedisHalted,
            _ => Self::RedisSilent,
        }
    }
}

/// Draws one cycle after the other.
pub(crate) struct Plan {
    random: Rng,
    has_redis: bool,
    longest: Duration,
}

impl Plan {
    pub(crate) fn new(seed: u64, has_redis: bool, longest: Duration) -> Self {
        Self {
            random: Rng::with_seed(seed),
            has_redis,
            longest,
        }
    }
}

impl Iterator for Plan {
    type Item = Cycle;

    /// One cycle in three has a fault of the store, half of these with one of a vendor. Revoked
    /// tokens come alone, because they must cost no request.
    fn next(&mut self) -> Option<Cycle> {
        let random = &mut self.random;
        // Drawn also where they are not used, so that a seed gives the same other faults with Redis
        // and without.
        let (store, both) = (random.u8(..3) == 0, random.bool());
        let of_store = Fault::of_store(random);
        let other = Fault::drawn(random);
        let most = self.longest.as_millis() as u64;
        let lasts = Duration::from_millis(random.u64(most / 2..=most));
        let faults = match store && self.has_redis {
            true if both && other != Fault::Revoked => vec![of_store, other],
            true => vec![of_store],
            false => vec![other],
        };
        Some(Cycle { faults, lasts })
    }
}

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        check("plan::a_seed_gives_the_same_faults", || {
            let faults = |seed| -> Vec<_> {
                let plan = Plan::new(seed, true, Duration::from_secs(6));
                plan.take(50).collect()
            };
            assert_eq!(faults(7), faults(7));
            assert_ne!(faults(7), faults(8));
        }),
        check("plan::every_fault_is_drawn", || {
            let plan = Plan::new(1, true, Duration::from_secs(6));
            let cycles: Vec<_> = plan.take(200).collect();
            let mut words: Vec<_> = cycles.iter().flat_map(|cycle| &cycle.faults).collect();
            words.sort_unstable_by_key(|fault| fault.words());
            words.dedup_by_key(|fault| fault.words());
            assert_eq!(words.len(), 12);
            let pairs = cycles.iter().filter(|cycle| cycle.faults.len() == 2);
            assert!(pairs.count() > 10);
        }),
        check("plan::without_redis_the_store_has_no_fault", || {
            let plan = Plan::new(1, false, Duration::from_secs(6));
            let mut faults = plan.take(200).flat_map(|cycle| cycle.faults);
            assert!(faults.all(|fault| !fault.is_of_store()));
        }),
    ]
}
