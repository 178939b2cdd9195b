//! What an authenticator shows and keeps after failures.

use super::*;

#[tokio::test(start_paused = true)]
async fn health_and_events_follow_a_failure_and_the_recovery() {
    let vendor = Vendor::default().replies(Err(unavailable()));
    let world = World::new(vendor);
    let authenticator = world.build();
    let error = authenticator.token().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    settled().await;
    assert_eq!(world.heard.names(), ["no_token", "back_off"]);
    tokio::time::sleep(millis(200)).await;
    let health = authenticator.health();
    let failure = health.last_failure().unwrap();
    assert_eq!(
        (failure.error.kind(), failure.ago),
        (ErrorKind::Unavailable, millis(200))
    );
    assert_eq!(health.last_success(), None);
    let wait = health.next_try().unwrap();
    tokio::time::sleep(wait).await;
    authenticator.warm_up().await.unwrap();
    settled().await;
    assert_eq!(world.heard.names(), ["token_published", "recovered"]);
    tokio::time::sleep(millis(1300)).await;
    let health = authenticator.health();
    assert_eq!(
        (health.last_success(), health.next_try()),
        (Some(millis(1300)), None)
    );
    assert_eq!(health.last_failure().unwrap().ago, wait + millis(1500));
}

#[tokio::test(start_paused = true)]
async fn a_token_that_has_expired_on_arrival_is_a_failure() {
    let expired = token(1).expires_in(Duration::ZERO);
    let world = World::new(Vendor::default().replies(Ok(expired)));
    let authenticator = world.build();
    assert_eq!(text(&authenticator.token().await.unwrap()), "fake-token-1");
    settled().await;
    assert_eq!(world.heard.names(), ["no_token"]);
    let health = authenticator.health();
    assert_eq!(health.last_success(), None);
    assert_eq!(
        health.last_failure().unwrap().error.kind(),
        ErrorKind::Protocol
    );
}

#[tokio::test(start_paused = true)]
async fn unchanged_credentials_do_not_repeat_a_failure() {
    let rejection = rejected(RejectedPart::Credentials);
    let vendor = Vendor::default()
        .replies(Err(rejection))
        .passwords(&["fake-secret-1"]);
    let world = World::new(vendor);
    let authenticator = world.build();
    authenticator.token().await.unwrap_err();
    settled().await;
    tokio::time::sleep(millis(1500)).await;
    world.heard.take();
    // The credentials are read again, and are not sent because they are the same.
    let error = authenticator.token().await.unwrap_err();
    assert_eq!(error.rejected_part(), Some(RejectedPart::Credentials));
    assert_eq!(world.vendor.requests(), 1);
    assert_eq!(
        authenticator.health().last_failure().unwrap().ago,
        millis(1500)
    );
    // The operator has corrected a setting at the vendor.
    authenticator.clear_rejections();
    authenticator.warm_up().await.unwrap();
    assert_eq!(world.vendor.requests(), 2);
}

#[tokio::test(start_paused = true)]
async fn rejected_logins_are_counted_for_all_authenticators_of_an_account() {
    let reject = || Err(rejected(RejectedPart::Credentials));
    let vendor = Vendor::default().passwords(&["fake-secret-1"]).lockable();
    let vendor = vendor.replies(reject()).replies(reject());
    let world = World::new(vendor);
    for sent in [1, 2, 2] {
        let authenticator = world.build();
        authenticator.token().await.unwrap_err();
        assert_eq!(world.vendor.requests(), sent);
    }
    let authenticator = world.build();
    authenticator.token().await.unwrap_err();
    authenticator.clear_rejections();
    tokio::time::sleep(millis(5000)).await;
    // The account, of which no login is counted any more, is tried at once.
    world.build().warm_up().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn changed_credentials_are_sent_if_the_quota_permits_it() {
    let passwords = ["fake-secret-1", "fake-secret-2"];
    let reject = || Err(rejected(RejectedPart::Credentials));
    for (slots, is_sent) in [(5, true), (1, false)] {
        let quota = Quota::new(slots, HOUR).unwrap();
        let vendor = Vendor::default().replies(reject()).passwords(&passwords);
        let world = World::new(vendor).with(|options| options.quota(quota));
        let result = world.build().token().await;
        assert_eq!(result.is_ok(), is_sent);
        assert_eq!(world.vendor.requests(), 1 + usize::from(is_sent));
    }
}

#[tokio::test(start_paused = true)]
async fn a_renewal_that_is_cut_short_shows_its_time_out() {
    let vendor = Vendor::default()
        .replies(Ok(token(1).expires_in(millis(20_000))))
        .replies_after(HOUR, Ok(token(2)));
    let authenticator = World::new(vendor).build();
    authenticator.token().await.unwrap();
    tokio::time::sleep(millis(4000)).await;
    // The token is valid for 14 s, so the renewal may take 7 s.
    let begun = tokio::time::Instant::now();
    let renew = || {
        let authenticator = authenticator.clone();
        tokio::spawn(async move { authenticator.refresh_now().await })
    };
    let first = renew();
    settled().await;
    let second = renew();
    for waiting in [first, second] {
        assert_eq!(text(&waiting.await.unwrap().unwrap()), "fake-token-1");
    }
    assert_eq!(begun.elapsed(), millis(7000));
    let health = authenticator.health();
    let failure = health.last_failure().unwrap();
    let kinds = (health.last_error().unwrap().kind(), failure.error.kind());
    assert_eq!(kinds, (ErrorKind::TimedOut, ErrorKind::TimedOut));
}
