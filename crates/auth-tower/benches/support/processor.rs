//! Processor time of a thread.

use std::time::Duration;

/// Returns the processor time of this thread, or the elapsed time if the system does not report it.
pub(crate) fn time() -> Duration {
    #[cfg(target_os = "linux")]
    {
        use rustix::time::{ClockId, clock_gettime};

        let time = clock_gettime(ClockId::ThreadCPUTime);
        Duration::try_from(time).expect("never negative")
    }
    #[cfg(not(target_os = "linux"))]
    {
        use std::{sync::OnceLock, time::Instant};

        static START: OnceLock<Instant> = OnceLock::new();
        #[allow(clippy::disallowed_methods, reason = "a bench times things")]
        let now = Instant::now;
        START.get_or_init(now).elapsed()
    }
}
