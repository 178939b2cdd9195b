//! T27: a user's token never serves another user, for any number and order of users.

use std::{collections::HashSet, env, sync::Arc};

use fastrand::Rng;
use tokio::{sync::Semaphore, task::JoinSet};

use crate::support::{Answer, MINUTE, World, call};

const USERS: usize = 3_000;
const REQUESTS: usize = 5;
/// Far fewer than users, so that they drive each other out all the time.
const ROOM: usize = 500;
/// How many users are around at a time.
const AROUND: usize = 800;
/// The number of requests in progress at the same time.
const AT_ONCE: usize = 64;

/// `MIX_UP_SEED=7 cargo test --test service mix_up` repeats the order of a run that failed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t27_a_users_token_never_serves_another() {
    let seed = env::var("MIX_UP_SEED").map_or_else(|_| fastrand::u64(..), |s| s.parse().unwrap());
    let mut rng = Rng::with_seed(seed);
    let world = World::with_room(ROOM);
    let tokens: Vec<_> = (0..USERS)
        .map(|user| Arc::new(world.token(&name(user), 60 * MINUTE)))
        .collect();
    // The requests of each user are mixed with those of some hundred others.
    let mut calls: Vec<_> = (0..USERS * REQUESTS)
        .map(|call| (call % USERS + rng.usize(..AROUND), call % USERS))
        .collect();
    calls.sort_unstable();

    let mut dismissed = HashSet::new();
    let mut counts = [0_usize; 3];
    let room = Arc::new(Semaphore::new(AT_ONCE));
    let mut in_progress = JoinSet::new();
    for (_, user) in calls {
        match rng.u32(..1_000) {
            0..10 => {
                dismissed.insert(user);
                world.rules().dismiss(&name(user));
            }
            10..60 => {
                for token in world.rules().tokens_of(&name(user)) {
                    world.vendor.revoke(&token);
                }
            }
            // The requests of all users at the same time.
            60..62 => world.vendor.revoke_all(),
            _ => {}
        }
        let place = Arc::clone(&room).acquire_owned().await.unwrap();
        let (router, token) = (world.router(), Arc::clone(&tokens[user]));
        in_progress.spawn(async move {
            let answer = call(router, "/my/things", Some(&token)).await;
            drop(place);
            (user, answer)
        });
        assert!(
            world.outbound.users_health().total <= ROOM + AT_ONCE,
            "seed {seed}: {} users",
            world.outbound.users_health().total
        );
        while let Some(done) = in_progress.try_join_next() {
            let (user, answer) = done.unwrap();
            counts[judge(seed, user, &answer, &dismissed)] += 1;
        }
    }
    while let Some(done) = in_progress.join_next().await {
        let (user, answer) = done.unwrap();
        counts[judge(seed, user, &answer, &dismissed)] += 1;
    }
    let [served, refused, given_up] = counts;
    let seen = world.vendor.counters();
    assert_eq!(served + refused + given_up, USERS * REQUESTS, "seed {seed}");
    // All of it did happen, and little else.
    assert!(
        served > USERS * REQUESTS * 8 / 10,
        "seed {seed}: {served} served"
    );
    assert!(given_up < 100, "seed {seed}: {given_up} given up");
    assert!(refused > 0, "seed {seed}: nobody refused");
    assert!(seen.api_status(401) > 0, "seed {seed}: nothing revoked");
    assert!(
        seen.tokens_issued > USERS as u64 * 3 / 2,
        "seed {seed}: nobody driven out: {} tokens",
        seen.tokens_issued
    );
    assert!(seen.max_token_in_flight <= 8, "seed {seed}: {seen:?}");
}

/// 0 for a user who was served, 1 for one who has to sign in, 2 for one whose new token was revoked
/// as fast as the first one.
#[track_caller]
fn judge(seed: u64, user: usize, answer: &Answer, dismissed: &HashSet<usize>) -> usize {
    let who = format!("seed {seed}, user {user}: {answer:?}");
    match answer.status.as_u16() {
        200 => {
            assert_eq!(answer.subject(), name(user), "{who}");
            0
        }
        401 => {
            assert!(dismissed.contains(&user), "{who}");
            1
        }
        502 => 2,
        _ => panic!("{who}"),
    }
}

fn name(user: usize) -> String {
    format!("user-{user:04}")
}
