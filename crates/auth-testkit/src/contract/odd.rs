use std::time::Duration;

use super::{
    Vendor,
    stand::{Got, Stand, shown},
};
use crate::{Reply, assert_no_secret};

/// Any other reply than a token (web pages, no body, wrong types, too many bytes, a redirect, half
/// a reply, silence) is a typed error, and a later request succeeds. The error shows no text of the
/// reply, and no redirect is followed. Odd answers of an API are returned unchanged.
///
/// # Panics
///
/// If the promise is broken.
pub async fn odd_replies_do_no_lasting_harm<V: Vendor>() {
    if !V::FETCHES {
        let stand = Stand::new::<V>();
        for (status, reply) in [(200, Reply::html()), (500, Reply::status(500))] {
            stand.server.api().then(reply);
            let got = stand.get().await;
            assert!(
                matches!(got, Ok(Got { status: came, sends: 1 }) if came == status),
                "{got:?}"
            );
        }
        return stand.get_at_once().await;
    }
    for (what, reply) in replies() {
        let stand = Stand::new::<V>();
        // Twice, so that the test does not depend on the limit for failed logins.
        stand.server.token().times(2, reply);
        let error = stand.get_nothing().await;
        // A redirect may count as a wrong URL, which an operator must correct.
        assert!(
            error.is_transient() || what.starts_with("a redirect"),
            "{what}: {error}"
        );
        let mut secrets = stand.server.expose_secrets();
        secrets.push(MARK.into());
        assert_no_secret(shown(&error), &secrets);
        let seen = stand.server.counters();
        assert_eq!(
            (seen.token_requests, seen.api_requests, seen.stray_requests),
            (1, 0, 0),
            "{what}: one request, and no redirect followed"
        );
        stand.recover(what).await;
        stand.get_at_once().await;
    }
}

fn replies() -> Vec<(&'static str, Reply)> {
    let ok = |json: String| Reply::status(200).json(json);
    let deep = format!("{}{}", "[".repeat(50_000), MARK);
    let page = format!("<!doctype html><h1>{MARK}</h1>");
    vec![
        ("a web page", Reply::html()),
        ("a web page as JSON", ok(page.clone())),
        ("an empty reply", Reply::status(200)),
        ("an empty text", ok(String::new())),
        ("a list", ok("[]".into())),
        ("null", ok("null".into())),
        ("a text", ok(format!("\"{MARK}\""))),
        ("an object without members", ok("{}".into())),
        (
            "members of the wrong types",
            ok(format!(
                r#"{{"access_token":7,"token":7,"name":[],"expires_in":{{}},"scope":"{MARK}"}}"#
            )),
        ),
        (
            "null for a token",
            ok(r#"{"access_token":null,"token":null,"expires_in":60}"#.into()),
        ),
        (
            "an empty token",
            ok(r#"{"access_token":"","token":"","expires_in":60}"#.into()),
        ),
        (
            "a token that a header must not contain",
            ok(format!(
                r#"{{"access_token":"{MARK}\r\nx: 1","token":"{MARK}\r\nx: 1","expires_in":60}}"#
            )),
        ),
        ("JSON that breaks off", Reply::garbage()),
        (
            "no UTF-8",
            Reply::status(200).body(b"{\"\xff\":1}".as_slice()),
        ),
        ("very deep JSON", ok(deep)),
        ("very much", Reply::oversize(8 * 1024 * 1024)),
        ("no end", ok(page.clone()).endless(Duration::from_millis(1))),
        ("a redirect with 302", Reply::redirect(302, "/elsewhere")),
        ("a redirect with 307", Reply::redirect(307, "/elsewhere")),
        ("204", Reply::status(204)),
        ("500 with a page", Reply::status(500).body(page)),
        ("503", Reply::status(503)),
        ("a cut connection", Reply::cut()),
        ("half a reply", Reply::normal().cut_after(10)),
        ("silence", Reply::never()),
    ]
}

/// A text of the reply that must not be shown.
const MARK: &str = "reply-text-5e1f";
