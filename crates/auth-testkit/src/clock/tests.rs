use std::time::Duration;

use auth_core::{Clock, Moment, SystemClock};

use crate::VirtualClock;

const HOUR: Duration = Duration::from_secs(3600);

#[tokio::test(start_paused = true)]
async fn starts_at_fixed_values_and_stands_still() {
    let start = Moment::new(
        Duration::from_secs(1_000),
        Duration::from_secs(1_893_456_000),
    );
    let clock = VirtualClock::new();
    assert_eq!(clock.now(), start);
    tokio::task::yield_now().await;
    assert_eq!(clock.now(), start);
    assert_eq!(VirtualClock::starting_at(Moment::PAST).now(), Moment::PAST);
}

#[tokio::test(start_paused = true)]
async fn goes_on_with_tokios_timers_alone() {
    let clock = VirtualClock::new();
    let start = clock.now();
    // Nothing else to do: the paused clock leaps to the timer.
    tokio::time::sleep(HOUR).await;
    assert_eq!(clock.now(), start + HOUR);
}

#[tokio::test(start_paused = true)]
async fn advancing_moves_both_readings_and_fires_timers() {
    let clock = VirtualClock::new();
    let start = clock.now();
    let timer = tokio::spawn(tokio::time::sleep(HOUR));
    tokio::task::yield_now().await;
    clock.advance(HOUR).await;
    timer.await.unwrap();
    assert_eq!(clock.now(), start + HOUR);
    assert_eq!(clock.world_elapsed(), HOUR);
}

#[tokio::test(start_paused = true)]
async fn a_suspended_machine_misses_time_on_the_monotonic_clock_only() {
    let clock = VirtualClock::new();
    let start = clock.now();
    clock.suspend(HOUR);
    assert_eq!(clock.now().monotonic(), start.monotonic());
    assert_eq!(
        clock.now().since_unix_epoch(),
        start.since_unix_epoch() + HOUR
    );
    assert_eq!(clock.world_elapsed(), HOUR);
}

#[tokio::test(start_paused = true)]
async fn a_jump_moves_the_wall_clock_and_not_the_world() {
    let clock = VirtualClock::new();
    let start = clock.now();
    clock.jump_wall_forward(2 * HOUR);
    assert_eq!(
        clock.now().since_unix_epoch(),
        start.since_unix_epoch() + 2 * HOUR
    );
    clock.jump_wall_back(3 * HOUR);
    assert_eq!(
        clock.now().since_unix_epoch(),
        start.since_unix_epoch() - HOUR
    );
    assert_eq!(clock.now().monotonic(), start.monotonic());
    assert_eq!(clock.world_elapsed(), Duration::ZERO);
    assert_eq!(clock.world_wall(), start.since_unix_epoch());
}

#[tokio::test(start_paused = true)]
async fn clones_are_the_same_clock() {
    let clock = VirtualClock::new();
    let other = clock.clone();
    clock.suspend(HOUR);
    assert_eq!(other.now(), clock.now());
}

#[tokio::test(start_paused = true)]
async fn absurd_jumps_saturate() {
    let clock = VirtualClock::new();
    clock.jump_wall_back(Duration::MAX);
    assert_eq!(clock.now().since_unix_epoch(), Duration::ZERO);
    clock.jump_wall_forward(Duration::MAX);
    clock.jump_wall_forward(Duration::MAX);
    clock.suspend(Duration::MAX);
    clock.suspend(Duration::MAX);
    assert_eq!(
        clock.now().since_unix_epoch(),
        (Moment::PAST + Duration::MAX).since_unix_epoch()
    );
}

#[test]
fn may_begin_at_the_real_time() {
    let wall = |clock: &dyn Clock| clock.now().since_unix_epoch();
    let (ours, real) = (
        wall(&VirtualClock::from_system()),
        wall(&SystemClock::new()),
    );
    assert!(ours.abs_diff(real) < Duration::from_secs(60));
}
