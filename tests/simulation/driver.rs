//! One run: traffic and faults as the seed decides, then no faults, then no traffic.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use auth_core::{Authenticator, AuthenticatorOptions, Origins, Quota};
use auth_testkit::{MemoryBody, MemoryError};
use auth_tower::{AuthLayer, Error};
use fastrand::Rng;
use http::{Request, Response};
use tokio::{
    runtime::{Builder, Handle},
    task::JoinSet,
    time,
};
use tower::{Layer, Service};

use crate::{
    api::Api,
    body::SimBody,
    faults::event,
    model::WINDOW,
    request::{self, Plan},
    scenario::{ReplayMode, choose, pause},
    vendor::Vendor,
    world::World,
};

/// The result of a seed.
pub(crate) struct Run {
    pub(crate) seed: u64,
    pub(crate) trace: String,
    pub(crate) violations: Vec<String>,
    pub(crate) requests: u64,
    pub(crate) sends: u64,
    pub(crate) token_requests: u64,
    pub(crate) faults: BTreeMap<&'static str, u64>,
}

/// Runs a seed to its end, in its own runtime.
pub(crate) fn run(seed: u64) -> Run {
    // The machine takes its jitter from the random generator of the thread.
    fastrand::seed(seed);
    let runtime = Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    let world = runtime.block_on(async {
        let world = Arc::new(World::new(Rng::with_seed(seed)));
        live(&world).await;
        world
    });
    drop(runtime);
    let inner = world.lock();
    Run {
        seed,
        trace: inner.trace.clone(),
        violations: inner.violations.clone(),
        requests: inner.requests,
        sends: inner.sends_total,
        token_requests: inner.token_requests,
        faults: inner.faults.clone(),
    }
}

async fn live(world: &Arc<World>) {
    let alive = Arc::new(());
    let authenticator = authenticator(world, Arc::clone(&alive));
    let layer = AuthLayer::new(authenticator);
    let api = Api::new(world);
    match world.scenario.replay {
        ReplayMode::Cheap => {
            let client = layer.layer(api);
            drop(layer);
            course(world, client).await;
        }
        ReplayMode::With => course(world, layer.replay_with(SimBody::try_clone).layer(api)).await,
        ReplayMode::Off => course(world, layer.replay_off().layer(api)).await,
    }
    if Arc::strong_count(&alive) != 1 {
        world.violation("the authenticator outlives its handles");
    }
}

fn authenticator(world: &Arc<World>, alive: Arc<()>) -> Authenticator {
    let mut options = AuthenticatorOptions::new().clock(world.clock.clone());
    if let Some(limit) = world.scenario.quota {
        options = options.quota(Quota::new(limit, WINDOW).unwrap());
    }
    let origins = Origins::new([world.server.origin()]).unwrap();
    Authenticator::builder(Vendor::new(world, alive), origins)
        .vendor("example")
        .options(options)
        .build()
        .unwrap()
}

async fn course<S>(world: &Arc<World>, client: S)
where
    S: Service<Request<SimBody>, Response = Response<MemoryBody>, Error = Error<MemoryError>>,
    S: Clone + Send + 'static,
    S::Future: Send,
{
    let mut callers = JoinSet::new();
    for _ in 0..world.scenario.steps {
        if world.lock().chance(world.scenario.events) {
            happen(world);
        } else {
            for plan in burst(world) {
                callers.spawn(request::run(Arc::clone(world), client.clone(), plan));
            }
        }
        let dt = pause(&mut world.lock().rng, world.scenario.lifetime);
        time::sleep(dt).await;
        while let Some(ended) = callers.try_join_next() {
            check_end(world, ended.err());
        }
        if !world.lock().violations.is_empty() {
            return;
        }
    }
    while let Some(ended) = callers.join_next().await {
        check_end(world, ended.err());
    }
    clear_up(world).await;
    recover(world, &client).await;
    settle(world).await;
}

/// No panic of the source may reach a caller.
fn check_end(world: &World, error: Option<tokio::task::JoinError>) {
    if let Some(error) = error {
        world.violation(format_args!("a caller panicked: {error}"));
    }
}

fn burst(world: &World) -> Vec<Plan> {
    let mut inner = world.lock();
    let count = match inner.rng.u8(0..10) {
        0..6 => inner.rng.u64(1..3),
        6..9 => inner.rng.u64(2..6),
        _ => inner.rng.u64(6..20),
    };
    let first = inner.requests;
    inner.requests += count;
    let plans = (first..first + count).map(|id| Plan::draw(id, &mut inner.rng, false));
    plans.collect()
}

/// Something happens that is neither a request nor the passing of time.
fn happen(world: &World) {
    let now = world.now();
    let mut inner = world.lock();
    inner.model.observe(now);
    let what = inner.rng.u8(0..9);
    let leap = choose(&mut inner.rng, [3, 600, 3_600, 10 * 365 * 86_400]);
    let leap = Duration::from_secs(leap);
    let next = (what == 5 || what == 6).then(|| inner.next_secret());
    drop(inner);
    match (what, next) {
        (0, _) => {
            world.clock.jump_wall_forward(leap);
            world.hit(event::WALL_FORWARD);
        }
        (1, _) => {
            world.clock.jump_wall_back(leap);
            world.hit(event::WALL_BACK);
        }
        (2, _) => {
            world.clock.suspend(leap.min(Duration::from_secs(86_400)));
            world.hit(event::SUSPEND);
        }
        (3, _) => {
            world.server.revoke_all();
            world.hit(event::REVOKED);
        }
        (4, _) => {
            let on = {
                let weather = &mut world.lock().weather;
                weather.refuses_all = !weather.refuses_all;
                weather.refuses_all
            };
            world.server.always_refuse(on);
            world.hit(event::REFUSES_ALL);
        }
        (5, Some(secret)) => {
            world.lock().vault = secret;
            world.hit(event::SECRET_KNOWN_FIRST);
        }
        (6, Some(secret)) => {
            world.server.change_client_secret(secret);
            world.hit(event::SECRET_KNOWN_LATER);
        }
        (7, _) => {
            let vault = world.lock().vault.clone();
            world.server.change_client_secret(vault);
            world.note("client and vendor agree on the secret");
        }
        _ => {
            let mut inner = world.lock();
            inner.weather.outage = !inner.weather.outage;
            drop(inner);
            world.hit(event::OUTAGE);
        }
    }
}

/// All faults end, and operations in progress are completed.
async fn clear_up(world: &World) {
    world.note("fair weather");
    let vault = {
        let mut inner = world.lock();
        inner.weather.fair = true;
        inner.weather.outage = false;
        inner.planned = None;
        inner.vault.clone()
    };
    world.server.change_client_secret(vault);
    world.server.always_refuse(false);
    time::sleep(LONGEST_FLIGHT).await;
    if world.lock().model.is_flying() {
        world.violation("a token request is in progress long after its deadline");
    }
}

/// The first success follows as soon as the back-off permits it, as the errors state.
async fn recover<S>(world: &Arc<World>, client: &S)
where
    S: Service<Request<SimBody>, Response = Response<MemoryBody>, Error = Error<MemoryError>>,
    S: Clone,
{
    let mut failures = 0;
    let mut in_back_off = Duration::ZERO;
    // Renewals without effect leave the quota's reserve unused until a slot frees.
    let longest = match world.scenario.quota {
        Some(_) => LONGEST_REFUSAL_BACKOFF + WINDOW,
        None => LONGEST_REFUSAL_BACKOFF,
    };
    let longest = longest + world.lock().model.on_trial_for(world.now());
    while failures <= MOST_FAILURES && in_back_off <= longest {
        let plan = {
            let mut inner = world.lock();
            let id = inner.requests;
            inner.requests += 1;
            Plan::draw(id, &mut inner.rng, true)
        };
        match request::run(Arc::clone(world), client.clone(), plan).await {
            Some(Ok(response)) if response.status() == 200 => return,
            Some(Err(Error::Auth(error))) => {
                failures += 1;
                time::sleep(error.retry_after().unwrap_or_default()).await;
            }
            _ => {
                let step =
                    (in_back_off / 10).clamp(Duration::from_secs(1), Duration::from_secs(60));
                in_back_off += step;
                time::sleep(step).await;
            }
        }
    }
    world.violation("the faults are over, and there is no success");
}

/// Without callers nothing is left.
async fn settle(world: &World) {
    time::sleep(LONGEST_FLIGHT).await;
    let tasks = Handle::current().metrics().num_alive_tasks();
    if tasks != 0 {
        world.violation(format_args!("{tasks} tasks are left"));
    }
    let flying = world.server.counters().token_in_flight;
    if flying != 0 || world.lock().model.is_flying() {
        world.violation("a token request is left");
    }
    let queued = world.server.api().remaining() + world.server.token().remaining();
    if queued != 0 {
        world.violation("the simulation itself: a planned fault was not used");
    }
}

/// A floor, a deadline and a margin.
const LONGEST_FLIGHT: Duration = Duration::from_secs(15);
/// One for a back-off, and one for a slot of the quota.
const MOST_FAILURES: u32 = 2;
const LONGEST_REFUSAL_BACKOFF: Duration = Duration::from_secs(65);
