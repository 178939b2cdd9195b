//! Errors of the service are returned typed and unchanged.

use std::{error::Error as _, sync::Arc};

use auth_core::ErrorKind;
use auth_tower::Error;
use tower::ServiceExt;

use crate::support::{Api, Broken, FOREIGN, URL, World, get, in_time, send, settle, unauthorized};

#[tokio::test(start_paused = true)]
async fn an_error_of_the_first_send_is_returned() {
    for world in [World::cold(), World::warm().await] {
        let api = Api::answering(|_| Err(Broken("reset")));
        let mut client = world.over(api.clone());
        for url in [URL, FOREIGN] {
            let error = send(&mut client, get(url)).await.unwrap_err();
            assert!(matches!(error, Error::Inner(Broken("reset"))), "{error:?}");
        }
        settle().await;
        // Without a status there is no judgement: nothing is sent again, nothing is renewed.
        assert_eq!((api.calls(), world.source.fetches()), (2, 1));
    }
}

#[tokio::test(start_paused = true)]
async fn an_error_of_the_second_send_is_returned() {
    let world = World::warm().await;
    let api = Api::answering(|seen| match seen.token() {
        Some("fake-token-1") => Ok(unauthorized(seen)),
        _ => Err(Broken("reset")),
    });
    let error = in_time(world.over(api.clone()).oneshot(get(URL)))
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Inner(Broken("reset"))), "{error:?}");
    assert_eq!((api.calls(), world.source.fetches()), (2, 2));
}

#[test]
fn an_error_shows_what_it_wraps_and_adds_nothing() {
    let cause = Arc::new(std::io::Error::other("the line is dead"));
    let source = std::io::Error::other(cause);
    let auth = auth_core::Error::new(ErrorKind::Unavailable, "example: no answer");
    let error: Error<std::io::Error> = Error::Auth(auth.with_source(source));
    assert_eq!(error.to_string(), "example: no answer");
    assert_eq!(error.source().unwrap().to_string(), "the line is dead");

    let inner: Error<std::io::Error> = Error::Inner(std::io::Error::other(Broken("reset")));
    assert_eq!(inner.to_string(), "reset");
    let inner: Error<Broken> = Error::Inner(Broken("reset"));
    assert!(inner.source().is_none());
    assert_eq!(format!("{inner:?}"), r#"Inner(Broken("reset"))"#);
}
