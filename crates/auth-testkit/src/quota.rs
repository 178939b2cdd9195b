use std::{collections::VecDeque, time::Duration};

/// Counts requests in a rolling window.
#[derive(Debug)]
pub(crate) struct Window {
    limit: usize,
    length: Duration,
    /// The slot's number and the time when it frees.
    taken: Vec<(u64, Duration)>,
    count: u64,
}

impl Window {
    pub(crate) fn new(limit: usize, length: Duration) -> Self {
        Self {
            limit,
            length,
            taken: Vec::new(),
            count: 0,
        }
    }

    /// Takes a slot and returns its number.
    ///
    /// # Errors
    ///
    /// The time until the next slot frees, if all are taken.
    pub(crate) fn take(&mut self, now: Duration) -> Result<u64, Duration> {
        self.taken.retain(|(_, until)| *until > now);
        if self.taken.len() < self.limit {
            self.count += 1;
            self.taken
                .push((self.count, now.saturating_add(self.length)));
            return Ok(self.count);
        }
        let next = self.taken.iter().map(|(_, until)| *until).min();
        Err(next
            .unwrap_or(now.saturating_add(self.length))
            .saturating_sub(now))
    }

    /// Frees a slot at a time, if that is earlier.
    pub(crate) fn free_at(&mut self, slot: u64, at: Duration) {
        if let Some((_, until)) = self.taken.iter_mut().find(|(number, _)| *number == slot) {
            *until = at.min(*until);
        }
    }

    pub(crate) fn clear(&mut self) {
        self.taken.clear();
    }
}

/// Returns the largest number of these ascending times within any window of this length.
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
