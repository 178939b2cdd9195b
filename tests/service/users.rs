//! Whose token a call goes out with, and when that ends.

use auth_core::ErrorKind;
use axum::body::Body;
use http::{Request, StatusCode};
use tokio::time::sleep;

use crate::{
    inbound::User,
    support::{MINUTE, SECOND, World, send},
    vendor::{self, ITSELF},
};

#[tokio::test(start_paused = true)]
async fn each_caller_has_a_separate_token() {
    let world = World::new();
    let (alice, bob) = (
        world.token("alice", 5 * MINUTE),
        world.token("bob", 5 * MINUTE),
    );
    for _ in 0..3 {
        assert_eq!(world.get_as(&alice).await.subject(), "alice");
        assert_eq!(world.get("/things").await.subject(), ITSELF);
        assert_eq!(world.get_as(&bob).await.subject(), "bob");
    }
    let seen = world.vendor.counters();
    assert_eq!((seen.token_requests, seen.api_requests), (3, 9));
}

#[tokio::test(start_paused = true)]
async fn who_does_not_say_who_they_are_is_not_called_for() {
    let world = World::new();
    let good = world.token("alice", 5 * MINUTE);
    let good = good.expose();
    let bearer = format!("Bearer {good}");
    for lines in [
        &[][..],
        &["Bearer"],
        &["Bearer "],
        &["Bearer nonsense"],
        &["Basic YWxpY2U6ZmFrZQ=="],
        &[good],
        &[&bearer, &bearer],
    ] {
        let mut request = Request::get("/my/things");
        for line in lines {
            request = request.header("authorization", *line);
        }
        let answer = send(world.router(), request.body(Body::empty()).unwrap()).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{lines:?}");
        assert!(answer.header("www-authenticate").is_some());
    }
    let seen = world.vendor.counters();
    assert_eq!((seen.token_requests, seen.api_requests), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_users_token_is_renewed_and_replayed_when_the_api_refuses_it() {
    let world = World::new();
    let (alice, bob) = (
        world.token("alice", 5 * MINUTE),
        world.token("bob", 5 * MINUTE),
    );
    for token in [&alice, &bob] {
        world.get_as(token).await;
    }
    for token in world.rules().tokens_of("alice") {
        world.vendor.revoke(&token);
    }
    assert_eq!(world.get_as(&alice).await.subject(), "alice");
    assert_eq!(world.get_as(&bob).await.subject(), "bob");
    let seen = world.vendor.counters();
    assert_eq!((seen.token_requests, seen.api_status(401)), (3, 1));
}

#[tokio::test(start_paused = true)]
async fn nothing_outlives_the_users_own_token() {
    let world = World::new();
    // The vendor's token would live an hour.
    let alice = world.token("alice", 5 * MINUTE);
    assert_eq!(world.get_as(&alice).await.subject(), "alice");
    assert_eq!(world.outbound.users_health().total, 1);
    sleep(5 * MINUTE).await;
    let seen = world.vendor.counters();

    // Its caller is sent away, and what was had for it is forgotten.
    assert_eq!(world.get_as(&alice).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(world.outbound.users_health().total, 0);

    // If the caller does not check the expiry, the token request does.
    let user = User {
        expires: vendor::expiry_of(alice.expose()).unwrap(),
        token: alice,
    };
    for _ in 0..3 {
        match world.outbound.get_as(&user, "/things").await {
            Err(auth_tower::Error::Auth(error)) => {
                assert_eq!(error.kind(), ErrorKind::Rejected, "{error}");
                assert!(error.to_string().contains("has expired"), "{error}");
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(world.vendor.counters(), seen);
}

#[tokio::test(start_paused = true)]
async fn an_entry_that_stays_sends_nothing_after_the_users_own_token() {
    let world = World::new();
    let user = User {
        token: world.token("alice", 5 * MINUTE),
        expires: world.clock.world_wall() + 5 * MINUTE,
    };
    let mut answered = 0;
    // Traffic all the time, so that every renewal is tried that may be.
    for _ in 0..600 {
        let answer = world.outbound.get_as(&user, "/things").await;
        answered += u32::from(answer.is_ok());
        let good = world.clock.world_wall() < user.expires;
        assert!(good || answer.is_err(), "sent after the user's token");
        sleep(SECOND).await;
    }
    // Served until shortly before: the last tenth of a lifetime is kept as a margin.
    assert!((270..=300).contains(&answered), "{answered}");
}

#[tokio::test(start_paused = true)]
async fn a_user_who_signs_in_again_gets_another_token() {
    let world = World::new();
    let old = world.token("alice", 5 * MINUTE);
    assert_eq!(world.get_as(&old).await.subject(), "alice");
    sleep(MINUTE).await;
    let new = world.token("alice", 5 * MINUTE);
    assert_eq!(world.get_as(&new).await.subject(), "alice");
    assert_eq!(world.outbound.users_health().total, 2);
    sleep(4 * MINUTE).await;
    assert_eq!(world.get_as(&old).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(world.get_as(&new).await.subject(), "alice");
    assert_eq!(world.outbound.users_health().total, 1);
}
