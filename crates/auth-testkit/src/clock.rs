use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use auth_core::{Clock, Moment, SystemClock};
use tokio::time::Instant;

/// A clock that follows tokio's clock, which a test can pause, and whose wall clock can be moved.
///
/// Both readings start at fixed values, so a run under a paused clock can be repeated to the
/// nanosecond. Clones are the same clock. A [`TestServer`](crate::TestServer) with this clock
/// shares its time: the server's tokens age with [`advance`](Self::advance) and during
/// [`suspend`](Self::suspend). A jump of the client's wall clock does not change the server's time.
///
/// # Example
///
/// ```
/// use std::time::Duration;
///
/// use auth_core::Clock;
/// use auth_testkit::VirtualClock;
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() {
/// let clock = VirtualClock::new();
/// let start = clock.now();
/// clock.advance(Duration::from_secs(60)).await;
/// assert_eq!(clock.now(), start + Duration::from_secs(60));
///
/// // The machine is suspended for an hour: only the wall clock continues.
/// clock.suspend(Duration::from_secs(3600));
/// assert!(clock.now().reached(start + Duration::from_secs(3600)));
/// assert!(!clock.now().waited_for(start + Duration::from_secs(3600)));
/// # }
/// ```
///
/// # Sockets
///
/// A paused tokio clock jumps to the next timer when no task can run, and a runtime that waits for
/// a socket counts as idle. Use sockets in real time only, and
/// [`MemoryTransport`](crate::MemoryTransport) and [`MemoryService`](crate::MemoryService) under a
/// paused clock. The clock belongs to the runtime in which it was created.
#[derive(Clone)]
pub struct VirtualClock(Arc<Inner>);

struct Inner {
    /// Unique among the clocks of a process.
    identity: usize,
    origin: Instant,
    start: Moment,
    /// Nanoseconds during which this machine was suspended.
    slept: AtomicU64,
    /// Nanoseconds by which the wall clock was moved.
    moved: AtomicI64,
}

impl VirtualClock {
    /// Creates a clock that starts 1,000 s after boot, on 2030-01-01 at 00:00 UTC.
    #[must_use]
    pub fn new() -> Self {
        Self::starting_at(Moment::new(
            Duration::from_secs(1_000),
            Duration::from_secs(1_893_456_000),
        ))
    }

    /// Creates a clock that starts at a given moment.
    #[must_use]
    pub fn starting_at(start: Moment) -> Self {
        Self(Arc::new(Inner {
            identity: NEXT_IDENTITY.fetch_add(1, Ordering::Relaxed),
            origin: Instant::now(),
            start,
            slept: AtomicU64::new(0),
            moved: AtomicI64::new(0),
        }))
    }

    /// Creates a clock that starts at the machine's real time.
    #[must_use]
    pub fn from_system() -> Self {
        Self::starting_at(SystemClock::new().now())
    }

    /// Advances the time: fires every timer on the way, and lets other tasks run once.
    ///
    /// # Panics
    ///
    /// If tokio's clock is not paused, see [`tokio::time::advance`].
    ///
    /// # Cancel safety
    ///
    /// The time moves at the first poll, also if the future is dropped afterwards.
    pub async fn advance(&self, duration: Duration) {
        tokio::time::advance(duration).await;
    }

    /// Suspends the machine for `duration`: the wall clock and the server's time continue; the
    /// monotonic clock and all timers stop. [`SystemClock`] behaves like this on systems other than
    /// Linux. On Linux its monotonic clock counts the time of a suspend, and only timers stop.
    pub fn suspend(&self, duration: Duration) {
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        // The closure always returns a value, so this cannot fail.
        let _ = self
            .0
            .slept
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |slept| {
                Some(slept.saturating_add(nanos))
            });
    }

    /// Moves the wall clock forward, as a correction or a wrong setting does.
    pub fn jump_wall_forward(&self, by: Duration) {
        self.jump_wall(i64::try_from(by.as_nanos()).unwrap_or(i64::MAX));
    }

    /// Moves the wall clock back.
    pub fn jump_wall_back(&self, by: Duration) {
        self.jump_wall(i64::try_from(by.as_nanos()).map_or(i64::MIN, |by| -by));
    }

    /// Returns the real time since the clock was created: suspends count, jumps of the wall clock
    /// do not.
    #[must_use]
    pub fn world_elapsed(&self) -> Duration {
        let slept = Duration::from_nanos(self.0.slept.load(Ordering::SeqCst));
        self.0.origin.elapsed().saturating_add(slept)
    }

    /// Returns the real time since the Unix epoch, by a wall clock that was never moved.
    #[must_use]
    pub fn world_wall(&self) -> Duration {
        self.0
            .start
            .since_unix_epoch()
            .saturating_add(self.world_elapsed())
    }

    fn jump_wall(&self, nanos: i64) {
        let _ = self
            .0
            .moved
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |moved| {
                Some(moved.saturating_add(nanos))
            });
    }
}

impl Clock for VirtualClock {
    fn now(&self) -> Moment {
        let monotonic = self
            .0
            .start
            .monotonic()
            .saturating_add(self.0.origin.elapsed());
        let moved = self.0.moved.load(Ordering::SeqCst);
        let by = Duration::from_nanos(moved.unsigned_abs());
        let wall = match moved {
            0.. => self.world_wall().saturating_add(by),
            _ => self.world_wall().saturating_sub(by),
        };
        Moment::new(monotonic, wall)
    }

    fn identity(&self) -> usize {
        self.0.identity
    }
}

/// The number 0 is the system clock's.
static NEXT_IDENTITY: AtomicUsize = AtomicUsize::new(1);

impl Default for VirtualClock {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for VirtualClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("VirtualClock").field(&self.now()).finish()
    }
}

#[cfg(test)]
mod tests;
