use std::{collections::VecDeque, time::Duration};

/// Counts requests in a rolling window.
#[derive(Debug)]
pub(crate) struct Window {
    limit: usize,
    length: Duration,
    taken: VecDeque<Duration>,
}

impl Window {
    pub(crate) fn new(limit: usize, length: Duration) -> Self {
        Self {
            limit,
            length,
            taken: VecDeque::new(),
        }
    }

    /// Takes a slot.
    ///
    /// # Errors
    ///
    /// How long until the next slot frees, if all are taken.
    pub(crate) fn take(&mut self, now: Duration) -> Result<(), Duration> {
        while self
            .taken
            .front()
            .is_some_and(|taken| taken.saturating_add(self.length) <= now)
        {
            self.taken.pop_front();
        }
        if self.taken.len() < self.limit {
            self.taken.push_back(now);
            return Ok(());
        }
        let oldest = self.taken.front().copied().unwrap_or(now);
        Err(oldest.saturating_add(self.length).saturating_sub(now))
    }

    pub(crate) fn clear(&mut self) {
        self.taken.clear();
    }
}

/// Returns the most of these ascending times that lie in any window of this length.
pub(crate) fn densest(times: &VecDeque<Duration>, length: Duration) -> usize {
    let mut first = 0;
    let mut most = 0;
    for (last, at) in times.iter().enumerate() {
        while times
            .get(first)
            .is_some_and(|begin| begin.saturating_add(length) <= *at)
        {
            first += 1;
        }
        most = most.max(last + 1 - first);
    }
    most
}
