use std::future::pending;

use super::*;
use crate::MemoryStore;

const DEADLINE: Duration = Duration::from_secs(10);

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// A reply that arrives after `after`.
async fn reply_after(after: Duration) -> u8 {
    time::sleep(after).await;
    7
}

/// Waits for a reply that arrives at `reply`, in a process that stands still from the start until
/// `wakes`. Also returns when the wait ended.
async fn stand_still(reply: Duration, wakes: Duration) -> (Option<u8>, bool, Duration) {
    let start = Instant::now();
    let task = tokio::spawn(async move {
        let (reply, late) = in_time(DEADLINE, reply_after(reply)).await;
        (reply, late, start.elapsed())
    });
    tokio::task::yield_now().await;
    time::advance(wakes).await;
    task.await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_reply_in_time_is_returned_when_it_comes() {
    let start = Instant::now();
    let reply = in_time(DEADLINE, reply_after(millis(9900))).await;
    assert_eq!(reply, (Some(7), false));
    assert_eq!(start.elapsed(), millis(9900));
}

#[tokio::test(start_paused = true)]
async fn no_reply_is_waited_for_until_the_deadline() {
    let start = Instant::now();
    assert_eq!(in_time(DEADLINE, pending::<u8>()).await, (None, false));
    assert_eq!(start.elapsed(), DEADLINE);
}

#[tokio::test(start_paused = true)]
async fn a_reply_that_comes_after_the_deadline_is_not_waited_for() {
    let start = Instant::now();
    let reply = in_time(DEADLINE, reply_after(millis(10_100))).await;
    assert_eq!(reply, (None, false));
    assert_eq!(start.elapsed(), DEADLINE);
}

#[tokio::test(start_paused = true)]
async fn g20_reply_that_came_while_the_process_stood_still_is_returned() {
    let (reply, _, elapsed) = stand_still(millis(3000), millis(60_000)).await;
    assert_eq!((reply, elapsed), (Some(7), millis(60_000)));
}

#[tokio::test(start_paused = true)]
async fn g20_reply_that_arrives_just_after_the_process_continues_is_returned() {
    let stood_still = stand_still(millis(60_900), millis(60_000)).await;
    assert_eq!(stood_still, (Some(7), true, millis(60_900)));
    let stood_still = stand_still(millis(61_100), millis(60_000)).await;
    assert_eq!(stood_still, (None, true, millis(61_000)));
}

#[tokio::test(start_paused = true)]
async fn g20_a_time_out_that_fires_half_a_second_late_fires_in_a_process_that_stood_still() {
    let stood_still = stand_still(millis(10_700), millis(10_490)).await;
    assert_eq!(stood_still, (None, false, millis(10_490)));
    let stood_still = stand_still(millis(10_700), millis(10_500)).await;
    assert_eq!(stood_still, (Some(7), true, millis(10_700)));
}

#[tokio::test(start_paused = true)]
async fn deadline_beyond_the_range_of_instants_never_fires() {
    let reply = in_time(Duration::MAX, reply_after(millis(5000))).await;
    assert_eq!(reply, (Some(7), false));
}

async fn answer_after(after: Duration) -> Result<u8, Error> {
    Ok(reply_after(after).await)
}

#[tokio::test(start_paused = true)]
async fn all_answers_of_the_store_together_get_the_latency_budget() {
    let start = Instant::now();
    let mut budget = Budget::new(millis(50));
    assert_eq!(budget.ask(answer_after(millis(30))).await.unwrap(), 7);
    let error = budget.ask(answer_after(millis(30))).await.unwrap_err();
    assert_eq!(
        (error.kind(), start.elapsed()),
        (ErrorKind::Store, millis(50))
    );
    assert!(error.to_string().contains("within 50 ms"), "{error}");
    budget.renew();
    assert_eq!(budget.ask(answer_after(millis(49))).await.unwrap(), 7);
}

/// Takes the lease of a key for 10 s.
async fn take_lease(store: &SharedTokenStore, key: &Key, owner: &str) -> Option<Lease> {
    let mut budget = Budget::new(millis(50));
    let taken = Lease::take(store, key, owner.to_owned(), DEADLINE, &mut budget);
    taken.await.unwrap()
}

/// Lets all tasks run until they wait, without time passing.
async fn settled() {
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_lease_is_released_however_its_flight_ends() {
    let store = SharedTokenStore::new(MemoryStore::new());
    let key = Key::builder("example").build();
    let lease = take_lease(&store, &key, "first").await.unwrap();
    assert!(take_lease(&store, &key, "second").await.is_none());
    drop(lease);
    settled().await;
    let lease = take_lease(&store, &key, "second").await.unwrap();
    lease.give_back(&mut Budget::new(millis(50))).await.unwrap();
    assert!(take_lease(&store, &key, "third").await.is_some());
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_was_taken_again_stays_taken() {
    let store = SharedTokenStore::new(MemoryStore::new());
    let key = Key::builder("example").build();
    let earlier = take_lease(&store, &key, "first").await.unwrap();
    let _lease = take_lease(&store, &key, "first").await.unwrap();
    earlier.forget();
    settled().await;
    assert!(take_lease(&store, &key, "second").await.is_none());
}
