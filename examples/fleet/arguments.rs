use std::{error::Error, path::PathBuf, time::Duration};

use auth_core::Secret;

use crate::phase::PerPhase;

pub(crate) const HELP: &str = "\
Runs a fleet of processes that share a token through Redis, and kills Redis under them.

USAGE: cargo run --example fleet [-- OPTIONS]

    --processes N    processes that share the token, 2 to 50, default 6; as many more share nothing
    --redis URL      a Redis to use, redis://...; it is not killed, but cut off. The environment
                     variable FLEET_REDIS keeps a password out of the list of processes.
                     Without one, a redis-server is started on a free port of this machine.
    --seconds N      length of each phase
    --before N       seconds before the outage, default 12
    --outage N       seconds of outage, default 12
    --after N        seconds after the outage, default 24: a process that met a dead store leaves
                     it alone for 2.5 to 5 s at first, and for 10 to 20 s after the third failure
    --svg FILE       where the plot goes, default target/fleet.svg
    --json           print one line of JSON instead of tables";

#[derive(Debug)]
pub(crate) struct Arguments {
    pub(crate) processes: u32,
    pub(crate) redis: Option<Secret>,
    pub(crate) lengths: PerPhase<Duration>,
    pub(crate) svg: PathBuf,
    pub(crate) json: bool,
}

impl Arguments {
    /// Returns `None` for `--help`.
    pub(crate) fn parse() -> Result<Option<Self>, Box<dyn Error>> {
        use lexopt::{Arg, ValueExt};

        let mut processes = 6;
        let mut redis = std::env::var("FLEET_REDIS").ok();
        let (mut before, mut outage, mut after) = (12, 12, 24);
        let mut svg = PathBuf::from("target/fleet.svg");
        let mut json = false;

        let mut parser = lexopt::Parser::from_env();
        while let Some(argument) = parser.next()? {
            let Arg::Long(name) = argument else {
                return Err(argument.unexpected().into());
            };
            match name {
                "help" => return Ok(None),
                "json" => json = true,
                "processes" => processes = parser.value()?.parse()?,
                "redis" => redis = Some(parser.value()?.string()?),
                "seconds" => {
                    before = parser.value()?.parse()?;
                    (outage, after) = (before, before);
                }
                "before" => before = parser.value()?.parse()?,
                "outage" => outage = parser.value()?.parse()?,
                "after" => after = parser.value()?.parse()?,
                "svg" => svg = parser.value()?.into(),
                _ => return Err(argument.unexpected().into()),
            }
        }
        if !(2..=50).contains(&processes) {
            return Err("--processes must be 2 to 50".into());
        }
        let lengths = [before, outage, after];
        if !lengths.iter().all(|seconds| (1..=600).contains(seconds)) {
            return Err("the length of a phase must be 1 to 600 seconds".into());
        }
        Ok(Some(Self {
            processes,
            redis: redis.map(Secret::new),
            lengths: PerPhase(lengths.map(Duration::from_secs)),
            svg,
            json,
        }))
    }
}
