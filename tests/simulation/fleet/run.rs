use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use auth_core::{MemoryStore, Refusal};
use fastrand::Rng;
use tokio::{
    runtime,
    task::JoinSet,
    time::{Instant, sleep, sleep_until},
};

use super::{
    HOUR, MINUTE, SECOND,
    judge::{Judged, fullest_window},
    process::{Life, Process},
    vendor::Vendor,
};

/// The settings of a run.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) processes: usize,
    pub(super) lasts: Duration,
    /// The average time between two requests of a process.
    pub(super) every: Duration,
    pub(super) quota: u32,
    pub(super) lifetime: Duration,
    /// A process with the lease dies at one of this number of steps of the protocol.
    pub(super) deaths_in: u32,
    /// The number of processes that are killed at any time.
    pub(super) restarts: u32,
    /// How often the API revokes all tokens.
    pub(super) revocations: u32,
    /// The number of outages of the vendor, each of some minutes.
    pub(super) outages: u32,
    /// The number of outages of the store, or of one process's connection to it.
    pub(super) store_outages: u32,
    /// The maximum difference of wall clocks in seconds, in both directions.
    pub(super) skew: i64,
    pub(super) first_holder_dies: bool,
    pub(super) store_down: bool,
}

impl Plan {
    pub(super) fn quiet() -> Self {
        Self {
            processes: 1,
            lasts: HOUR,
            every: MINUTE,
            quota: 1_000,
            lifetime: HOUR,
            deaths_in: 0,
            restarts: 0,
            revocations: 0,
            outages: 0,
            store_outages: 0,
            skew: 600,
            first_holder_dies: false,
            store_down: false,
        }
    }

    pub(super) fn drawn(seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        Self {
            processes: rng.usize(2..12),
            lasts: HOUR * rng.u32(1..6),
            every: SECOND * rng.u32(5..120),
            quota: if rng.bool() { 20 } else { 1_000 },
            lifetime: SECOND * rng.u32(300..7200),
            deaths_in: if rng.bool() { rng.u32(10..100) } else { 0 },
            restarts: rng.u32(0..10),
            revocations: rng.u32(0..4),
            outages: rng.u32(0..2),
            store_outages: rng.u32(0..3),
            ..Self::quiet()
        }
    }
}

struct World {
    plan: Plan,
    vendor: Vendor,
    store: MemoryStore,
    is_store_down: Arc<AtomicBool>,
    rng: Mutex<Rng>,
    places: Vec<Mutex<Process>>,
    tokens: AtomicU64,
    failed: AtomicU64,
    refusals: AtomicU64,
    deaths_at_work: AtomicU64,
    /// How long each outage of the vendor was.
    down_for: Mutex<Vec<Duration>>,
}

/// Runs one fleet and asserts the guarantees.
pub(super) fn run(seed: u64, plan: &Plan) -> Judged {
    fastrand::seed(seed);
    let runtime = runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(simulate(seed, plan.clone()))
}

async fn simulate(seed: u64, plan: Plan) -> Judged {
    let mut rng = Rng::with_seed(seed);
    let vendor = Vendor::new(rng.fork(), plan.quota, plan.lifetime);
    let store = MemoryStore::new();
    let is_store_down = Arc::new(AtomicBool::new(plan.store_down));
    let begun = Instant::now();
    let mut world = World {
        vendor,
        store,
        is_store_down,
        places: Vec::new(),
        tokens: AtomicU64::new(0),
        failed: AtomicU64::new(0),
        refusals: AtomicU64::new(0),
        deaths_at_work: AtomicU64::new(0),
        down_for: Mutex::default(),
        rng: Mutex::new(rng.fork()),
        plan,
    };
    for number in 0..world.plan.processes {
        let process = world.start(number == 0 && world.plan.first_holder_dies);
        world.places.push(Mutex::new(process));
    }
    let world = Arc::new(world);
    let mut tasks = JoinSet::new();
    for place in 0..world.plan.processes {
        tasks.spawn(Arc::clone(&world).live(place, begun + world.plan.lasts, rng.fork()));
    }
    tasks.spawn(Arc::clone(&world).trouble(begun, rng.fork()));
    while let Some(ended) = tasks.join_next().await {
        ended.unwrap();
    }
    world.judge(seed)
}

impl World {
    fn start(&self, dies_first: bool) -> Process {
        let mut rng = self.rng.lock().unwrap();
        let dies_in = if dies_first { 3 } else { self.plan.deaths_in };
        let skew = rng.i64(-self.plan.skew..=self.plan.skew);
        let life = Life::new(rng.fork(), dies_in, &self.is_store_down);
        Process::new(&self.vendor, &self.store, self.plan.quota, life, skew)
    }

    /// Runs one process after another at a place: a new one starts when one has died.
    async fn live(self: Arc<Self>, place: usize, until: Instant, mut rng: Rng) {
        while Instant::now() < until {
            let process = self.places[place].lock().unwrap().clone();
            if process.life.is_dead() {
                let at_work = process.life.died_at_work.load(Ordering::SeqCst);
                self.deaths_at_work
                    .fetch_add(u64::from(at_work), Ordering::SeqCst);
                *self.places[place].lock().unwrap() = self.start(false);
                continue;
            }
            tokio::select! {
                () = self.request(&process) => {}
                () = died(&process.life) => continue,
            }
            let half = self.plan.every.as_millis() as u64 / 2;
            sleep(Duration::from_millis(rng.u64(half..=3 * half))).await;
        }
    }

    /// Gets a token, and another one if the API refuses it.
    async fn request(&self, process: &Process) {
        self.tokens.fetch_add(1, Ordering::SeqCst);
        let Ok(token) = process.authenticator.token().await else {
            self.failed.fetch_add(1, Ordering::SeqCst);
            return;
        };
        let mut headers = http::HeaderMap::new();
        token.sign(&mut headers);
        let text = headers["authorization"].to_str().unwrap();
        if self.vendor.accepts(text.trim_start_matches("Bearer ")) {
            return;
        }
        self.refusals.fetch_add(1, Ordering::SeqCst);
        match process.authenticator.report_refused(token.generation()) {
            Refusal::Renewing(acquire) => {
                if let Ok(token) = acquire.await {
                    process.authenticator.report_accepted(token.generation());
                }
            }
            Refusal::Superseded(token) => process.authenticator.report_accepted(token.generation()),
            _ => {}
        }
    }

    /// All faults, at times that the seed decides.
    async fn trouble(self: Arc<Self>, begun: Instant, mut rng: Rng) {
        let Plan {
            restarts,
            revocations,
            outages,
            store_outages,
            lasts,
            processes,
            ..
        } = self.plan;
        let mut events: Vec<(Duration, u8)> = Vec::new();
        for (kind, count) in [restarts, revocations, outages, store_outages]
            .into_iter()
            .enumerate()
        {
            for _ in 0..count {
                let at = lasts.mul_f64(rng.f64() * 0.9);
                events.push((at, kind as u8));
            }
        }
        events.sort();
        for (at, kind) in events {
            sleep_until(begun + at).await;
            match kind {
                0 => self.places[rng.usize(..processes)]
                    .lock()
                    .unwrap()
                    .life
                    .kill(),
                1 => self.vendor.revoke_all(),
                2 => {
                    let outage = MINUTE * rng.u32(1..10);
                    self.down_for.lock().unwrap().push(outage);
                    self.vendor.state().is_down = true;
                    sleep(outage).await;
                    self.vendor.state().is_down = false;
                }
                _ if rng.bool() => {
                    self.is_store_down.store(true, Ordering::SeqCst);
                    sleep(MINUTE * rng.u32(1..10)).await;
                    self.is_store_down.store(false, Ordering::SeqCst);
                }
                _ => {
                    let life = self.places[rng.usize(..processes)]
                        .lock()
                        .unwrap()
                        .life
                        .clone();
                    life.cut_off(true);
                    sleep(MINUTE * rng.u32(1..10)).await;
                    life.cut_off(false);
                }
            }
        }
    }

    fn judge(&self, seed: u64) -> Judged {
        let plan = &self.plan;
        let state = self.vendor.state();
        // Renewed after three quarters at the earliest, and one minute before its end at the
        // latest.
        let lifetime = plan.lifetime.mul_f64(0.75);
        let lifetimes = plan.lasts.as_secs_f64() / lifetime.as_secs_f64();
        let deaths: u64 = self.deaths_at_work.load(Ordering::SeqCst)
            + self
                .places
                .iter()
                .filter(|place| {
                    place
                        .lock()
                        .unwrap()
                        .life
                        .died_at_work
                        .load(Ordering::SeqCst)
                })
                .count() as u64;
        let judged = Judged {
            tokens: self.tokens.load(Ordering::SeqCst),
            failed: self.failed.load(Ordering::SeqCst),
            token_requests: state.token_requests.len() as u64,
            lifetimes: lifetimes.ceil() as u64,
            deaths_at_work: deaths,
            refusals: u64::from(plan.revocations),
            outages: u64::from(plan.outages),
            store_outages: u64::from(plan.store_outages),
            refused_by_quota: state.refused_by_quota,
            fullest_window: fullest_window(&state.token_requests),
        };
        // While the store is down, each process sends its own token request, and one more per
        // restart. So does a process with its own token if that token is refused.
        let restarted = u64::from(plan.restarts) + deaths;
        let alone = plan.processes as u64 + restarted;
        let bound = judged.lifetimes
            + 1
            + deaths
            + u64::from(plan.revocations)
            + state.failures
            + u64::from(plan.store_outages + u32::from(plan.store_down)) * alone * 2;
        assert!(
            judged.token_requests <= bound,
            "SIM_SEED={seed}: {} token requests, not {bound}: {judged:?}\n{plan:?}",
            judged.token_requests
        );
        // All processes together back off. One that dies at work tells nobody of its failure, and
        // without the store each backs off for itself.
        let down_for = self.down_for.lock().unwrap();
        let together: u64 = down_for.iter().map(|outage| most_failures(*outage)).sum();
        let alone = 1 + u64::from(plan.store_outages) * plan.processes as u64;
        let down = (together + deaths) * alone;
        assert!(
            state.failures <= down,
            "SIM_SEED={seed}: {} failures: {judged:?}\n{plan:?}",
            state.failures
        );
        if plan.store_outages == 0 && !plan.store_down {
            assert_eq!(
                judged.refused_by_quota, 0,
                "SIM_SEED={seed}: {judged:?}\n{plan:?}"
            );
            let most = u64::from(plan.quota);
            assert!(judged.fullest_window <= most, "SIM_SEED={seed}: {judged:?}");
        }
        judged
    }
}

/// How many token requests may fail in an outage: the distance of two is an eighth of its time so
/// far and at least a second, less a quarter by jitter on average. A quarter more for chance, and for
/// the end of a token, which is approached in shorter steps.
fn most_failures(outage: Duration) -> u64 {
    let (mut at, mut count) = (Duration::ZERO, 0);
    while at < outage {
        at += SECOND.max(at * 3 / 32);
        count += 1;
    }
    count + count / 4
}

async fn died(life: &Life) {
    while !life.is_dead() {
        sleep(SECOND).await;
    }
}
