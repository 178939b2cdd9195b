use std::time::Duration;

use auth_testkit::TestServer;

/// A fake Verdigris whose hour takes seconds, and its record of requests.
pub(crate) struct Vendor {
    server: TestServer,
    /// By the server's clock.
    start: Duration,
}

impl Vendor {
    pub(crate) async fn start(quota: u32) -> Self {
        let server = auth_verdigris::fake::server()
            .token_lifetime(HOUR)
            .quota(quota as usize, HOUR)
            .start()
            .await;
        Self {
            start: Duration::ZERO,
            server,
        }
    }

    pub(crate) fn server(&self) -> &TestServer {
        &self.server
    }

    /// Sets the start from which times are counted.
    pub(crate) fn begin(&mut self) {
        self.start = self.server.clock().world_elapsed();
    }

    pub(crate) fn now(&self) -> Duration {
        self.server
            .clock()
            .world_elapsed()
            .saturating_sub(self.start)
    }

    /// Returns when token requests arrived.
    pub(crate) fn calls(&self) -> Vec<Duration> {
        let times = self.server.token_request_times().into_iter();
        times.map(|at| at.saturating_sub(self.start)).collect()
    }

    pub(crate) async fn stop(self) {
        self.server.shutdown().await;
    }
}

/// Returns how many windows that end with a token request contain more token requests than the
/// quota permits.
pub(crate) fn windows_over_quota(calls: &[Duration], quota: u32) -> usize {
    let count = |last: &Duration| {
        let is_within = |at: &&Duration| *at <= last && *last < **at + HOUR;
        calls.iter().filter(is_within).count()
    };
    calls
        .iter()
        .filter(|last| count(last) > quota as usize)
        .count()
}

/// The lifetime of a token and the quota's window. Both are one hour at the real vendor.
pub(crate) const HOUR: Duration = Duration::from_secs(4);
/// Equal to the real vendor's.
pub(crate) const QUOTA: u32 = 20;
