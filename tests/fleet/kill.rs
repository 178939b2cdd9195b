//! SIGKILL at each point of a token request.

use std::{sync::Arc, time::Duration};

use libtest_mimic::Trial;
use tokio::{sync::Semaphore, task::JoinSet, time::Instant};

use crate::{
    place::{self, Place},
    points::Step,
    process::Process,
    server::{Hold, Server, is_person},
    settings,
    table::Row,
    trial,
    worker::DEADLINE,
};

pub(crate) fn trials() -> Vec<Trial> {
    let mut trials = vec![trial("g17f_kill::file".into(), || {
        matrix(Place::files(), 3)
    })];
    if place::has_redis() {
        let runs = settings::runs(100);
        trials.push(trial("g17f_kill::redis".into(), move || {
            matrix(Place::redis(), runs)
        }));
    }
    trials
}

/// Where a process is killed.
#[derive(Clone, Copy, Debug)]
enum Point {
    BeforeLease,
    AfterLease,
    AfterMark,
    DuringCall,
    /// The process that takes over is killed too.
    DuringCallTwice,
    AfterReply,
    AfterPublish,
    DuringRefusal,
}

impl Point {
    const ALL: [Self; 8] = [
        Self::BeforeLease,
        Self::AfterLease,
        Self::AfterMark,
        Self::DuringCall,
        Self::DuringCallTwice,
        Self::AfterReply,
        Self::AfterPublish,
        Self::DuringRefusal,
    ];

    fn words(self) -> &'static str {
        match self {
            Self::BeforeLease => "before the lease",
            Self::AfterLease => "after the lease, before the mark",
            Self::AfterMark => "after the mark, before the call",
            Self::DuringCall => "during the call",
            Self::DuringCallTwice => "during the call, twice",
            Self::AfterReply => "after the reply, before publishing",
            Self::AfterPublish => "after publishing, before the release",
            Self::DuringRefusal => "during a refusal, anywhere",
        }
    }

    /// Returns the steps at this point, for a key.
    fn steps(self, key: &str) -> &'static [Step] {
        match self {
            Self::BeforeLease => &[Step::Leasing],
            Self::AfterLease => &[Step::Leased, Step::Looked],
            // Without a refresh token no mark is written.
            Self::AfterMark if is_person(key) => &[Step::Marked, Step::Calling],
            Self::AfterMark => &[Step::Calling],
            Self::DuringCall | Self::DuringCallTwice => &[Step::Called],
            Self::AfterReply => &[Step::Replied, Step::Publishing],
            Self::AfterPublish => &[Step::Published, Step::Releasing],
            Self::DuringRefusal => &[
                Step::Leasing,
                Step::Leased,
                Step::Looked,
                Step::Marked,
                Step::Calling,
                Step::Called,
                Step::Replied,
                Step::Publishing,
                Step::Published,
                Step::Releasing,
            ],
        }
    }
}

impl Point {
    /// Returns how many processes are killed one after the other.
    fn crashes(self) -> u64 {
        1 + u64::from(matches!(self, Self::DuringCallTwice))
    }
}

struct Stand {
    place: Place,
    server: Server,
    /// Limits the processes that start and are killed at once: more would only wait for each other.
    places: Semaphore,
    seed: u64,
}

/// One key of a process that was killed.
struct Killed {
    key: String,
    step: Step,
    at: Instant,
}

/// Runs each point `RUNS` times, all points at the same time.
async fn matrix(place: Place, runs: u64) {
    let stand = Arc::new(Stand {
        place,
        server: Server::start().await,
        places: Semaphore::new(4),
        seed: settings::seed(),
    });
    let mut points = JoinSet::new();
    for point in Point::ALL {
        points.spawn(all_runs(Arc::clone(&stand), point, runs));
    }
    let mut rows = points.join_all().await;
    rows.sort_by_key(|(point, _)| *point as u8);
    rows.into_iter().for_each(|(_, row)| row.done());
    stand.server.stop();
}

async fn all_runs(stand: Arc<Stand>, point: Point, runs: u64) -> (Point, Row) {
    let mut row = Row::new(stand.place.kind(), point.words(), Some(stand.seed));
    let name = stand.place.name();
    let next = || Process::patient(&name, &stand.server);
    let mut next = [next(), next()];
    let tell = next.each_ref().map(Process::teller);
    let mut late = Vec::new();
    let runs: Vec<_> = (0..runs).collect();
    for runs in runs.chunks(AT_ONCE) {
        let mut killing = JoinSet::new();
        for run in runs.iter().copied() {
            let (stand, tell) = (Arc::clone(&stand), tell.clone());
            killing.spawn(async move { kill(&stand, point, run, &tell).await });
        }
        for killed in killing.join_all().await.into_iter().flatten() {
            row.runs += 1;
            row.crashes += point.crashes();
            let waited = settle(&stand, point, &killed, &mut next, &mut row).await;
            late.push(waited.saturating_sub(lease(&killed.key)));
        }
    }
    late.sort_unstable();
    let late = late[late.len() / 2];
    assert!(late < SLACK / 4, "{point:?}: leases end {late:?} late");
    (point, row)
}

/// Has a process killed with two keys at the point. The next processes wait for the keys, or come
/// later.
async fn kill(stand: &Stand, point: Point, run: u64, next: &[impl Fn(&str)]) -> Vec<Killed> {
    let mut random = fastrand::Rng::with_seed(stand.seed ^ (point as u64) << 32 ^ run);
    let keys = ["plain", "person"].map(|kind| format!("{kind}-{point:?}-{run}"));
    let steps = keys.each_ref().map(|key| {
        let steps = point.steps(key);
        steps[random.usize(..steps.len())]
    });
    let next = || {
        for key in &keys {
            next.iter().for_each(|tell| tell(&format!("use {key}")));
        }
    };
    let waits_already = random.bool();
    let mut at = Instant::now();
    for crash in 1..=point.crashes() {
        let place = stand.places.acquire().await.unwrap();
        let mut process = Process::patient(&stand.place.name(), &stand.server);
        for (key, step) in keys.iter().zip(steps) {
            if matches!(point, Point::DuringRefusal) {
                process.tell(&format!("use {key}"));
                process.says("used", key).await;
                stand.server.revoke(key);
            }
            if step == Step::Called {
                let hold = [Hold::Before, Hold::After][random.usize(..2)];
                stand.server.hold(key, hold);
            }
            process.tell(&format!("use {key} {}", step.word()));
        }
        for (key, step) in keys.iter().zip(steps) {
            match step {
                Step::Called => stand.server.held(key).await,
                _ => drop(process.says("at", key).await),
            }
        }
        let is_last = crash == point.crashes();
        if is_last && waits_already {
            next();
        }
        at = process.kill().await;
        drop(place);
        if is_last && !waits_already {
            next();
        }
    }
    let killed = keys.into_iter().zip(steps);
    killed.map(|(key, step)| Killed { key, step, at }).collect()
}

/// Asserts that the next processes have a token in time, with no more token requests than
/// permitted. Returns how long it took.
async fn settle(
    stand: &Stand,
    point: Point,
    killed: &Killed,
    next: &mut [Process; 2],
    row: &mut Row,
) -> Duration {
    let Killed { key, step, at } = killed;
    let case = format!("{key} at {step:?}, seed {}", stand.seed);
    let mut tokens = Vec::new();
    let mut longest = Duration::ZERO;
    for process in &mut *next {
        let said = process.says("used", key).await;
        let waited = said.at.saturating_duration_since(*at);
        assert!(waited < lease(key) + SLACK, "{case}: {waited:?}");
        longest = longest.max(waited);
        tokens.push(said.rest().to_owned());
    }
    assert_eq!(tokens[0], tokens[1], "{case}");
    assert!(stand.server.accepts(key, &tokens[0]), "{case}");
    let losses: u64 = next.iter_mut().map(|one| one.heard("lost", key)).sum();
    let seen = stand.server.seen(key);
    // One more for the token that the refusal replaced.
    let needed = 1 + u64::from(matches!(point, Point::DuringRefusal));
    let wasted = if step.wastes_a_call() {
        point.crashes()
    } else {
        0
    };
    let bound = needed + wasted + losses + seen.refused;
    assert!(seen.calls <= bound, "{case}: {seen:?}, bound {bound}");
    // The mark may be written although the call was not sent: then the token was not spent before.
    let spends = 1 + u64::from(step.wastes_a_call()) + losses;
    assert!(seen.spends <= spends, "{case}: {seen:?}");
    assert!(seen.refused <= 1 + losses, "{case}: {seen:?}");
    assert_eq!(seen.overlaps, 0, "{case}: {seen:?}");
    row.longest = row.longest.max(longest);
    row.losses += losses;
    row.calls += seen.calls;
    row.bound += bound;
    row.reuses += seen.spends.saturating_sub(1);
    row.double += seen.overlaps + seen.spends.saturating_sub(spends);
    longest
}

/// How long the lease of a process that dies lasts.
pub(crate) fn lease(key: &str) -> Duration {
    DEADLINE * (1 + u32::from(is_person(key))) + Duration::from_secs(2)
}

/// The runs of each point that wait for leases at the same time. More do not make a run faster.
const AT_ONCE: usize = 20;

/// The additional time that a busy machine may need.
pub(crate) const SLACK: Duration = Duration::from_secs(6);
