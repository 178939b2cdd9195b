use std::time::Duration;

use serde::Serialize;

use crate::{
    meter::Counts,
    phase::{PerPhase, Phase},
    vendor::{self, HOUR},
    worker::Report,
};

/// The results of a run.
pub(crate) struct Figures {
    pub(crate) quota: u32,
    /// When each phase ended, counted from the start.
    pub(crate) ends: PerPhase<Duration>,
    pub(crate) outage: Outage,
    pub(crate) shared: Side,
    pub(crate) alone: Side,
}

/// How the outage of Redis ended.
#[derive(Clone, Copy, Default)]
pub(crate) struct Outage {
    pub(crate) redis_restarts: u32,
    /// Time from the return of Redis until all processes shared one token. `None` if that took too
    /// long.
    pub(crate) recovery: Option<Duration>,
}

/// The results of one of the two fleets.
pub(crate) struct Side {
    /// One report per process.
    pub(crate) reports: Vec<Report>,
    /// When its vendor received token requests.
    pub(crate) calls: Vec<Duration>,
    pub(crate) windows_over_quota: usize,
}

impl Figures {
    pub(crate) fn length(&self, phase: Phase) -> Duration {
        self.ends[phase].saturating_sub(self.start(phase))
    }

    fn start(&self, phase: Phase) -> Duration {
        match phase {
            Phase::Before => Duration::ZERO,
            Phase::Outage => self.ends[Phase::Before],
            Phase::After => self.ends[Phase::Outage],
        }
    }

    /// Returns the number of token requests, as the vendor counted them.
    pub(crate) fn token_requests(&self, side: &Side, phase: Phase) -> usize {
        let (start, end) = (self.start(phase), self.ends[phase]);
        // Requests in progress at the end of the last phase count for that phase.
        let is_in = |at: &&Duration| start <= **at && (**at < end || phase == Phase::After);
        side.calls.iter().filter(is_in).count()
    }

    pub(crate) fn lifetimes(&self) -> f64 {
        lifetimes(self.ends[Phase::After])
    }

    pub(crate) fn added_ms_max(&self) -> f64 {
        let phases = Phase::ALL.into_iter();
        let added = phases.map(|phase| self.shared.max(phase, |counts| counts.added_ms_max));
        added.fold(0.0, f64::max)
    }

    pub(crate) fn line(&self) -> Line {
        Line {
            processes: self.shared.reports.len(),
            lifetimes: self.lifetimes().ceil() as u64,
            token_requests: self.shared.calls.len(),
            token_requests_without_store: self.alone.calls.len(),
            failed_requests: self.shared.failed() + self.alone.failed(),
            redis_restarts: self.outage.redis_restarts,
            recovery_ms: self.outage.recovery.map(|time| time.as_millis() as u64),
            windows_over_quota: self.shared.windows_over_quota,
            added_latency_ms_max: self.added_ms_max(),
            phases: Phase::ALL.map(|phase| self.phase(phase)).into(),
        }
    }

    /// Of the processes that share a token.
    fn phase(&self, phase: Phase) -> PhaseLine {
        PhaseLine {
            name: phase.name(),
            lifetimes: self.lifetimes_in(phase),
            token_requests: self.token_requests(&self.shared, phase),
            failed_requests: self.shared.sum(phase, |counts| counts.failed),
        }
    }

    /// Lifetimes that began in a phase, at most.
    fn lifetimes_in(&self, phase: Phase) -> u64 {
        lifetimes(self.length(phase)).ceil() as u64
    }

    /// Returns all deviations from the expected figures.
    pub(crate) fn off(&self) -> Vec<String> {
        let mut off = Vec::new();
        for (name, side) in [("with a store", &self.shared), ("without", &self.alone)] {
            let failed = side.failed();
            if failed > 0 {
                let why = side.first_failure().unwrap_or("unknown");
                off.push(format!(
                    "{name}: {failed} requests failed, the first: {why}"
                ));
            }
            let counted = Phase::ALL.map(|phase| side.sum(phase, |counts| counts.token_requests));
            let counted: u64 = counted.iter().sum();
            if counted != side.calls.len() as u64 {
                let seen = side.calls.len();
                off.push(format!(
                    "{name}: the processes made {counted} token requests, the vendor saw {seen}"
                ));
            }
            if side.windows_over_quota > 0 {
                let (over, quota) = (side.windows_over_quota, self.quota);
                off.push(format!(
                    "{name}: {over} windows with more than {quota} calls"
                ));
            }
        }
        if self.outage.recovery.is_none() {
            off.push("the processes did not share one token within 10 s after the outage".into());
        }
        for phase in [Phase::Before, Phase::After] {
            let token_requests = self.token_requests(&self.shared, phase) as u64;
            let lifetimes = self.lifetimes_in(phase);
            if token_requests > lifetimes {
                off.push(format!(
                    "with a store: {token_requests} token requests in {lifetimes} lifetimes, {} the \
                     outage",
                    phase.name()
                ));
            }
        }
        if self.shared.calls.len() >= self.alone.calls.len() {
            off.push("the shared store saved no token request".into());
        }
        off
    }
}

/// The output of `--json`.
#[derive(Serialize)]
pub(crate) struct Line {
    processes: usize,
    lifetimes: u64,
    token_requests: usize,
    token_requests_without_store: usize,
    /// Of both fleets.
    failed_requests: u64,
    redis_restarts: u32,
    /// See [`Outage::recovery`].
    recovery_ms: Option<u64>,
    windows_over_quota: usize,
    /// See [`Counts::added_ms_max`].
    added_latency_ms_max: f64,
    phases: Vec<PhaseLine>,
}

/// One phase, of the processes that share a token.
#[derive(Serialize)]
struct PhaseLine {
    name: &'static str,
    lifetimes: u64,
    token_requests: usize,
    failed_requests: u64,
}

impl Side {
    pub(crate) fn new(reports: Vec<Report>, calls: Vec<Duration>, quota: u32) -> Self {
        Self {
            windows_over_quota: vendor::windows_over_quota(&calls, quota),
            reports,
            calls,
        }
    }

    pub(crate) fn sum(&self, phase: Phase, of: fn(&Counts) -> u64) -> u64 {
        self.reports.iter().map(|r| of(&r.counts[phase])).sum()
    }

    pub(crate) fn max(&self, phase: Phase, of: fn(&Counts) -> f64) -> f64 {
        let all = self.reports.iter().map(|r| of(&r.counts[phase]));
        all.fold(0.0, f64::max)
    }

    pub(crate) fn failed(&self) -> u64 {
        let failed = Phase::ALL.map(|phase| self.sum(phase, |counts| counts.failed));
        failed.iter().sum()
    }

    fn first_failure(&self) -> Option<&str> {
        let mut failures = self.reports.iter();
        failures.find_map(|report| report.first_failure.as_deref())
    }
}

/// Returns how many tokens one process uses in this time. By default a token is renewed after 0.75
/// to 0.8 of its lifetime.
pub(crate) fn lifetimes(length: Duration) -> f64 {
    length.div_duration_f64(HOUR.mul_f64(0.775))
}
