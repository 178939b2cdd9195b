//! SIGSTOP until the lease has ended, and SIGCONT after other processes have taken over.

use std::sync::Arc;

use libtest_mimic::Trial;
use rustix::process::Signal;
use tokio::{sync::Semaphore, task::JoinSet, time::Instant};

use crate::{
    kill::{SLACK, lease},
    place::{self, Place},
    points::Step,
    process::Process,
    server::{Server, is_person},
    settings,
    table::Row,
    trial,
};

pub(crate) fn trials() -> Vec<Trial> {
    let mut trials = vec![trial("g17f_stop::file".into(), || stop(Place::files(), 1))];
    if place::has_redis() {
        let runs = settings::runs(10);
        trials.push(trial("g17f_stop::redis".into(), move || {
            stop(Place::redis(), runs)
        }));
    }
    trials
}

/// Where the holder of the lease is stopped, and the name in the table.
const STEPS: [(Step, &str); 5] = [
    (Step::Leased, "stopped with the lease"),
    (Step::Looked, "stopped before the mark"),
    (Step::Marked, "stopped after the mark"),
    (Step::Calling, "stopped on the way to the vendor"),
    (Step::Replied, "stopped with the reply"),
];

/// The runs of each point, all at the same time.
async fn stop(place: Place, runs: u64) {
    let server = Server::start().await;
    let place = Arc::new(place);
    // More would only wait for each other.
    let places = Arc::new(Semaphore::new(20));
    let mut rows = STEPS.map(|(_, words)| Row::new(place.kind(), words, None));
    let mut stopping = JoinSet::new();
    for (number, (step, _)) in STEPS.into_iter().enumerate() {
        for run in 0..runs {
            for kind in ["plain", "person"] {
                // No mark is written.
                if kind == "plain" && step == Step::Marked {
                    continue;
                }
                let key = format!("{kind}-{step:?}-{run}");
                let (place, server) = (Arc::clone(&place), server.clone());
                let places = Arc::clone(&places);
                stopping.spawn(async move {
                    let _place = places.acquire().await.unwrap();
                    (number, one(place, server, key, step).await)
                });
            }
        }
    }
    for (number, one) in stopping.join_all().await {
        rows[number].add(&one);
    }
    rows.into_iter().for_each(Row::done);
    server.stop();
}

/// Runs one holder, and one process that takes over.
async fn one(place: Arc<Place>, server: Server, key: String, step: Step) -> Row {
    let name = place.name();
    let mut holder = Process::patient(&name, &server);
    let mut next = Process::patient(&name, &server);
    holder.tell(&format!("use {key} {}", step.word()));
    holder.says("at", &key).await;
    holder.signal(Signal::STOP);
    let stopped = Instant::now();
    next.tell(&format!("use {key}"));
    let said = next.says("used", &key).await;
    let mut row = Row::new(place.kind(), "", None);
    row.runs = 1;
    row.longest = said.at - stopped;
    assert!(
        row.longest < lease(&key) + SLACK,
        "{key}: {:?}",
        row.longest
    );
    let taken_over = server.seen(&key);

    holder.tell("go");
    holder.signal(Signal::CONT);
    holder.says("used", &key).await;
    let mut tokens = Vec::new();
    // Both request once more, which shows whether the late process has revoked the other's token.
    for _ in 0..2 {
        tokens.clear();
        for process in [&mut holder, &mut next] {
            process.tell(&format!("use {key}"));
            tokens.push(process.says("used", &key).await.rest().to_owned());
        }
    }
    for token in &tokens {
        assert!(server.accepts(&key, token), "{key}: {tokens:?}");
    }

    let seen = server.seen(&key);
    // A request that is sent cannot be taken back: one more call and one more spend, only at these
    // points. A process that had the reply before has made its call already.
    let lost = u64::from(matches!(step, Step::Calling | Step::Replied));
    row.losses = holder.heard("lost", &key) + next.heard("lost", &key);
    row.bound = 1 + lost + seen.refused;
    row.calls = seen.calls;
    row.reuses = seen.spends.saturating_sub(1);
    assert!(seen.calls <= row.bound, "{key}: {seen:?}");
    assert!(seen.spends <= 1 + lost, "{key}: {seen:?}");
    assert!(seen.refused <= 2 * lost, "{key}: {seen:?}");
    assert_eq!(seen.overlaps, 0, "{key}: {seen:?}");
    if lost == 0 {
        assert_eq!(
            seen.calls, taken_over.calls,
            "{key}: the stopped process made a call"
        );
    }
    if !is_person(&key) {
        assert_eq!(tokens[0], tokens[1], "{key}");
    }
    row
}
