//! Redis is killed, stopped and cut off while requests continue.

use std::time::Duration;

use libtest_mimic::Trial;
use redis_process::{FaultProxy, RedisServer};
use tokio::time::Instant;

use crate::{
    place,
    process::Process,
    server::{self, SHORT_LIVED, Server},
    table::Row,
    trial,
};

pub(crate) fn trials() -> Vec<Trial> {
    if !place::has_redis() {
        return Vec::new();
    }
    let story = |name: &str, fault| trial(format!("outage::{name}"), move || outage(fault));
    let person = |name: &str, fault| trial(format!("outage::person_{name}"), move || person(fault));
    vec![
        story("killed", Fault::Killed),
        story("halted", Fault::Halted),
        story("refused", Fault::Refused),
        story("silent", Fault::Silent),
        person("killed", Fault::Killed),
        person("halted", Fault::Halted),
        person("refused", Fault::Refused),
        person("silent", Fault::Silent),
    ]
}

/// The fault of Redis, or of the network path to it for half of the processes.
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
            Self::Killed => "Redis killed and restarted",
            Self::Halted => "Redis halted",
            Self::Refused => "half of them cut off, refused",
            Self::Silent => "half of them cut off, silent",
        }
    }

    /// Returns how many processes have no store during the fault.
    fn cut_off(self) -> usize {
        match self {
            Self::Killed | Self::Halted => PROCESSES,
            Self::Refused | Self::Silent => PROCESSES / 2,
        }
    }
}

impl Fault {
    fn begin(self, redis: &mut RedisServer, proxy: &FaultProxy) {
        match self {
            Self::Killed => redis.kill(),
            Self::Halted => redis.pause(),
            Self::Refused => proxy.refuse(),
            Self::Silent => proxy.hang(),
        }
    }

    fn end(self, redis: &mut RedisServer, proxy: &FaultProxy) {
        match self {
            Self::Killed => redis.restart(),
            Self::Halted => redis.resume(),
            Self::Refused | Self::Silent => proxy.pass(),
        }
    }
}

/// No request fails, and no process makes more token requests than the share of one process alone.
async fn outage(fault: Fault) {
    let mut redis = RedisServer::start(&[]);
    let proxy = FaultProxy::start(redis.address()).await;
    let mut fleet = Fleet::start(&redis, &proxy, SHORT_LIVED[0]).await;
    fleet.recovers().await;
    let mut row = Row::new("redis", fault.words(), None);
    fault.begin(&mut redis, &proxy);
    row.calls = fleet.rounds(ROUNDS).await;
    // Each process without the store makes its own token request; the others make one together.
    let alone = fault.cut_off();
    let together = usize::from(alone < PROCESSES);
    row.bound = (ROUNDS + 1) * (alone + together) as u64;
    assert!(row.calls <= row.bound, "{fault:?}: {row:?}");
    fault.end(&mut redis, &proxy);
    let since = Instant::now();
    row.recovery = Some(fleet.recovers().await.duration_since(since));
    row.runs = 1;
    (row.requests, row.longest) = fleet.end().await;
    row.done();
}

/// If a refresh token is the only credential, it is spent with the store or not at all.
async fn person(fault: Fault) {
    // Marks of spent refresh tokens must survive the restart.
    let mut redis = RedisServer::start(&["--appendonly", "yes", "--appendfsync", "always"]);
    let proxy = FaultProxy::start(redis.address()).await;
    let mut fleet = Fleet::start(&redis, &proxy, SHORT_LIVED[1]).await;
    fleet.recovers().await;
    let words = format!("{}: refresh tokens", fault.words());
    let mut row = Row::new("redis", words, None);
    let before = fleet.calls();
    let connected = PROCESSES - fault.cut_off();
    for process in &mut fleet.processes[connected..] {
        process.excuse(Some("only while the token store answers"));
    }
    fault.begin(&mut redis, &proxy);
    for process in &mut fleet.processes[connected..] {
        process.fails().await;
    }
    fault.end(&mut redis, &proxy);
    let since = Instant::now();
    row.recovery = Some(fleet.recovers().await.duration_since(since));
    for process in &mut fleet.processes {
        row.failed += process.excuse(None);
    }
    row.runs = 1;
    row.calls = fleet.calls() - before;
    let seen = fleet.server.seen(fleet.key);
    // One request may have been sent when the store failed.
    assert!(seen.spends <= 2 && seen.refused <= 2, "{seen:?}");
    assert_eq!(seen.overlaps, 0, "{seen:?}");
    row.reuses = seen.spends.saturating_sub(1);
    (row.requests, row.longest) = fleet.end().await;
    row.done();
}

/// Processes under load. The second half of them is behind a proxy.
struct Fleet {
    key: &'static str,
    server: Server,
    processes: Vec<Process>,
}

impl Fleet {
    async fn start(redis: &RedisServer, proxy: &FaultProxy, key: &'static str) -> Self {
        let server = Server::start().await;
        let process = |number| {
            let behind = number >= PROCESSES / 2;
            let url = if behind { proxy.url() } else { redis.url() };
            // A process whose only credential is a refresh token must not fail because a disk is
            // slow. The store ends a call itself after half a second.
            let process = if server::is_person(key) {
                Process::patient(&url, &server)
            } else {
                Process::start(&url, &server, None)
            };
            process.tell(&format!("load {key}"));
            process
        };
        let processes = (0..PROCESSES).map(process).collect();
        Self {
            key,
            server,
            processes,
        }
    }

    /// Waits until every process has received this many new tokens. Returns their token requests.
    async fn rounds(&mut self, rounds: u64) -> u64 {
        let before = self.calls();
        for _ in 0..rounds {
            self.round().await;
        }
        self.calls() - before
    }

    /// Returns when the last process had its token.
    async fn round(&mut self) -> Instant {
        let mut last = Instant::now();
        for process in &mut self.processes {
            last = last.max(process.says("now", self.key).await.at);
        }
        last
    }

    /// Waits until each new token costs one token request for all processes together. Returns when
    /// that began.
    async fn recovers(&mut self) -> Instant {
        let mut costs = Vec::new();
        for _ in 0..TRIES {
            for process in &mut self.processes {
                process.forget("now", self.key);
            }
            let before = self.calls();
            let since = self.round().await;
            self.rounds(ROUNDS - 1).await;
            let calls = self.calls() - before;
            // The first process to renew may be one token ahead of the last.
            if calls <= ROUNDS + 1 {
                return since;
            }
            costs.push(calls);
        }
        panic!("they do not find together: {costs:?}");
    }

    /// Ends the load. Returns the number of requests, none of which failed, and the longest
    /// duration.
    async fn end(mut self) -> (u64, Duration) {
        let (mut requests, mut longest) = (0, 0);
        for process in &mut self.processes {
            process.tell(&format!("stop {}", self.key));
            let sum = process.says("sum", self.key).await;
            let (number, millis) = sum.rest().split_once(' ').unwrap();
            requests += number.parse::<u64>().unwrap();
            longest = longest.max(millis.parse().unwrap());
        }
        self.server.stop();
        (requests, Duration::from_millis(longest))
    }

    fn calls(&self) -> u64 {
        self.server.seen(self.key).calls
    }
}

const PROCESSES: usize = 4;
/// The number of new tokens for each process during an observation.
const ROUNDS: u64 = 3;
/// A failed store is not called for up to 40 seconds. Each try takes three lifetimes of a token.
const TRIES: usize = 12;
