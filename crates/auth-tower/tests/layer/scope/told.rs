//! What the caller and the observer are told.

use super::*;

#[tokio::test(start_paused = true)]
async fn s21_the_wanted_scopes_are_told_and_nothing_is_asked_for_without_the_option() {
    for status in [401, 403] {
        let world = World::new(Vendor::granting("read a b"), |options| options).await;
        let api = wanting(status, "a b");
        let response = world.send(&api).await;
        assert_eq!(response.status().as_u16(), status);
        assert_eq!(scopes(&response).unwrap(), ["a", "b"]);
        let outcome = AuthOutcome::of(&response);
        assert!(!outcome.was_refused() && outcome.not_replayed().is_none());
        assert_eq!((outcome.sends(), api.calls()), (1, 1));
        assert_eq!(world.vendor.asked(), ["read"]);
        assert!(response.extensions().is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn s21_challenges_of_all_kinds_are_told_apart() {
    let long = format!(
        r#"Bearer error="insufficient_scope", scope="{}""#,
        "a ".repeat(2100)
    );
    let huge = format!(
        r#"Bearer error="insufficient_scope", realm="{}""#,
        "x".repeat(20_000)
    );
    let many = "x".repeat(8000);
    // The status, the challenges, and the scopes that the caller is told of.
    type Case<'a> = (u16, Vec<&'a str>, Option<Vec<&'a str>>);
    let cases: Vec<Case<'_>> = vec![
        (403, vec![], None),
        (403, vec!["Bearer"], None),
        (
            403,
            vec![r#"Bearer error="insufficient_scope""#],
            Some(vec![]),
        ),
        (
            403,
            vec![r#"Bearer error="insufficient_scope", scope="""#],
            Some(vec![]),
        ),
        (
            403,
            vec![r#"DPoP error="insufficient_scope", scope="a""#],
            Some(vec!["a"]),
        ),
        (
            403,
            vec![r#"Basic realm="x", Bearer error="insufficient_scope", scope="a  b""#],
            Some(vec!["a", "b"]),
        ),
        (
            403,
            vec!["Basic", r#"Bearer error="insufficient_scope", scope="a""#],
            Some(vec!["a"]),
        ),
        // The first of several counts.
        (
            403,
            vec![
                r#"Bearer error="insufficient_scope", scope="a""#,
                r#"Bearer error="insufficient_scope", scope="b""#,
            ],
            Some(vec!["a"]),
        ),
        (
            403,
            vec![r#"Basic error="insufficient_scope", scope="a""#],
            None,
        ),
        (403, vec![&long], Some(vec![])),
        (403, vec![&huge], None),
        (
            403,
            vec![
                &many,
                &many,
                &many,
                r#"Bearer error="insufficient_scope", scope="a""#,
            ],
            Some(vec!["a"]),
        ),
        (
            200,
            vec![r#"Bearer error="insufficient_scope", scope="a""#],
            None,
        ),
        (
            404,
            vec![r#"Bearer error="insufficient_scope", scope="a""#],
            None,
        ),
    ];
    for (status, challenges, told) in cases {
        let world = World::permitting(Vendor::granting("read"), WiderScope::only(["other"])).await;
        let lines: Vec<String> = challenges.iter().map(|line| (*line).to_owned()).collect();
        let answer = move || {
            let response = Response::builder().status(status);
            let response = lines.iter().fold(response, |response, line| {
                response.header("www-authenticate", line)
            });
            response.body(Full::from("")).unwrap()
        };
        let api = Api::answering(move |_| Ok(answer()));
        let response = world.send(&api).await;
        let short: Vec<_> = challenges
            .iter()
            .map(|line| &line[..line.len().min(60)])
            .collect();
        assert_eq!(response.status().as_u16(), status, "{short:?}");
        let told = told.map(|told| told.into_iter().map(str::to_owned).collect::<Vec<_>>());
        assert_eq!(scopes(&response), told, "{short:?}");
        let why = match told.as_deref() {
            None => None,
            Some([]) => Some(NoWiderScope::Unnamed),
            Some(_) => Some(NoWiderScope::NotPermitted),
        };
        assert_eq!(cause(&response), why, "{short:?}");
        assert_eq!(
            (api.calls(), world.vendor.asked().len()),
            (1, 1),
            "{short:?}"
        );
    }
}

/// What the observer was told of wider scope: how many, and why not.
fn told(events: &RecordingObserver) -> Vec<(usize, Option<&'static str>)> {
    let events = events.events();
    let of_scope = events.iter().filter_map(|event| match *event.kind() {
        EventKind::WiderScope {
            scopes, declined, ..
        } => Some((scopes, declined)),
        _ => None,
    });
    of_scope.collect()
}

#[tokio::test(start_paused = true)]
async fn g21_what_comes_of_more_scope_is_told_once_for_each_token_request() {
    let (denied, before) = (Some("denied"), Some("denied_before"));
    let not_permitted = Some("not_permitted");
    // What is granted, whether the vendor grants no part, what is permitted and wanted; and what is
    // told of three requests, of which a renewal precedes the last.
    let cases = [
        ("read zeta eta", false, None, vec![(2, None)]),
        (
            "read zeta",
            false,
            None,
            vec![(2, denied), (2, before), (2, before)],
        ),
        (
            "read",
            true,
            None,
            vec![(2, denied), (2, before), (2, before)],
        ),
        (
            "read zeta eta",
            false,
            Some(WiderScope::only(["zeta"])),
            vec![(2, not_permitted); 3],
        ),
    ];
    for (grants, is_strict, only, expected) in cases {
        let (log, events) = (LogCapture::new(), RecordingObserver::new());
        let _capture = log.install();
        let vendor = Vendor {
            is_strict,
            ..Vendor::granting(grants)
        };
        let limits = only.unwrap_or_else(WiderScope::any);
        let world = World::new(vendor, |options| {
            options.wider_scope(limits).observer(events.clone())
        });
        let (world, api) = (world.await, wanting(403, "zeta eta"));
        world.send(&api).await;
        world.send(&api).await;
        world.clock.advance(HOUR).await;
        world.send(&api).await;
        assert_eq!(told(&events), expected, "{grants}");
        // WARN is bounded by the token requests. The API's words are not repeated.
        let text = log.text();
        let lines = |words| text.lines().filter(|line| line.contains(words)).count();
        let of_denied = expected.iter().filter(|(_, cause)| *cause == denied);
        assert_eq!(lines("more scope not granted"), of_denied.count(), "{text}");
        let granted = expected.iter().filter(|(_, cause)| cause.is_none());
        assert_eq!(lines("more scope granted"), granted.count(), "{text}");
        log.assert_no_secret(&["zeta"]);
    }
    // Without the option, nobody is told: the answer is passed on.
    let events = RecordingObserver::new();
    let world = World::new(Vendor::granting("read zeta"), |options| {
        options.observer(events.clone())
    });
    world.await.send(&wanting(403, "zeta")).await;
    assert!(told(&events).is_empty());
}
