use std::{path::PathBuf, time::Duration};

use auth_core::Secret;
use clap::{Parser, value_parser};

use crate::phase::PerPhase;

/// Runs a fleet of processes that share a token through Redis, and kills Redis while they run.
#[derive(Debug, Parser)]
pub(crate) struct Arguments {
    /// The number of processes that share the token, 2 to 50. As many more share nothing.
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = value_parser!(u32).range(2..=50))]
    pub(crate) processes: u32,
    /// A Redis to use, for example redis://127.0.0.1:6379. It is not killed: the program cuts the
    /// connections to it. The environment variable FLEET_REDIS keeps a password out of the list of
    /// processes. Default: the program starts redis-server on a free port of this machine.
    #[arg(long, value_name = "URL", env = "FLEET_REDIS", hide_env_values = true)]
    pub(crate) redis: Option<Secret>,
    /// The length of each of the three phases, in seconds, 1 to 600.
    #[arg(
        long,
        value_name = "N",
        value_parser = phase_length(),
        conflicts_with_all = ["before", "outage", "after"]
    )]
    seconds: Option<u64>,
    /// Seconds before the outage.
    #[arg(long, value_name = "N", default_value_t = 12, value_parser = phase_length())]
    before: u64,
    /// Seconds without Redis.
    #[arg(long, value_name = "N", default_value_t = 12, value_parser = phase_length())]
    outage: u64,
    /// Seconds after the outage, from the moment at which all processes share one token again.
    #[arg(long, value_name = "N", default_value_t = 12, value_parser = phase_length())]
    after: u64,
    /// The file for the plot.
    #[arg(long, value_name = "FILE", default_value = "target/fleet.svg")]
    pub(crate) svg: PathBuf,
    /// Print one line of JSON instead of tables.
    #[arg(long)]
    pub(crate) json: bool,
}

impl Arguments {
    pub(crate) fn lengths(&self) -> PerPhase<Duration> {
        let each = [self.before, self.outage, self.after];
        let lengths = self.seconds.map_or(each, |seconds| [seconds; 3]);
        PerPhase(lengths.map(Duration::from_secs))
    }
}

fn phase_length() -> clap::builder::RangedU64ValueParser {
    value_parser!(u64).range(1..=600)
}
