use std::{collections::VecDeque, time::Duration};

use tokio::time::Instant;

/// When the next token request may start: at most `rate` starts in any window of one second, evenly
/// spread.
///
/// A start is taken when a permit is granted, and counts in the window from when its flight picks
/// up the permit, because a flight that is polled late starts late.
#[derive(Debug)]
pub(super) struct Pace {
    rate: usize,
    interval: Duration,
    /// The next start is not taken before this time.
    next: Option<Instant>,
    /// The starts of the last second, oldest first.
    recent: VecDeque<Instant>,
}

impl Pace {
    /// Makes a pace of `starts` a second. With zero no token request starts.
    pub(super) fn new(starts: u32) -> Self {
        Self {
            rate: starts as usize,
            interval: SECOND.checked_div(starts).unwrap_or(Duration::MAX),
            next: None,
            recent: VecDeque::new(),
        }
    }

    pub(super) fn interval(&self) -> Duration {
        self.interval
    }

    /// Returns when the next start is free; `None` if one is free now. `taken` starts were taken
    /// and not picked up yet.
    pub(super) fn due(&mut self, now: Instant, taken: usize) -> Option<Instant> {
        while self
            .recent
            .front()
            .is_some_and(|&start| start + SECOND <= now)
        {
            self.recent.pop_front();
        }
        let spread = self.next.filter(|&next| next > now);
        if self.recent.len() + taken < self.rate {
            return spread;
        }
        let oldest = self.recent.front();
        let window = oldest.map_or(now + self.interval, |&start| start + SECOND);
        Some(spread.map_or(window, |spread| spread.max(window)))
    }

    /// Takes the start that is [due](Self::due).
    pub(super) fn take(&mut self, now: Instant) {
        // A timer that fires late must not lower the rate.
        let earliest = now.checked_sub(TIMER_SLACK).unwrap_or(now);
        let start = self.next.map_or(now, |next| next.max(earliest));
        self.next = start.checked_add(self.interval);
    }

    /// Gives back a start that was taken and not picked up. The later ones move up.
    pub(super) fn give_back(&mut self) {
        self.next = self.next.and_then(|next| next.checked_sub(self.interval));
    }

    /// Records that a start was picked up.
    pub(super) fn picked_up(&mut self, now: Instant) {
        self.recent.push_back(now);
    }
}

const SECOND: Duration = Duration::from_secs(1);
/// How late timers of one millisecond fire on an idle machine.
const TIMER_SLACK: Duration = Duration::from_millis(2);
