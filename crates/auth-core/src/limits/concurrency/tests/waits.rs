//! How long a flight waits for a permit and for a start.

use super::*;

#[tokio::test(start_paused = true)]
async fn the_longest_duration_is_a_wait_without_a_bound() {
    let limit = TokenRequestLimit::new(1).unwrap().max_wait(Duration::MAX);
    let held = limit.admit(&*flight(TokenRequestReason::Needed)).await;
    let next = flight(TokenRequestReason::Needed);
    let mut next = pin!(limit.admit(&*next));
    assert!(time::timeout(24 * HOUR, &mut next).await.is_err());
    drop(held);
    assert!(next.await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn g05_a_wait_that_is_too_long_ends_in_an_error() {
    let limit = TokenRequestLimit::new(1)
        .unwrap()
        .max_wait(Duration::from_millis(2_500));
    let vendor = Vendor::default();
    let results = all(&vendor.tenants(6, &limit)).await;
    let failed: Vec<_> = results.into_iter().filter_map(Result::err).collect();
    assert_eq!(failed.len(), 3);
    for error in failed {
        assert_eq!(error.kind(), ErrorKind::Throttled);
        assert_eq!(error.outcome(), TokenRequestOutcome::NotSent);
        let text = error.to_string();
        assert!(text.contains("waited 2.5 s for its turn"), "{text}");
        assert!(text.contains("limit of 1 at once;"), "{text}");
    }
}

#[tokio::test(start_paused = true)]
async fn g05_the_wait_for_a_permit_and_for_a_start_together_is_bounded() {
    let wait = Duration::from_secs(10);
    let limit = TokenRequestLimit::new(2)
        .unwrap()
        .per_second(1)
        .unwrap()
        .max_wait(wait);
    let record = Arc::new(Record::default());
    let begun = Instant::now();
    let flights: Vec<_> = (0..40)
        .map(|index| {
            let reason = if index % 2 == 0 {
                TokenRequestReason::Ahead
            } else {
                TokenRequestReason::Needed
            };
            let fly = Arc::clone(&record);
            let fly = fly.fly(limit.clone(), flight(reason), Duration::from_millis(100));
            tokio::spawn(async move {
                let result = fly.await;
                (result, begun.elapsed(), reason)
            })
        })
        .collect();
    let mut served = 0;
    for flight in flights {
        let (result, took, reason) = flight.await.unwrap();
        match result {
            // Flights that callers wait for go first. The limit has room for 11 flights in 10 s.
            Ok(()) => {
                served += 1;
                assert!(
                    reason == TokenRequestReason::Needed || took < Duration::from_millis(200),
                    "{took:?}"
                );
                assert!(took <= wait + Duration::from_millis(110), "{took:?}");
            }
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Throttled);
                assert_eq!(error.outcome(), TokenRequestOutcome::NotSent);
                let after = error.retry_after().unwrap();
                let most = wait + Duration::from_secs(1);
                assert!(!after.is_zero() && after <= most, "{after:?}");
                assert!(
                    took >= wait && took < wait + Duration::from_millis(5),
                    "{took:?}"
                );
            }
        }
    }
    assert!((10..=11).contains(&served), "{served}");
    limit.assert_idle();
}

#[tokio::test(start_paused = true)]
async fn g05_the_error_says_when_a_start_is_free() {
    for wait in [0, 300, 900] {
        let wait = Duration::from_millis(wait);
        let limit = TokenRequestLimit::new(9)
            .unwrap()
            .per_second(1)
            .unwrap()
            .max_wait(wait);
        let begun = Instant::now();
        drop(
            limit
                .admit(&*flight(TokenRequestReason::Needed))
                .await
                .unwrap(),
        );
        let error = limit
            .admit(&*flight(TokenRequestReason::Ahead))
            .await
            .err()
            .unwrap();
        time::sleep(error.retry_after().unwrap()).await;
        drop(
            limit
                .admit(&*flight(TokenRequestReason::Ahead))
                .await
                .unwrap(),
        );
        let free = begun.elapsed();
        assert!(
            free.abs_diff(Duration::from_secs(1)) < Duration::from_millis(5),
            "{free:?}"
        );
    }
    // The estimate for permits is how long the last permit was held.
    let limit = TokenRequestLimit::new(1)
        .unwrap()
        .max_wait(Duration::from_millis(10));
    let held = limit
        .admit(&*flight(TokenRequestReason::Needed))
        .await
        .unwrap();
    time::sleep(Duration::from_millis(700)).await;
    drop(held);
    let held = limit
        .admit(&*flight(TokenRequestReason::Needed))
        .await
        .unwrap();
    let error = limit
        .admit(&*flight(TokenRequestReason::Ahead))
        .await
        .err()
        .unwrap();
    assert_eq!(error.retry_after(), Some(Duration::from_millis(700)));
    drop(held);
}

#[tokio::test(start_paused = true)]
async fn t19_a_flight_that_is_polled_late_counts_from_when_it_starts() {
    let (mut pace, begun) = (Pace::new(10), Instant::now());
    let at = |millis| begun + Duration::from_millis(millis);
    pace.take(at(0));
    pace.picked_up(at(90));
    for start in 1..10 {
        assert_eq!(pace.due(at(100 * start), 0), None);
        pace.take(at(100 * start));
        pace.picked_up(at(100 * start));
    }
    assert_eq!(pace.due(at(1_000), 0), Some(at(1_090)));
    assert_eq!(pace.due(at(1_090), 0), None);
    // A start that is taken and not picked up may begin at any time.
    assert_eq!(pace.due(at(1_090), 1), Some(at(1_100)));
}
