//! Processes that all start at once.

use libtest_mimic::Trial;
use tokio::time::Instant;

use crate::{
    place::{self, Place},
    process::Process,
    server::Server,
    table::Row,
    trial,
};

pub(crate) fn trials() -> Vec<Trial> {
    let mut trials = vec![trial("storm::file".into(), || storm(Place::files(), 8))];
    if place::has_redis() {
        let fifty = || storm(Place::redis(), 50);
        trials.push(trial("storm::redis".into(), fifty));
    }
    trials
}

/// Any number of processes makes one token request per key.
async fn storm(place: Place, processes: u64) {
    let mut row = Row::new(place.kind(), format!("{processes} start at once"), None);
    let (server, name) = (Server::start().await, place.name());
    let start = |_| Process::patient(&name, &server);
    let mut processes: Vec<_> = (0..processes).map(start).collect();
    let started = Instant::now();
    let keys = ["plain-storm", "person-storm"];
    for process in &processes {
        for key in keys {
            process.tell(&format!("use {key}"));
        }
    }
    for key in keys {
        let mut tokens = Vec::new();
        for process in &mut processes {
            let said = process.says("used", key).await;
            row.longest = row.longest.max(said.at.saturating_duration_since(started));
            tokens.push(said.rest().to_owned());
        }
        tokens.dedup();
        assert_eq!(tokens.len(), 1, "{tokens:?}");
        let seen = server.seen(key);
        assert_eq!(seen.calls, 1, "{seen:?}");
        row.runs += 1;
        row.calls += 1;
        row.bound += 1;
    }
    row.done();
    server.stop();
}
