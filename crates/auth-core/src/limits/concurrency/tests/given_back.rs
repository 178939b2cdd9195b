//! Permits and starts of flights that end, give up or stand still.

use super::*;

#[tokio::test(start_paused = true)]
async fn g19_nothing_stays_in_the_queue() {
    let limit = TokenRequestLimit::new(2)
        .unwrap()
        .max_wait(Duration::from_millis(1_500));
    let vendor = Vendor::default();
    all(&vendor.tenants(20, &limit)).await;
    limit.assert_idle();
}

#[tokio::test(start_paused = true)]
async fn g19_permit_is_not_lost_when_the_next_flight_in_line_was_dropped() {
    for rate in [None, Some(1_000)] {
        let limit = TokenRequestLimit::new(1).unwrap();
        let limit = rate.map_or(limit.clone(), |rate| limit.per_second(rate).unwrap());
        let held = limit
            .admit(&*flight(TokenRequestReason::Needed))
            .await
            .unwrap();
        time::sleep(Duration::from_secs(1)).await;
        let next = tokio::spawn({
            let limit = limit.clone();
            async move {
                limit
                    .admit(&*flight(TokenRequestReason::Needed))
                    .await
                    .map(drop)
            }
        });
        let after = tokio::spawn({
            let limit = limit.clone();
            async move {
                limit
                    .admit(&*flight(TokenRequestReason::Ahead))
                    .await
                    .map(drop)
            }
        });
        settled().await;
        // The next flight is granted the permit, and is dropped before it is polled.
        drop(held);
        next.abort();
        assert!(next.await.unwrap_err().is_cancelled());
        let begun = Instant::now();
        after.await.unwrap().unwrap();
        assert!(
            begun.elapsed() < Duration::from_millis(5),
            "{:?}",
            begun.elapsed()
        );
        limit.assert_idle();
    }
}

#[tokio::test(start_paused = true)]
async fn g19_a_start_is_given_back_by_a_flight_that_gives_up() {
    let limit = TokenRequestLimit::new(100).unwrap().per_second(1).unwrap();
    let begun = Instant::now();
    drop(
        limit
            .admit(&*flight(TokenRequestReason::Needed))
            .await
            .unwrap(),
    );
    let mut waiting: Vec<_> = (0..50)
        .map(|_| {
            let limit = limit.clone();
            tokio::spawn(async move {
                limit
                    .admit(&*flight(TokenRequestReason::Needed))
                    .await
                    .map(drop)
            })
        })
        .collect();
    settled().await;
    // All flights but the last are dropped; the last one gets the first free start.
    let last = waiting.pop().unwrap();
    waiting.iter().for_each(|task| task.abort());
    last.await.unwrap().unwrap();
    let took = begun.elapsed();
    assert!(took < Duration::from_millis(1_005), "{took:?}");

    // A start that is granted and not picked up is given back too. By then the next flight has the
    // timer.
    let unpolled = flight(TokenRequestReason::Needed);
    let mut next = Box::pin(limit.admit(&*unpolled));
    assert!(poll(&mut next).await.is_pending());
    let after = tokio::spawn({
        let limit = limit.clone();
        async move {
            limit
                .admit(&*flight(TokenRequestReason::Needed))
                .await
                .map(drop)
        }
    });
    while limit.queue().granted.is_empty() {
        time::sleep(Duration::from_millis(1)).await;
    }
    settled().await;
    assert!(limit.queue().timer.is_some());
    drop(next);
    let begun = Instant::now();
    after.await.unwrap().unwrap();
    assert!(
        begun.elapsed() < Duration::from_millis(5),
        "{:?}",
        begun.elapsed()
    );
    limit.assert_idle();
}

async fn poll<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    let mut future = pin!(future);
    poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx))).await
}

#[tokio::test(start_paused = true)]
async fn t19_no_permit_is_held_while_waiting_for_a_start() {
    let limit = TokenRequestLimit::new(1).unwrap().per_second(1).unwrap();
    drop(
        limit
            .admit(&*flight(TokenRequestReason::Needed))
            .await
            .unwrap(),
    );
    let waiting = tokio::spawn({
        let limit = limit.clone();
        async move {
            limit
                .admit(&*flight(TokenRequestReason::Ahead))
                .await
                .map(drop)
        }
    });
    settled().await;
    assert_eq!(limit.queue().running, 0);
    // So a flight that a caller waits for goes first, and gets the next start.
    let begun = Instant::now();
    drop(
        limit
            .admit(&*flight(TokenRequestReason::Needed))
            .await
            .unwrap(),
    );
    assert!(begun.elapsed() < Duration::from_millis(1_005));
    waiting.await.unwrap().unwrap();
    assert!(begun.elapsed() >= Duration::from_secs(2));
}

#[test]
fn t19_stalled_runtime_at_the_head_of_the_line_stops_no_other_flight() {
    let runtime = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap()
    };
    let (stalled, moving) = (runtime(), runtime());
    let limit = TokenRequestLimit::new(9).unwrap().per_second(20).unwrap();
    stalled.block_on(async {
        drop(
            limit
                .admit(&*flight(TokenRequestReason::Needed))
                .await
                .unwrap(),
        );
        let limit = limit.clone();
        tokio::spawn(async move {
            limit
                .admit(&*flight(TokenRequestReason::Needed))
                .await
                .map(drop)
        });
        settled().await;
    });
    // From here on the runtime of the first flight in line stands still.
    moving.block_on(async {
        let limit = limit.clone();
        let admitted = tokio::spawn(async move {
            limit
                .admit(&*flight(TokenRequestReason::Ahead))
                .await
                .map(drop)
        });
        time::timeout(Duration::from_secs(30), admitted)
            .await
            .unwrap()
            .unwrap()
            .unwrap();
    });
    drop(stalled);
    limit.assert_idle();
}
