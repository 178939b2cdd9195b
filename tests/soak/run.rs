//! One run: starts everything, makes trouble, and asks the judge.

use std::{collections::BTreeMap, env, time::Duration};

use redis_process::FaultProxy;
use tokio::time::{self, Instant};

use crate::{
    judge::{self, Seen, Trouble, growth},
    place::{self, Place},
    plan::{Cycle, Fault, Plan},
    process::Process,
    table::Table,
    vendors::{KEYED, PERSON, PLAIN, Vendor},
    worker::Settings,
};

/// The processes that share a store.
const FLEET: u64 = 4;

/// Runs for the time that the environment says. Fails with all that went wrong.
pub(crate) async fn soak() -> Result<(), String> {
    let number = |name| env::var(name).map(|text| text.parse::<u64>().unwrap()).ok();
    let lasts = Duration::from_secs(number("AUTH_SOAK_SECONDS").unwrap_or(10));
    let seed = number("AUTH_SOAK_SEED").unwrap_or_else(|| fastrand::u64(..1 << 32));
    let mut soak = Soak::start(lasts, seed).await;
    let ended = soak.run().await;
    let mut faults = soak.faults.clone();
    faults.extend(ended.err());
    let logs = soak.last_lines(&faults);
    faults.extend(soak.finish().await);
    if faults.is_empty() {
        return Ok(());
    }
    Err(format!(
        "\n{logs}{}\n{} faults; to repeat: AUTH_SOAK_SECONDS={} AUTH_SOAK_SEED={seed}{} cargo test --test soak",
        faults.join("\n"),
        faults.len(),
        lasts.as_secs(),
        if place::has_redis() {
            " AUTH_REDIS=1"
        } else {
            ""
        },
    ))
}

/// The times of a cycle.
struct Times {
    calm: Duration,
    fault: Duration,
    /// A time without a fault shows that all have recovered.
    quiet: Duration,
    recovery: Duration,
}

struct Soak {
    lasts: Duration,
    times: Times,
    place: Place,
    proxy: Option<FaultProxy>,
    vendors: [Vendor; 3],
    processes: Vec<Process>,
    plan: Plan,
    table: Table,
    faults: Vec<String>,
}

impl Soak {
    async fn start(lasts: Duration, seed: u64) -> Self {
        let place = if place::has_redis() {
            Place::redis()
        } else {
            Place::files()
        };
        let proxy = match &place {
            Place::Redis(redis) => Some(FaultProxy::start(redis.address()).await),
            Place::Files(_) => None,
        };
        let store = proxy.as_ref().map_or_else(|| place.name(), FaultProxy::url);
        let vendors = [
            Vendor::start(PLAIN).await,
            Vendor::start(PERSON).await,
            Vendor::start(KEYED).await,
        ];
        let mut processes: Vec<_> = (1..=FLEET)
            .map(|number| {
                let settings = Settings::Fleet {
                    store: store.clone(),
                    hyper: number % 2 == 0,
                    plain: vendors[0].access(),
                    person: vendors[1].access(),
                };
                Process::start(format!("process {number}"), &settings)
            })
            .collect();
        let keyed = Settings::Keyed(vendors[2].access());
        processes.push(Process::start("process with keys".into(), &keyed));
        let times = if lasts < Duration::from_secs(60) {
            Times {
                calm: Duration::from_secs(2),
                fault: Duration::from_millis(1_500),
                quiet: Duration::from_secs(2),
                recovery: Duration::from_secs(30),
            }
        } else {
            Times {
                calm: Duration::from_secs(7),
                fault: Duration::from_secs(6),
                quiet: Duration::from_secs(4),
                recovery: Duration::from_secs(30),
            }
        };
        Self {
            lasts,
            plan: Plan::new(seed, proxy.is_some(), times.fault),
            table: Table::new(seed, place.kind()),
            times,
            place,
            proxy,
            vendors,
            processes,
            faults: Vec::new(),
        }
    }

    async fn run(&mut self) -> Result<(), String> {
        let begun = Instant::now();
        self.table.begins(self.lasts);
        self.recovers("the start").await?;
        while begun.elapsed() < self.lasts && self.faults.len() < 20 {
            let cycle = self.plan.next().unwrap();
            self.cycle(&cycle).await?;
            self.table.progress(begun.elapsed(), &self.faults);
        }
        Ok(())
    }

    /// A calm time, a fault, and the recovery from it.
    async fn cycle(&mut self, cycle: &Cycle) -> Result<(), String> {
        let begun = Instant::now();
        let before = self.seen().await?;
        time::sleep(self.times.calm).await;
        let calm = self.seen().await?;
        let lasted = begun.elapsed();
        for (vendor, seen) in since(&calm, &before) {
            self.table.calm(lasted, &seen);
            self.faults.extend(judge::calm(vendor, lasted, &seen));
        }

        let fault = Instant::now();
        let mut prepared = 0;
        for fault in &cycle.faults {
            for vendor in &self.vendors {
                prepared = prepared.max(vendor.begin(*fault).await);
            }
            self.store(*fault, true);
        }
        let young = self.vendors[2].young();
        time::sleep(cycle.lasts).await;
        self.vendors.iter().for_each(Vendor::end);
        for fault in &cycle.faults {
            self.store(*fault, false);
        }
        let names: Vec<_> = cycle.faults.iter().map(|fault| fault.words()).collect();
        let names = names.join(" and ");
        let recovery = self.recovers(&names).await?;
        let after = self.seen().await?;
        let trouble = Trouble {
            faults: &cycle.faults,
            whole: begun.elapsed(),
            fault: fault.elapsed(),
            prepared: prepared as u64,
            processes: FLEET,
            young,
        };
        for (vendor, seen) in since(&after, &before) {
            let bound = trouble.bound(vendor, &seen);
            self.table.whole(trouble.whole, bound, &seen);
            self.faults.extend(trouble.judge(vendor, &seen));
        }
        self.table.cycle(&names, recovery, since(&after, &calm));
        Ok(())
    }

    /// Begins or ends a fault of the store.
    fn store(&mut self, fault: Fault, begins: bool) {
        let (Place::Redis(redis), Some(proxy)) = (&mut self.place, &self.proxy) else {
            return;
        };
        match (fault, begins) {
            (Fault::RedisKilled, true) => redis.kill(),
            (Fault::RedisKilled, false) => redis.restart(),
            (Fault::RedisHalted, true) => redis.pause(),
            (Fault::RedisHalted, false) => redis.resume(),
            (Fault::RedisSilent, true) => proxy.hang(),
            (Fault::RedisSilent, false) => proxy.pass(),
            _ => {}
        }
    }

    /// Waits for a time that looks as if there had been no fault. Returns how long that took.
    async fn recovers(&mut self, from: &str) -> Result<Duration, String> {
        let begun = Instant::now();
        loop {
            let since_ = Instant::now();
            let before = self.seen().await?;
            time::sleep(self.times.quiet).await;
            let after = self.seen().await?;
            let lasted = since_.elapsed();
            let seen = since(&after, &before);
            let faults = seen.map(|(vendor, seen)| judge::calm(vendor, lasted, &seen));
            let faults: Vec<_> = faults.into_iter().flatten().collect();
            if faults.is_empty() {
                return Ok(since_ - begun);
            }
            if begun.elapsed() > self.times.recovery {
                let faults = faults.join("; ");
                return Err(format!("no recovery from {from} within 30 s: {faults}"));
            }
        }
    }

    /// Returns what was seen so far. Also measures the processes, and searches their logs.
    async fn seen(&mut self) -> Result<[(&'static str, Seen); 3], String> {
        let mut seen = [PLAIN, PERSON, KEYED].map(|name| (name, Seen::default()));
        let mut errors = Vec::new();
        for (number, process) in self.processes.iter_mut().enumerate() {
            let report = process.report().await?;
            process.measure(&report);
            for (name, counts) in report.traffic {
                let of = seen.iter_mut().find(|(vendor, _)| name.starts_with(vendor));
                of.unwrap().1.add(&counts);
                self.table.longest = self.table.longest.max(counts.longest);
                self.table.entries = self.table.entries.max(counts.entries);
                errors.extend(counts.errors.into_iter().map(|error| (number, error)));
            }
        }
        for (vendor, (_, seen)) in self.vendors.iter().zip(&mut seen) {
            seen.count(&vendor.counters());
        }
        let secrets = self.secrets();
        for (number, error) in errors {
            let leaks = self.processes[number].leaks("an error", &error, &secrets);
            self.faults.extend(leaks);
            self.table.error(&error);
        }
        for process in &self.processes {
            let (leaks, lines) = process.search(&secrets);
            self.faults.extend(leaks);
            self.table.lines += lines;
        }
        Ok(seen)
    }

    /// Returns the secrets, one for each beginning: that is what is searched for.
    fn secrets(&self) -> Vec<String> {
        let mut by_beginning = BTreeMap::new();
        for vendor in &self.vendors {
            for secret in vendor.server.expose_secrets() {
                by_beginning.insert(secret.chars().take(8).collect::<String>(), secret);
            }
        }
        by_beginning.into_values().collect()
    }

    fn last_lines(&self, faults: &[String]) -> String {
        if faults.is_empty() {
            return String::new();
        }
        let logs = self.processes.iter();
        let logs = logs.map(|one| format!("-- {}\n{}\n", one.name, one.last_lines()));
        logs.collect()
    }

    /// Ends the processes. Returns what went wrong.
    async fn finish(mut self) -> Vec<String> {
        let mut faults = Vec::new();
        let is_short = self.lasts < Duration::from_secs(60);
        for process in std::mem::take(&mut self.processes) {
            let (name, held) = (process.name.clone(), process.held.clone());
            faults.extend(growth(&name, &held, is_short));
            match process.finish().await {
                Ok((report, took)) => {
                    if report.tasks > 0 {
                        faults.push(format!(
                            "{name}: {} tasks are left at the end",
                            report.tasks
                        ));
                    }
                    if took > LONGEST_END {
                        faults.push(format!("{name} took {took:?} to end"));
                    }
                    self.table.process(&name, &held, took);
                }
                Err(error) => faults.push(error),
            }
        }
        let uses = self.vendors[1].server.refresh_token_uses();
        self.table.refresh_tokens = uses.len() as u64;
        for one in uses {
            // Once, and once more if the reply was lost.
            if one.accepted > 1 || one.refused > 1 {
                faults.push(format!("a refresh token was sent too often: {one:?}"));
            }
        }
        self.faults.extend(faults.clone());
        self.table.end(&self.faults);
        for vendor in self.vendors {
            vendor.server.shutdown().await;
        }
        faults
    }
}

fn since(
    after: &[(&'static str, Seen); 3],
    before: &[(&'static str, Seen); 3],
) -> [(&'static str, Seen); 3] {
    [0, 1, 2].map(|at| (after[at].0, after[at].1.since(&before[at].1)))
}

/// Longer than requests in progress and the last calls of the store take.
const LONGEST_END: Duration = Duration::from_secs(5);
