use std::{fmt, time::Duration};

mod shared;

pub use shared::SharedClock;

/// Reads time: the one place where the product does.
///
/// [`SystemClock`] is the default. Tests hand in one that they can turn.
pub trait Clock: Send + Sync + fmt::Debug + 'static {
    /// Reads both clocks. Called once per request, so it has to be cheap and must not block.
    fn now(&self) -> Moment;

    /// Tells clocks apart: authenticators on one clock share their count of rejected logins.
    /// Default: 0, the identity of [`SystemClock`].
    #[doc(hidden)]
    fn identity(&self) -> usize {
        0
    }
}

/// A point in time on two clocks: a monotonic one, which no adjustment moves, and the wall clock,
/// which goes on while the machine sleeps.
///
/// As a deadline it counts as [`reached`](Self::reached) when *either* clock says so. All
/// arithmetic saturates: no number that a vendor sends can make it panic or wrap.
///
/// # Example
///
/// ```
/// use std::time::Duration;
///
/// use auth_core::Moment;
///
/// let start = Moment::new(Duration::from_secs(5), Duration::from_secs(1_700_000_000));
/// let deadline = start + Duration::from_secs(60);
/// assert!(!start.reached(deadline));
/// // The machine slept: the wall clock went on alone.
/// let woken = Moment::new(Duration::from_secs(6), Duration::from_secs(1_700_003_600));
/// assert!(woken.reached(deadline));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Moment {
    mono: u64,
    wall: u64,
}

impl Moment {
    /// A deadline that is never reached.
    pub const NEVER: Self = Self {
        mono: u64::MAX,
        wall: u64::MAX,
    };
    /// A deadline that always was reached.
    pub const PAST: Self = Self { mono: 0, wall: 0 };

    /// Makes a point in time of a monotonic reading (since any fixed origin) and a wall clock
    /// reading (since the Unix epoch). Precise to the nanosecond, saturating after 584 years.
    #[must_use]
    pub fn new(monotonic: Duration, since_unix_epoch: Duration) -> Self {
        Self {
            mono: nanos(monotonic),
            wall: nanos(since_unix_epoch),
        }
    }

    /// Returns the monotonic reading.
    #[must_use]
    pub const fn monotonic(self) -> Duration {
        Duration::from_nanos(self.mono)
    }

    /// Returns the wall clock reading, since the Unix epoch.
    #[must_use]
    pub const fn since_unix_epoch(self) -> Duration {
        Duration::from_nanos(self.wall)
    }

    /// Tells whether a deadline has come, by either clock.
    #[must_use]
    #[inline]
    pub const fn reached(self, deadline: Self) -> bool {
        self.mono >= deadline.mono || self.wall >= deadline.wall
    }

    /// Tells whether a waiting time is over, by the monotonic clock alone: a jump of the wall clock
    /// must not end somebody's back-off.
    #[must_use]
    pub const fn waited_for(self, end: Self) -> bool {
        self.mono >= end.mono
    }

    /// Returns the time left to a deadline, by the clock that reaches it first.
    #[must_use]
    pub const fn until(self, deadline: Self) -> Duration {
        let mono = deadline.mono.saturating_sub(self.mono);
        let wall = deadline.wall.saturating_sub(self.wall);
        Duration::from_nanos(if mono < wall { mono } else { wall })
    }

    /// Returns the waiting time left, by the monotonic clock alone.
    #[must_use]
    pub const fn wait_until(self, end: Self) -> Duration {
        Duration::from_nanos(end.mono.saturating_sub(self.mono))
    }

    /// Returns the time that has passed since an earlier moment, by the monotonic clock.
    #[must_use]
    pub const fn wait_since(self, earlier: Self) -> Duration {
        earlier.wait_until(self)
    }

    /// Returns the earlier of two deadlines, clock by clock.
    #[must_use]
    pub fn earlier(self, other: Self) -> Self {
        Self {
            mono: self.mono.min(other.mono),
            wall: self.wall.min(other.wall),
        }
    }

    /// Returns the later of two deadlines, clock by clock.
    #[must_use]
    pub fn later(self, other: Self) -> Self {
        Self {
            mono: self.mono.max(other.mono),
            wall: self.wall.max(other.wall),
        }
    }

    pub(crate) const fn parts(self) -> (u64, u64) {
        (self.mono, self.wall)
    }

    pub(crate) const fn from_parts(mono: u64, wall: u64) -> Self {
        Self { mono, wall }
    }
}

impl std::ops::Add<Duration> for Moment {
    type Output = Self;

    /// Adds on both clocks, saturating.
    fn add(self, duration: Duration) -> Self {
        let nanos = nanos(duration);
        Self {
            mono: self.mono.saturating_add(nanos),
            wall: self.wall.saturating_add(nanos),
        }
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// The machine's own clocks.
///
/// On Linux it reads the coarse clocks (`CLOCK_MONOTONIC_COARSE`, `CLOCK_REALTIME_COARSE`): exact
/// to a timer tick (1 to 10 ms), at a fraction of the price. A wall clock that is set anew is
/// noticed at the next tick. Elsewhere it reads the standard library's.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct SystemClock;

impl SystemClock {
    /// Makes the clock.
    #[must_use]
    pub const fn new() -> Self {
        Self
    }
}

#[cfg(target_os = "linux")]
impl Clock for SystemClock {
    #[inline]
    fn now(&self) -> Moment {
        use rustix::time::{ClockId, clock_gettime};

        // Both clocks move at the same ticks, so one look tells whether to look at the other.
        let mono = coarse_nanos(clock_gettime(ClockId::MonotonicCoarse));
        let last = LAST.get();
        if last.mono == mono {
            return last;
        }
        next_tick(mono)
    }
}

#[cfg(target_os = "linux")]
thread_local! {
    /// What this thread read last.
    static LAST: std::cell::Cell<Moment> = const { std::cell::Cell::new(Moment::NEVER) };
}

#[cfg(target_os = "linux")]
#[cold]
fn next_tick(mono: u64) -> Moment {
    use rustix::time::{ClockId, clock_gettime};

    let wall = coarse_nanos(clock_gettime(ClockId::RealtimeCoarse));
    let now = Moment { mono, wall };
    LAST.set(now);
    now
}

/// A clock that is set before 1970 reads as 1970. The cheapest way: every request comes by.
#[cfg(target_os = "linux")]
#[inline]
fn coarse_nanos(time: rustix::time::Timespec) -> u64 {
    let seconds = time.tv_sec.max(0) as u64;
    seconds
        .wrapping_mul(1_000_000_000)
        .wrapping_add(time.tv_nsec as u64)
}

#[cfg(not(target_os = "linux"))]
impl Clock for SystemClock {
    #[allow(
        clippy::disallowed_methods,
        reason = "this is the place where time is read"
    )]
    fn now(&self) -> Moment {
        use std::{
            sync::OnceLock,
            time::{Instant, SystemTime},
        };

        static ORIGIN: OnceLock<Instant> = OnceLock::new();
        let monotonic = ORIGIN.get_or_init(Instant::now).elapsed();
        let wall = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        Moment::new(monotonic, wall)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn either_clock_reaches_a_deadline() {
        let start = Moment::new(SECOND, SECOND);
        let deadline = start + SECOND;
        assert!(!start.reached(deadline));
        assert!(Moment::new(2 * SECOND, SECOND).reached(deadline));
        assert!(Moment::new(SECOND, 2 * SECOND).reached(deadline));
    }

    #[test]
    fn a_wall_clock_jump_ends_no_wait() {
        let start = Moment::new(SECOND, SECOND);
        let end = start + SECOND;
        assert!(!Moment::new(SECOND, 900 * SECOND).waited_for(end));
        assert!(Moment::new(2 * SECOND, Duration::ZERO).waited_for(end));
    }

    #[test]
    fn arithmetic_saturates() {
        assert_eq!(Moment::PAST + Duration::MAX, Moment::NEVER);
        assert_eq!(Moment::NEVER + SECOND, Moment::NEVER);
        assert_eq!(Moment::NEVER.until(Moment::PAST), Duration::ZERO);
    }

    #[test]
    fn the_system_clock_goes_forward() {
        let clock = SystemClock::new();
        let first = clock.now();
        assert!(clock.now().waited_for(first));
        assert!(first.since_unix_epoch() > Duration::from_secs(1_600_000_000));
    }

    #[test]
    fn both_system_clocks_move() {
        let clock = SystemClock::new();
        let first = clock.now();
        let next = loop {
            let now = clock.now();
            if now.monotonic() != first.monotonic() {
                break now;
            }
        };
        assert_ne!(next.since_unix_epoch(), first.since_unix_epoch());
    }
}
