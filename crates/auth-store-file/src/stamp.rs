use std::time::Duration;

use auth_core::SharedClock;

/// A time of writing or of reading: by the wall clock, which may be set, and by a clock that counts
/// from the start of the machine, which cannot be set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    /// In milliseconds since the Unix epoch.
    wall: u64,
    boot: Boot,
}

/// A reading of a clock that counts while the machine sleeps and cannot be set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Boot {
    /// The start of the machine that the clock counts from; all zeros if there is no such clock.
    id: [u8; 16],
    millis: u64,
}

impl Stamp {
    /// Reads the machine's clocks, or the clock that was set in their place.
    pub(crate) fn now(clock: Option<&SharedClock>) -> Self {
        match clock {
            None => Self {
                wall: millis(SharedClock::default().now().since_unix_epoch()),
                boot: Boot::now(),
            },
            Some(clock) => {
                let now = clock.now();
                Self {
                    wall: millis(now.since_unix_epoch()),
                    boot: Boot::of_this_process(now.monotonic()),
                }
            }
        }
    }

    /// Since the Unix epoch.
    pub(crate) fn wall(&self) -> Duration {
        Duration::from_millis(self.wall)
    }

    /// Returns how much of a time to live has passed, in milliseconds; `None` if the stamp comes
    /// from a clock that was ahead of this one. Uses the clock that cannot be set, if there is one,
    /// so that a wall clock that jumps ends nothing early.
    pub(crate) fn used_since(&self, written: &Self) -> Option<u64> {
        self.boot
            .since(&written.boot)
            .or_else(|| self.wall_since(written))
    }

    /// Returns the age of what was written at this stamp, in milliseconds: the longer age of the
    /// two clocks, so that nothing looks younger than it is. (The clock that cannot be set stops
    /// while a virtual machine is halted.) `None` as for [`used_since`](Self::used_since).
    pub(crate) fn age_since(&self, written: &Self) -> Option<u64> {
        let boot = self.boot.since(&written.boot);
        boot.max(self.wall_since(written))
    }

    fn wall_since(&self, written: &Self) -> Option<u64> {
        let is_past = written.wall <= self.wall.saturating_add(CORRECTION);
        is_past.then(|| self.wall.saturating_sub(written.wall))
    }

    pub(crate) fn encode(&self) -> [u8; Self::SIZE] {
        let mut bytes = [0; Self::SIZE];
        let (wall, millis) = (self.wall.to_be_bytes(), self.boot.millis.to_be_bytes());
        let parts = wall.iter().chain(&self.boot.id).chain(&millis);
        for (byte, part) in bytes.iter_mut().zip(parts) {
            *byte = *part;
        }
        bytes
    }

    /// Reads a stamp from the start of a file's bytes.
    pub(crate) fn decode(bytes: &[u8]) -> Option<(Self, &[u8])> {
        let (wall, rest) = bytes.split_first_chunk()?;
        let (id, rest) = rest.split_first_chunk()?;
        let (millis, rest) = rest.split_first_chunk()?;
        let boot = Boot {
            id: *id,
            millis: u64::from_be_bytes(*millis),
        };
        let wall = u64::from_be_bytes(*wall);
        Some((Self { wall, boot }, rest))
    }

    pub(crate) const SIZE: usize = 32;
}

impl Boot {
    /// `None` for another start of the machine, or for a machine that has no such clock.
    fn since(&self, earlier: &Self) -> Option<u64> {
        let is_one_clock = self.id == earlier.id && self.id != Self::default().id;
        is_one_clock
            .then(|| self.millis.checked_sub(earlier.millis))
            .flatten()
    }

    /// The clock of a test has no meaning in other processes.
    fn of_this_process(monotonic: Duration) -> Self {
        let mut id = *b"process         ";
        for (byte, part) in id.iter_mut().rev().zip(std::process::id().to_be_bytes()) {
            *byte = part;
        }
        Self {
            id,
            millis: millis(monotonic),
        }
    }

    #[cfg(target_os = "linux")]
    fn now() -> Self {
        use std::sync::OnceLock;

        use rustix::time::{ClockId, clock_gettime};

        static ID: OnceLock<Option<[u8; 16]>> = OnceLock::new();
        let id = ID.get_or_init(|| {
            let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
            let digits = text.trim().replace('-', "");
            Some(u128::from_str_radix(&digits, 16).ok()?.to_be_bytes())
        });
        let Some(id) = *id else {
            return Self::default();
        };
        let now = clock_gettime(ClockId::Boottime);
        let (seconds, nanos) = (now.tv_sec.max(0) as u64, now.tv_nsec.max(0) as u64);
        let millis = seconds
            .saturating_mul(1_000)
            .saturating_add(nanos / 1_000_000);
        Self { id, millis }
    }

    #[cfg(not(target_os = "linux"))]
    fn now() -> Self {
        Self::default()
    }
}

/// Whole milliseconds.
pub(crate) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// The largest step back of a clock that is being corrected, in milliseconds. An entry from so
/// little in the future counts as written now.
const CORRECTION: u64 = 5_000;

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: [u8; 16] = [0; 16];
    const ONE: [u8; 16] = [1; 16];
    const OTHER: [u8; 16] = [2; 16];

    fn stamp(wall: u64, id: [u8; 16], millis: u64) -> Stamp {
        Stamp {
            wall,
            boot: Boot { id, millis },
        }
    }

    #[test]
    fn g20_a_stamp_from_the_future_has_no_age_unless_the_machines_own_clock_tells() {
        let hour = 3_600_000;
        for (written, now, used, age) in [
            // The same start of the machine: exact, independent of the wall clock.
            (stamp(hour, ONE, 10), stamp(0, ONE, 15), Some(5), Some(5)),
            (stamp(0, ONE, 10), stamp(hour, ONE, 15), Some(5), Some(hour)),
            (stamp(7, ONE, 10), stamp(12, ONE, 15), Some(5), Some(5)),
            // The virtual machine was restored to an earlier state.
            (
                stamp(0, ONE, 20),
                stamp(hour, ONE, 15),
                Some(hour),
                Some(hour),
            ),
            (stamp(hour, ONE, 20), stamp(0, ONE, 15), None, None),
            // The machine was restarted since then, or has no such clock.
            (stamp(0, OTHER, 10), stamp(5, ONE, 15), Some(5), Some(5)),
            (stamp(hour, OTHER, 10), stamp(0, ONE, 15), None, None),
            (stamp(0, NONE, 0), stamp(5, NONE, 0), Some(5), Some(5)),
            (stamp(hour, NONE, 0), stamp(0, NONE, 0), None, None),
            // The clock was corrected by a small step.
            (stamp(5_000, NONE, 0), stamp(0, NONE, 0), Some(0), Some(0)),
            (stamp(5_001, NONE, 0), stamp(0, NONE, 0), None, None),
            (
                stamp(u64::MAX, NONE, 0),
                stamp(u64::MAX, NONE, 0),
                Some(0),
                Some(0),
            ),
        ] {
            assert_eq!(now.used_since(&written), used, "{written:?} {now:?}");
            assert_eq!(now.age_since(&written), age, "{written:?} {now:?}");
        }
    }

    #[test]
    fn what_is_encoded_is_decoded() {
        let stamp = stamp(u64::MAX - 1, ONE, 7);
        let bytes = [&stamp.encode()[..], b"rest"].concat();
        assert_eq!(Stamp::decode(&bytes), Some((stamp, &b"rest"[..])));
        assert_eq!(Stamp::decode(&bytes[..Stamp::SIZE - 1]), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_machine_has_a_clock_that_nobody_sets() {
        let first = Stamp::now(None);
        let next = Stamp::now(None);
        assert!(next.boot.since(&first.boot).is_some(), "{first:?} {next:?}");
        let other = Stamp::now(Some(&SharedClock::default()));
        assert_eq!(other.boot.since(&first.boot), None);
    }
}
