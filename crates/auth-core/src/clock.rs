use std::{fmt, num::NonZeroU64, time::Duration};

mod shared;

pub use shared::SharedClock;

/// Reads the time. This crate reads the time only through this trait.
///
/// [`SystemClock`] is the default. Tests use a clock that they can set.
pub trait Clock: Send + Sync + fmt::Debug + 'static {
    /// Reads both clocks. Called once for each request, so a reading must be cheap and must not
    /// block. The result may be a few milliseconds behind the true time, and is never ahead of it.
    fn now(&self) -> Moment;

    /// Reads both clocks without lag. Called seldom, for deadlines that were promised to others
    /// (`Retry-After`, a quota slot). Such a deadline, `precise() + wait`, is never reached early
    /// by [`now`](Self::now), and is reached late by at most the lag. Default: [`now`](Self::now),
    /// for clocks without lag.
    fn precise(&self) -> Moment {
        self.now()
    }

    /// Identifies the clock: authenticators on the same clock share their count of rejected logins.
    /// Default: 0, the identity of [`SystemClock`].
    #[doc(hidden)]
    fn identity(&self) -> usize {
        0
    }
}

/// A point in time on two clocks: a monotonic clock, which no adjustment changes, and the wall
/// clock.
///
/// On Linux both clocks advance while the machine is suspended. On other systems the wall clock
/// does, and the monotonic clock may stand still. In a virtual machine that its host stops, both
/// clocks may lose that time until the wall clock is corrected.
///
/// A deadline is [`reached`](Self::reached) when *either* clock reaches it. All arithmetic
/// saturates: no number that a vendor sends causes a panic or an overflow.
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
    /// One more than the reading in nanoseconds, so that `Option<Moment>` takes no more room. The
    /// additional nanosecond changes no comparison and no difference.
    mono: NonZeroU64,
    wall: u64,
}

impl Moment {
    /// A deadline that is never reached.
    pub(crate) const NEVER: Self = Self {
        mono: NonZeroU64::MAX,
        wall: u64::MAX,
    };
    /// A deadline that is always reached.
    pub const PAST: Self = Self {
        mono: NonZeroU64::MIN,
        wall: 0,
    };

    /// Makes a point in time from a monotonic reading (since any fixed origin) and a wall clock
    /// reading (since the Unix epoch). Precise to the nanosecond. Saturates after 584 years.
    #[must_use]
    pub fn new(monotonic: Duration, since_unix_epoch: Duration) -> Self {
        Self {
            mono: after_reading(nanos(monotonic)),
            wall: nanos(since_unix_epoch),
        }
    }

    /// Returns the monotonic reading.
    #[must_use]
    pub const fn monotonic(self) -> Duration {
        Duration::from_nanos(self.mono.get() - 1)
    }

    /// Returns the wall clock reading, since the Unix epoch.
    #[must_use]
    pub const fn since_unix_epoch(self) -> Duration {
        Duration::from_nanos(self.wall)
    }

    /// Returns whether a deadline is reached on either clock.
    #[must_use]
    #[inline]
    pub const fn reached(self, deadline: Self) -> bool {
        self.mono.get() >= deadline.mono.get() || self.wall >= deadline.wall
    }

    /// Returns whether a waiting time is over on the monotonic clock. A jump of the wall clock must
    /// not end a back-off.
    ///
    /// If the monotonic clock counts the time that the machine is suspended, so does a back-off:
    /// the vendor counts a `Retry-After` in real time.
    #[must_use]
    pub const fn waited_for(self, end: Self) -> bool {
        self.mono.get() >= end.mono.get()
    }

    /// Returns the time until a deadline, by the clock that reaches it first.
    #[must_use]
    pub const fn until(self, deadline: Self) -> Duration {
        let mono = deadline.mono.get().saturating_sub(self.mono.get());
        let wall = deadline.wall.saturating_sub(self.wall);
        Duration::from_nanos(if mono < wall { mono } else { wall })
    }

    /// Returns the rest of a waiting time, by the monotonic clock only.
    #[must_use]
    pub const fn wait_until(self, end: Self) -> Duration {
        Duration::from_nanos(end.mono.get().saturating_sub(self.mono.get()))
    }

    /// Returns the time since an earlier moment, by the monotonic clock.
    #[must_use]
    pub const fn wait_since(self, earlier: Self) -> Duration {
        earlier.wait_until(self)
    }

    /// Returns the earlier of two deadlines, for each clock separately.
    pub(crate) fn earlier(self, other: Self) -> Self {
        Self {
            mono: self.mono.min(other.mono),
            wall: self.wall.min(other.wall),
        }
    }

    /// Returns the later of two deadlines, for each clock separately.
    pub(crate) fn later(self, other: Self) -> Self {
        Self {
            mono: self.mono.max(other.mono),
            wall: self.wall.max(other.wall),
        }
    }

    /// Returns a number for each clock. Later readings have larger numbers.
    pub(crate) const fn parts(self) -> (u64, u64) {
        (self.mono.get(), self.wall)
    }

    pub(crate) const fn from_parts(mono: u64, wall: u64) -> Self {
        let mono = match NonZeroU64::new(mono) {
            Some(mono) => mono,
            None => NonZeroU64::MIN,
        };
        Self { mono, wall }
    }

    /// Returns whether a deadline with these [parts](Self::parts) is reached on either clock.
    #[inline(always)]
    pub(crate) const fn reached_parts(self, mono: u64, wall: u64) -> bool {
        self.mono.get() >= mono || self.wall >= wall
    }

    /// Returns the deadline that only the monotonic clock reaches: a jump of the wall clock does
    /// not.
    pub(crate) const fn by_monotonic(self) -> Self {
        Self::from_parts(self.mono.get(), u64::MAX)
    }
}

impl std::ops::Add<Duration> for Moment {
    type Output = Self;

    /// Adds on both clocks. Saturates.
    fn add(self, duration: Duration) -> Self {
        let nanos = nanos(duration);
        Self {
            mono: self.mono.saturating_add(nanos),
            wall: self.wall.saturating_add(nanos),
        }
    }
}

const fn after_reading(nanos: u64) -> NonZeroU64 {
    NonZeroU64::MIN.saturating_add(nanos)
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// The clocks of the operating system.
///
/// On Linux [`now`](Clock::now) reads the coarse clocks (`CLOCK_MONOTONIC_COARSE`,
/// `CLOCK_REALTIME_COARSE`), which are late by at most a timer tick (1 to 10 ms) and much cheaper
/// to read. The time that the machine was suspended is added to the monotonic reading. A suspend,
/// or a wall clock that was set, is noticed at the next tick. [`precise`](Clock::precise) reads
/// `CLOCK_BOOTTIME` and `CLOCK_REALTIME`, exact to the nanosecond. On other systems both methods
/// read the standard library's clocks.
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

        // Both clocks change at the same ticks, so an unchanged first reading makes the second
        // unnecessary.
        let tick = nanos_of(clock_gettime(ClockId::MonotonicCoarse));
        let last = LAST.get();
        if last.tick == tick {
            return last.now;
        }
        next_tick(tick)
    }

    fn precise(&self) -> Moment {
        use rustix::time::{ClockId, clock_gettime};

        Moment {
            mono: after_reading(nanos_of(clock_gettime(ClockId::Boottime))),
            wall: nanos_of(clock_gettime(ClockId::Realtime)),
        }
    }
}

/// The last reading of a thread.
#[cfg(target_os = "linux")]
#[derive(Clone, Copy)]
struct Reading {
    /// `CLOCK_MONOTONIC_COARSE`.
    tick: u64,
    now: Moment,
}

#[cfg(target_os = "linux")]
thread_local! {
    static LAST: std::cell::Cell<Reading> = const {
        std::cell::Cell::new(Reading { tick: u64::MAX, now: Moment::NEVER })
    };
}

#[cfg(target_os = "linux")]
#[cold]
fn next_tick(tick: u64) -> Moment {
    use rustix::time::{ClockId, clock_gettime};

    let now = Moment {
        mono: after_reading(tick.saturating_add(suspended())),
        wall: nanos_of(clock_gettime(ClockId::RealtimeCoarse)),
    };
    LAST.set(Reading { tick, now });
    now
}

/// How long the machine was suspended since it started: the difference of `CLOCK_BOOTTIME` and
/// `CLOCK_MONOTONIC`, because there is no coarse `CLOCK_BOOTTIME`.
///
/// `CLOCK_MONOTONIC` is read last, so each difference is too small by the time between the two
/// readings, and never too large. The largest difference of all threads is kept. So `now` is never
/// ahead of `CLOCK_BOOTTIME`, and never goes back on one thread.
#[cfg(target_os = "linux")]
fn suspended() -> u64 {
    use std::sync::atomic::{AtomicU64, Ordering};

    use rustix::time::{ClockId, clock_gettime};

    static LONGEST: AtomicU64 = AtomicU64::new(0);
    let boot = nanos_of(clock_gettime(ClockId::Boottime));
    let mono = nanos_of(clock_gettime(ClockId::Monotonic));
    let seen = boot.saturating_sub(mono);
    let longest = LONGEST.load(Ordering::Relaxed);
    if seen <= longest {
        return longest;
    }
    LONGEST.fetch_max(seen, Ordering::Relaxed).max(seen)
}

/// A clock that is set before 1970 reads as 1970. Optimized, because every request reads the clock.
#[cfg(target_os = "linux")]
#[inline]
fn nanos_of(time: rustix::time::Timespec) -> u64 {
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
    fn the_time_until_a_deadline_is_that_of_the_clock_that_reaches_it_first() {
        let deadline = Moment::new(9 * SECOND, 9 * SECOND);
        for (mono, wall, left) in [(2, 5, 4), (5, 2, 4), (5, 5, 4), (10, 2, 0), (2, 10, 0)] {
            let now = Moment::new(mono * SECOND, wall * SECOND);
            assert_eq!(now.until(deadline), left * SECOND, "{mono} {wall}");
        }
    }

    #[test]
    fn a_wall_clock_jump_ends_no_wait() {
        let start = Moment::new(SECOND, SECOND);
        let end = start + SECOND;
        assert!(!Moment::new(SECOND, 900 * SECOND).waited_for(end));
        assert!(Moment::new(2 * SECOND, Duration::ZERO).waited_for(end));
    }

    #[test]
    fn readings_come_back_and_an_option_takes_no_more_room() {
        assert_eq!(size_of::<Option<Moment>>(), size_of::<Moment>());
        for monotonic in [Duration::ZERO, Duration::from_nanos(1), SECOND] {
            let moment = Moment::new(monotonic, 2 * SECOND);
            assert_eq!(moment.monotonic(), monotonic);
            assert_eq!(moment.since_unix_epoch(), 2 * SECOND);
            let (mono, wall) = moment.parts();
            assert_eq!(Moment::from_parts(mono, wall), moment);
            assert!(moment.reached_parts(mono, u64::MAX));
            assert!(!moment.reached_parts(mono + 1, u64::MAX));
        }
        assert_eq!(Moment::from_parts(0, 0), Moment::PAST);
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

    /// The kernel's time without lag, on the same clocks as `now`.
    #[cfg(target_os = "linux")]
    fn true_time() -> Duration {
        use rustix::time::{ClockId, clock_gettime};

        Duration::from_nanos(nanos_of(clock_gettime(ClockId::Boottime)))
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn g20_a_deadline_from_the_precise_clock_is_never_reached_early() {
        let clock = SystemClock::new();
        let tick = Duration::from_millis(20);
        let mut rng = fastrand::Rng::with_seed(20);
        for round in 0..100 {
            // Begins at any place in a tick, and waits for more or less than a tick.
            let begin = true_time() + Duration::from_micros(rng.u64(0..4_000));
            while true_time() < begin {}
            let wait = Duration::from_micros(rng.u64(0..5_000));
            let promised = true_time() + wait;
            let end = clock.precise() + wait;
            loop {
                let now = clock.now();
                let passed = true_time();
                if now.waited_for(end) {
                    assert!(passed >= promised, "{round}: {:?} early", promised - passed);
                    break;
                }
                assert!(passed < promised + tick + HICCUP, "{round}: not reached");
            }
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn g20_the_usual_reading_never_runs_ahead() {
        let clock = SystemClock::new();
        for _ in 0..20_000 {
            let now = clock.now();
            let precise = clock.precise();
            assert!(now.monotonic() <= precise.monotonic());
            assert!(precise.wait_since(now) < Duration::from_millis(20) + HICCUP);
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn g20_the_time_of_suspend_counts() {
        let clock = SystemClock::new();
        let (before, boot) = (clock.precise().monotonic(), true_time());
        assert!(boot >= before && boot - before < HICCUP);
        let lag = boot.saturating_sub(clock.now().monotonic());
        assert!(lag < Duration::from_millis(20) + HICCUP, "{lag:?}");
    }

    /// The longest delay of a thread that waits for a processor on a busy machine.
    #[cfg(target_os = "linux")]
    const HICCUP: Duration = Duration::from_secs(2);

    #[test]
    fn both_system_clocks_move() {
        let clock = SystemClock::new();
        let first = clock.now();
        let (mut is_monotonic_moved, mut is_wall_moved) = (false, false);
        // Two readings may be equal, for example on a processor whose counter lags behind.
        for _ in 0..1_000_000 {
            let now = clock.now();
            is_monotonic_moved |= now.monotonic() != first.monotonic();
            is_wall_moved |= now.since_unix_epoch() != first.since_unix_epoch();
            if is_monotonic_moved && is_wall_moved {
                return;
            }
        }
        panic!("monotonic: {is_monotonic_moved}, wall: {is_wall_moved}");
    }
}
