//! Redis killed, halted and cut off while requests go on.

use std::{collections::HashSet, time::Duration};

use auth_testkit::redis_server::{FaultProxy, RedisServer};
use libtest_mimic::Trial;
use tokio::time::Instant;

use crate::{
    place,
    process::Process,
    server::{SHORT_LIVED, Server},
    table::Row,
    trial,
};

pub(crate) fn trials() -> Vec<Trial> {
    let story = |name: &str, fault| trial(format!("outage::{name}"), move || outage(fault));
    if !place::has_redis() {
        return Vec::new();
    }
    vec![
        story("killed", Fault::Killed),
        story("halted", Fault::Halted),
        story("refused", Fault::Refused),
        story("silent", Fault::Silent),
    ]
}

/// What becomes of Redis, or of the way there for half of the processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    Killed,
    Halted,
    Refused,
    Silent,
}

impl Fault {
    fn words(self) -> &'static str {
        match self {
            Self::Killed => "Redis killed and restarted, empty",
            Self::Halted => "Redis halted",
            Self::Refused => "half of them cut off, refused",
            Self::Silent => "half of them cut off, silent",
        }
    }

    /// How many have no store meanwhile.
    fn cut_off(self) -> usize {
        match self {
            Self::Killed | Self::Halted => PROCESSES,
            Self::Refused | Self::Silent => PROCESSES / 2,
        }
    }
}

async fn outage(fault: Fault) {
    let mut redis = RedisServer::start(&[]);
    let proxy = FaultProxy::start(redis.address()).await;
    let mut fleet = Fleet::start(&redis, &proxy).await;
    fleet.recovers().await;
    let mut row = Row::new("redis", fault.words(), None);
    match fault {
        Fault::Killed => redis.kill(),
        Fault::Halted => redis.pause(),
        Fault::Refused => proxy.refuse(),
        Fault::Silent => proxy.hang(),
    }
    let calls = fleet.rounds(ROUNDS).await;
    // Those that have no store make an exchange each, and the others one together.
    let alone = fault.cut_off();
    let together = usize::from(alone < PROCESSES);
    let bound = (ROUNDS + 1) * (alone + together) as u64;
    assert!(calls <= bound, "{fault:?}: {calls} calls, bound {bound}");
    match fault {
        Fault::Killed => redis.restart(),
        Fault::Halted => redis.resume(),
        Fault::Refused | Fault::Silent => proxy.pass(),
    }
    let since = Instant::now();
    row.recovery = Some(fleet.recovers().await.duration_since(since));
    row.runs = 1;
    row.calls = calls;
    row.bound = bound;
    (row.requests, row.longest) = fleet.end().await;
    row.done();
}

/// Processes under load, the second half of them behind a proxy.
struct Fleet {
    server: Server,
    processes: Vec<Process>,
}

impl Fleet {
    async fn start(redis: &RedisServer, proxy: &FaultProxy) -> Self {
        let server = Server::start().await;
        let process = |number| {
            let behind = number >= PROCESSES / 2;
            let url = if behind { proxy.url() } else { redis.url() };
            let process = Process::start(&url, &server, None);
            process.tell(&format!("load {SHORT_LIVED}"));
            process
        };
        let processes = (0..PROCESSES).map(process).collect();
        Self { server, processes }
    }

    /// Waits until every process has had so many new tokens; returns what they cost.
    async fn rounds(&mut self, rounds: u64) -> u64 {
        let before = self.calls();
        for _ in 0..rounds {
            for process in &mut self.processes {
                process.says("now", SHORT_LIVED).await;
            }
        }
        self.calls() - before
    }

    /// Waits until all use one token, and the next ones cost one exchange each. Returns when that
    /// began.
    async fn recovers(&mut self) -> Instant {
        let mut costs = Vec::new();
        for _ in 0..TRIES {
            let mut tokens = HashSet::new();
            for process in &mut self.processes {
                let said = process.last("now", SHORT_LIVED).await;
                tokens.insert(said.rest().to_owned());
            }
            let since = Instant::now();
            if tokens.len() > 1 {
                continue;
            }
            let calls = self.rounds(ROUNDS).await;
            // The first to renew may be one token ahead of the last.
            if calls <= ROUNDS + 1 {
                return since;
            }
            costs.push(calls);
        }
        panic!("they do not find together: {costs:?}");
    }

    /// Ends the load. Returns the number of requests, none of which failed, and the longest.
    async fn end(mut self) -> (u64, Duration) {
        let (mut requests, mut longest) = (0, 0);
        for process in &mut self.processes {
            process.tell(&format!("stop {SHORT_LIVED}"));
            let sum = process.says("sum", SHORT_LIVED).await;
            let (number, millis) = sum.rest().split_once(' ').unwrap();
            requests += number.parse::<u64>().unwrap();
            longest = longest.max(millis.parse().unwrap());
        }
        self.server.stop();
        (requests, Duration::from_millis(longest))
    }

    fn calls(&self) -> u64 {
        self.server.seen(SHORT_LIVED).calls
    }
}

const PROCESSES: usize = 4;
/// New tokens for each process, while something is looked at.
const ROUNDS: u64 = 3;
/// A store that failed is left alone for up to 40 seconds, twenty tokens' lives.
const TRIES: usize = 40;
