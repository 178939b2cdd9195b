//! Two layers of this crate, one above the other.

use super::*;

#[tokio::test(start_paused = true)]
async fn t20_two_equal_layers_sign_and_replay_once() {
    // A token that is on trial is sent again; another one is replaced.
    for (world, fetches) in [(World::cold(), 1), (World::warm().await, 2)] {
        let api = Api::refusing();
        let mut client = ServiceBuilder::new()
            .layer(world.layer())
            .layer(world.layer())
            .concurrency_limit(1)
            .service(api.clone());
        let response = send(&mut client, get(URL)).await.unwrap();
        let last = format!("fake-token-{fetches}");
        assert_eq!(api.tokens(), ["fake-token-1", &last]);
        assert_eq!(world.source.fetches(), fetches);
        let outcome = AuthOutcome::of(&response);
        assert_eq!(outcome.sends(), 2);
        assert!(matches!(outcome.not_replayed(), Some(NotReplayed::Twice)));
        for seen in api.seen() {
            assert_eq!(seen.headers.get_all("authorization").iter().count(), 1);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn t20_two_equal_layers_that_replace_credentials_replay_once() {
    // A token that is on trial is sent again; another one is replaced.
    for (world, fetches) in [(World::cold(), 1), (World::warm().await, 2)] {
        let api = Api::refusing();
        let mut client = ServiceBuilder::new()
            .layer(world.layer())
            .layer(world.layer().existing(ExistingCredential::Replace))
            .service(api.clone());
        let response = send(&mut client, get(URL)).await.unwrap();
        let last = format!("fake-token-{fetches}");
        assert_eq!(api.tokens(), ["fake-token-1", &last]);
        assert_eq!(world.source.fetches(), fetches);
        assert_eq!(AuthOutcome::of(&response).sends(), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn t20_the_outcome_counts_a_second_send_of_an_inner_layer() {
    // Two credentials, in two headers.
    let scheme = auth_core::Scheme::header(http::HeaderName::from_static("x-login-token")).unwrap();
    let outer = World::with(|builder| builder.scheme(scheme));
    outer.warm_up().await;
    let inner = World::warm().await;
    let api = Api::new();
    api.revoke("fake-token-1");
    let client = outer.layer().layer(inner.over(api.clone()));
    let response = in_time(client.oneshot(get(URL))).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!((api.calls(), AuthOutcome::of(&response).sends()), (2, 2));
    assert_eq!((outer.source.fetches(), inner.source.fetches()), (1, 2));
}

#[tokio::test(start_paused = true)]
async fn t20_two_credentials_make_two_sends_and_never_three() {
    let scheme = auth_core::Scheme::header(http::HeaderName::from_static("x-login-token")).unwrap();
    let outer = World::with(|builder| builder.scheme(scheme));
    outer.warm_up().await;
    let inner = World::warm().await;
    let api = Api::refusing();
    // From here on the inner layer's renewals are in refusal back-off, which is shorter than the
    // outer layer's.
    send(&mut inner.over(api.clone()), get(URL)).await.unwrap();
    assert_eq!(api.calls(), 2);
    outer
        .source
        .always(Outcome::fresh().delay(Duration::from_secs(5)));
    let mut client = outer.layer().layer(inner.over(api.clone()));
    let response = in_time(send(&mut client, get(URL))).await.unwrap();
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(api.calls(), 2 + 2);
    assert_eq!(AuthOutcome::of(&response).sends(), 2);
}

/// Each layer sees one refusal of the token that it added, at another send.
#[tokio::test(start_paused = true)]
async fn the_second_send_of_an_outer_layer_is_not_sent_again_below() {
    let scheme = auth_core::Scheme::header(http::HeaderName::from_static("x-login-token")).unwrap();
    let outer = World::with(|builder| builder.scheme(scheme));
    outer.warm_up().await;
    let inner = World::warm().await;
    let api = Api::answering(|seen| {
        let is_first = seen.headers["x-login-token"] == "fake-token-1";
        Ok(match (is_first, seen.token()) {
            // Without a challenge, this refusal is about the outer token only.
            (true, _) => {
                let mut refusal = Response::new(Full::default());
                *refusal.status_mut() = StatusCode::UNAUTHORIZED;
                refusal
            }
            (false, Some("fake-token-1")) => unauthorized(seen),
            (false, _) => ok(),
        })
    });
    let layer = inner.layer().require_challenge(true);
    let mut client = outer.layer().layer(layer.layer(api.clone()));
    let response = send(&mut client, get(URL)).await.unwrap();
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    assert_eq!((api.calls(), AuthOutcome::of(&response).sends()), (2, 2));
    // The refused inner token is renewed for the next request.
    let response = send(&mut client, get(URL)).await.unwrap();
    assert_eq!((response.status(), api.calls()), (StatusCode::OK, 3));
}

/// Layers for two headers, of which only the inner one signs.
async fn outer_with_own_credentials(inner: &World, api: &Api) -> (World, Response<Full<Bytes>>) {
    let name = http::HeaderName::from_static("x-login-token");
    let scheme = auth_core::Scheme::header(name.clone()).unwrap();
    let outer = World::with(|builder| builder.scheme(scheme));
    let mut client = outer.layer().layer(inner.over(api.clone()));
    let mut request = get(URL);
    let own = http::HeaderValue::from_static("fake-own");
    request.headers_mut().insert(name, own);
    let response = send(&mut client, request).await.unwrap();
    (outer, response)
}

#[tokio::test(start_paused = true)]
async fn the_outcome_of_an_inner_layer_takes_precedence_over_an_outer_one_that_does_not_sign() {
    let inner = World::warm().await;
    let api = Api::new();
    api.revoke("fake-token-1");
    let (_outer, response) = outer_with_own_credentials(&inner, &api).await;
    let outcome = AuthOutcome::of(&response);
    assert_eq!((outcome.sends(), outcome.was_refused()), (2, true));
    assert!(outcome.unsigned().is_none(), "{outcome:?}");

    let elsewhere = World::at(auth_core::Origins::new(["https://elsewhere.example"]).unwrap());
    let (_outer, response) = outer_with_own_credentials(&elsewhere, &Api::new()).await;
    let outcome = AuthOutcome::of(&response);
    let why = outcome.unsigned();
    assert!(matches!(why, Some(Unsigned::OtherOrigin)), "{why:?}");
}

#[tokio::test(start_paused = true)]
async fn an_outer_layer_that_signs_keeps_the_wait_of_an_inner_one_that_did_not_sign() {
    let delay = Duration::from_secs(3);
    let scheme = auth_core::Scheme::header(http::HeaderName::from_static("x-login-token")).unwrap();
    let outer = World::with(|builder| builder.scheme(scheme));
    outer.warm_up().await;
    let inner = World::cold();
    let failure = auth_core::Error::new(ErrorKind::Unavailable, "no answer");
    inner.source.always(Outcome::error(failure).delay(delay));
    let layer = inner.layer().without_token(MissingToken::SendUnsigned);
    let mut client = outer.layer().layer(layer.layer(Api::new()));
    let response = send(&mut client, get(URL)).await.unwrap();
    let outcome = AuthOutcome::of(&response);
    assert!(outcome.unsigned().is_none(), "{outcome:?}");
    assert_eq!((outcome.sends(), outcome.waited()), (1, delay));

    // Without a wait, nothing is left to say.
    let mut request = get(URL);
    let own = http::HeaderValue::from_static("Bearer fake-own");
    request.headers_mut().insert("authorization", own);
    let response = send(&mut client, request).await.unwrap();
    assert!(response.extensions().is_empty());
}

#[tokio::test(start_paused = true)]
async fn t20_waits_and_sends_of_both_layers_are_counted() {
    let delay = Duration::from_secs(3);
    let scheme = auth_core::Scheme::header(http::HeaderName::from_static("x-login-token")).unwrap();
    for without_token in [MissingToken::Fail, MissingToken::SendUnsigned] {
        let outer = World::with(|builder| builder.scheme(scheme.clone()));
        let failure = auth_core::Error::new(ErrorKind::Unavailable, "no answer");
        outer.source.always(match without_token {
            MissingToken::Fail => Outcome::fresh().delay(delay),
            _ => Outcome::error(failure).delay(delay),
        });
        let inner = World::warm().await;
        inner.clock.advance(Duration::from_secs(1)).await;
        inner.source.always(Outcome::fresh().delay(delay));
        let api = Api::new();
        api.revoke("fake-token-1");
        let layer = outer.layer().without_token(without_token);
        let mut client = layer.layer(inner.over(api.clone()));
        let response = send(&mut client, get(URL)).await.unwrap();
        let outcome = AuthOutcome::of(&response);
        assert_eq!((outcome.sends(), outcome.waited()), (2, 2 * delay));
    }
}
