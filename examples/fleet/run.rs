use std::{error::Error, process, time::Duration};

use tokio::{
    signal::{ctrl_c, unix},
    time,
};

use crate::{
    arguments::Arguments,
    figures::{Figures, Outage, Side},
    phase::{PerPhase, Phase},
    progress::Progress,
    redis::Redis,
    store::StoreSettings,
    team::Team,
    vendor::{HOUR, QUOTA, Vendor},
    worker::{Order, Settings},
};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Runs the fleets. All processes that it starts end with it.
pub(crate) async fn run(arguments: &Arguments) -> Result<Figures> {
    let mut terminated = unix::signal(unix::SignalKind::terminate())?;
    let longest = arguments.lengths().0.iter().sum::<Duration>() + SLACK;
    tokio::select! {
        ended = time::timeout(longest, phases(arguments, longest)) => {
            ended.map_err(|_| format!("not done after {longest:?}"))?
        }
        _ = ctrl_c() => Err("interrupted".into()),
        _ = terminated.recv() => Err("terminated".into()),
    }
}

async fn phases(arguments: &Arguments, longest: Duration) -> Result<Figures> {
    let processes = arguments.processes;
    let mut redis = match &arguments.redis {
        Some(url) => Redis::given(url).await?,
        None => Redis::start().await?,
    };
    // While the store is down, each process may use a share, which must suffice for the current
    // token and the next one. The rest is for tokens that were issued just before.
    let quota = QUOTA.max(2 * processes + 2);
    let share = (quota - 2) / processes;
    let (mut vendor, mut other_vendor) = (Vendor::start(quota).await, Vendor::start(quota).await);
    let settings = |vendor: &Vendor, store: Option<StoreSettings>| Settings {
        token_url: vendor.server().token_url(),
        base_url: vendor.server().origin().to_owned(),
        client_id: vendor.server().client_id().to_owned(),
        client_secret: vendor.server().client_secret(),
        quota: if store.is_some() { quota } else { share },
        share,
        store,
        window: HOUR,
        requests_per_second: (ALL_REQUESTS_PER_SECOND / processes).min(20),
        longest,
    };
    let store = StoreSettings {
        url: redis.url().to_owned(),
        prefix: format!("auth:example:{}:", process::id()),
        sealing_key: new_key(),
        name_key: new_key(),
    };
    let mut shared = Team::start(processes, &settings(&vendor, Some(store))).await?;
    let mut alone = Team::start(processes, &settings(&other_vendor, None)).await?;

    vendor.begin();
    other_vendor.begin();
    let lengths = arguments.lengths();
    let progress = Progress::new();
    progress.event(&format!(
        "{processes} processes share a token, {processes} do not"
    ));
    let mut ends = PerPhase::<Duration>::default();
    let mut outage = Outage::default();
    for phase in Phase::ALL {
        for team in [&mut shared, &mut alone] {
            team.order(Order::Enter(phase)).await?;
        }
        if phase == Phase::Outage {
            redis.fail().await?;
            progress.event(redis.failed());
        }
        pass(lengths[phase], phase, &progress, &vendor).await;
        if phase == Phase::Outage {
            outage = recover(&mut redis, &shared, &progress).await?;
        }
        ends[phase] = vendor.now();
    }
    progress.end();
    let (shared, alone) = tokio::try_join!(shared.finish(), alone.finish())?;
    redis.end().await?;
    let figures = Figures {
        quota,
        ends,
        outage,
        shared: Side::new(shared, vendor.calls(), quota),
        alone: Side::new(alone, other_vendor.calls(), quota),
    };
    vendor.stop().await;
    other_vendor.stop().await;
    Ok(figures)
}

/// Waits, and shows the progress of the phase.
async fn pass(length: Duration, phase: Phase, progress: &Progress, vendor: &Vendor) {
    let start = time::Instant::now();
    while start.elapsed() < length {
        progress.state(&format!(
            "{}: {} of {} s, {} token requests so far",
            phase.name(),
            start.elapsed().as_secs(),
            length.as_secs(),
            vendor.calls().len()
        ));
        let next = Duration::from_secs(1).min(length.saturating_sub(start.elapsed()));
        time::sleep(next).await;
    }
}

/// Starts Redis again, and waits until all processes share one token.
async fn recover(redis: &mut Redis, shared: &Team, progress: &Progress) -> Result<Outage> {
    let redis_restarts = redis.recover().await?;
    progress.event("Redis is back");
    let back = time::Instant::now();
    let recovery = time::timeout(LONGEST_RECOVERY, shared.one_token()).await;
    let recovery = recovery.ok().map(|()| back.elapsed());
    progress.event(&match recovery {
        Some(recovery) => format!(
            "all processes share one token, {:.1} s after Redis is back",
            recovery.as_secs_f64()
        ),
        None => format!("the processes do not share one token after {LONGEST_RECOVERY:?}"),
    });
    Ok(Outage {
        redis_restarts,
        recovery,
    })
}

/// A new one for each run: 32 bytes, in hexadecimal.
fn new_key() -> String {
    (0..4)
        .map(|_| format!("{:016x}", fastrand::u64(..)))
        .collect()
}

/// Requests per second of one fleet, which two slow cores can serve twice.
const ALL_REQUESTS_PER_SECOND: u32 = 240;
/// The longest time from the return of Redis until all processes share one token again.
const LONGEST_RECOVERY: Duration = Duration::from_secs(10);
/// The time for start, end and recovery.
const SLACK: Duration = Duration::from_secs(60);
