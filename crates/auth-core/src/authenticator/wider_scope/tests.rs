use super::*;
use crate::{
    AccessToken,
    authenticator::shared_state::tests::world::{
        Vendor, World, millis, rejected, settled, text, token, unavailable,
    },
};

/// A vendor whose first token has the usual scope.
fn vendor() -> Vendor {
    Vendor::default()
        .scope("read")
        .replies(Ok(token(1).scope("read")))
}

fn world(vendor: Vendor) -> World {
    World::new(vendor).with(|options| options.wider_scope(WiderScope::only(["write"])))
}

fn wide(number: usize) -> AccessToken {
    token(number).scope("read write")
}

/// Reports that the API requires the scope `write`, and waits for the end of the token request.
async fn want_write(authenticator: &Authenticator, sent: Generation) -> Result<Token, Error> {
    match authenticator.report_insufficient_scope(sent, ["write"]) {
        ScopeAnswer::Renewing(acquire) => acquire.await,
        answer => panic!("{answer:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_scope_that_only_a_newer_token_has_is_granted() {
    let world = world(vendor().replies(Ok(wide(2))));
    let authenticator = world.build();
    let first = authenticator.token().await.unwrap();
    tokio::time::sleep(millis(2000)).await;
    let second = want_write(&authenticator, first.generation())
        .await
        .unwrap();
    assert_eq!(text(&second), "fake-token-2");
    assert_eq!(world.vendor.scopes(), [None, Some("read write".to_owned())]);
    // Another request was sent with the first token.
    match authenticator.report_insufficient_scope(first.generation(), ["write"]) {
        ScopeAnswer::Granted(token) => assert_eq!(text(&token), "fake-token-2"),
        answer => panic!("{answer:?}"),
    }
    // The API requires a scope that the token of the request has.
    match authenticator.report_insufficient_scope(second.generation(), ["write"]) {
        ScopeAnswer::Declined(why) => assert_eq!(why, NoWiderScope::AlreadyGranted),
        answer => panic!("{answer:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn an_outage_says_nothing_about_the_scope() {
    let world = world(vendor().replies(Err(unavailable())).replies(Ok(wide(3))));
    let authenticator = world.build();
    let first = authenticator.token().await.unwrap();
    tokio::time::sleep(millis(2000)).await;
    let error = want_write(&authenticator, first.generation())
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    let health = authenticator.health();
    assert_eq!(
        health.last_failure().unwrap().error.kind(),
        ErrorKind::Unavailable
    );
    tokio::time::sleep(health.next_try().unwrap()).await;
    let third = want_write(&authenticator, first.generation())
        .await
        .unwrap();
    assert_eq!(text(&third), "fake-token-3");
}

#[tokio::test(start_paused = true)]
async fn a_rejected_scope_is_no_failure_of_the_usual_token() {
    for part in [RejectedPart::Scope, RejectedPart::Request] {
        let world = world(vendor().replies(Err(rejected(part))));
        let authenticator = world.build();
        let first = authenticator.token().await.unwrap();
        tokio::time::sleep(millis(2000)).await;
        want_write(&authenticator, first.generation())
            .await
            .unwrap_err();
        settled().await;
        let health = authenticator.health();
        assert!(health.last_failure().is_none() && health.last_error().is_none());
        assert!(authenticator.try_token().is_some());
    }
}

#[tokio::test(start_paused = true)]
async fn a_rejected_scope_leaves_an_earlier_failure_in_health() {
    let vendor = Vendor::default()
        .scope("read")
        .replies(Err(unavailable()))
        .replies(Ok(token(2).scope("read")))
        .replies(Err(rejected(RejectedPart::Scope)));
    let world = world(vendor);
    let authenticator = world.build();
    authenticator.token().await.unwrap_err();
    tokio::time::sleep(authenticator.health().next_try().unwrap()).await;
    let second = authenticator.token().await.unwrap();
    tokio::time::sleep(millis(2000)).await;
    want_write(&authenticator, second.generation())
        .await
        .unwrap_err();
    settled().await;
    let health = authenticator.health();
    let failure = health.last_failure().unwrap();
    assert_eq!(failure.error.kind(), ErrorKind::Unavailable);
}

#[tokio::test(start_paused = true)]
async fn a_token_request_in_progress_is_joined_also_if_it_was_the_last_one_permitted() {
    let vendor = vendor().replies_after(millis(1000), Ok(wide(2)));
    let limits = WiderScope::only(["write"]).max_requests(1);
    let world = World::new(vendor).with(|options| options.wider_scope(limits));
    let authenticator = world.build();
    let first = authenticator.token().await.unwrap();
    tokio::time::sleep(millis(2000)).await;
    let one = tokio::spawn({
        let (authenticator, sent) = (authenticator.clone(), first.generation());
        async move { want_write(&authenticator, sent).await }
    });
    settled().await;
    assert_eq!(world.vendor.requests(), 2);
    let other = want_write(&authenticator, first.generation())
        .await
        .unwrap();
    assert_eq!(text(&other), "fake-token-2");
    assert_eq!(text(&one.await.unwrap().unwrap()), "fake-token-2");
    assert_eq!(world.vendor.requests(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_token_that_lacks_a_scope_of_the_valid_cached_token_is_not_used() {
    let vendor = Vendor::default()
        .scope("read")
        .replies(Ok(token(1).scope("read extra")))
        .replies(Ok(wide(2)));
    let world = world(vendor);
    let authenticator = world.build();
    let first = authenticator.token().await.unwrap();
    tokio::time::sleep(millis(2000)).await;
    let error = want_write(&authenticator, first.generation())
        .await
        .unwrap_err();
    assert_eq!(error.rejected_part(), Some(RejectedPart::Scope));
    assert_eq!(text(&authenticator.try_token().unwrap()), "fake-token-1");
}

#[tokio::test(start_paused = true)]
async fn a_vendor_that_grants_more_than_was_requested_is_asked_for_no_more_than_before() {
    let vendor = Vendor::default()
        .scope("read")
        .replies(Ok(wide(1)))
        .replies(Ok(wide(2)));
    let world = world(vendor);
    let authenticator = world.build();
    authenticator.token().await.unwrap();
    tokio::time::sleep(millis(2000)).await;
    authenticator.refresh_now().await.unwrap();
    assert_eq!(world.vendor.scopes(), [None, None]);
}
