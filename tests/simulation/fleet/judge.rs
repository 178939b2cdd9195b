use super::vendor::Counted;

/// The result of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Judged {
    pub(super) tokens: u64,
    pub(super) failed: u64,
    pub(super) token_requests: u64,
    /// The number of lifetimes, if each starts at the earliest renewal of the one before.
    pub(super) lifetimes: u64,
    pub(super) deaths_at_work: u64,
    pub(super) refusals: u64,
    pub(super) outages: u64,
    pub(super) store_outages: u64,
    pub(super) refused_by_quota: u64,
    /// The most token requests that counted at the same time.
    pub(super) fullest_window: u64,
}

impl Judged {
    pub(super) fn add(&mut self, other: &Self) {
        self.tokens += other.tokens;
        self.failed += other.failed;
        self.token_requests += other.token_requests;
        self.lifetimes += other.lifetimes;
        self.deaths_at_work += other.deaths_at_work;
        self.refusals += other.refusals;
        self.outages += other.outages;
        self.store_outages += other.store_outages;
        self.refused_by_quota += other.refused_by_quota;
        self.fullest_window = self.fullest_window.max(other.fullest_window);
    }
}

/// Returns the most token requests that counted at the same time, by the vendor's clock.
pub(super) fn fullest_window(requests: &[Counted]) -> u64 {
    let count = |last: usize| {
        let counts = |counted: &&Counted| requests[last].at < counted.until;
        requests[..=last].iter().filter(counts).count() as u64
    };
    (0..requests.len()).map(count).max().unwrap_or_default()
}
