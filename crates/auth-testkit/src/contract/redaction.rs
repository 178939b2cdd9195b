use std::time::Duration;

use auth_tower::AuthLayer;
use http::HeaderMap;

use super::{
    Vendor,
    failure::WRONG,
    stand::{Stand, pass, shown},
};
use crate::{LogCapture, Reply, assert_no_secret};

/// No output contains a secret: no `Debug` (also of a signed request's headers) or `Display`, no
/// chain of errors, no log down to TRACE, also if a vendor echoes what it received.
///
/// # Panics
///
/// If the promise is broken.
pub async fn nothing_that_is_shown_holds_a_secret<V: Vendor>() {
    let log = LogCapture::new();
    let guard = log.install();
    let mut text = String::new();
    let mut secrets = vec![WRONG.to_owned()];

    let good = Stand::new::<V>();
    good.get_at_once().await;
    good.server.revoke_all();
    let _ = good.get().await;
    good.server.always_refuse(true);
    let _ = good.get().await;
    let layer = AuthLayer::new(good.authenticator.clone());
    text.push_str(&format!("{:?} {layer:?}\n", good.authenticator));
    if let Ok(token) = good.authenticator.token().await {
        // As a log of requests shows it.
        let mut headers = HeaderMap::new();
        token.sign(&mut headers);
        text.push_str(&format!("{token:?} {headers:?}\n"));
    }

    let wrong = Stand::with::<V>(|_| Ok(WRONG.into()));
    let bad = Stand::new::<V>();
    let secret = V::right_secret(&bad.server);
    let echo = |status| {
        let body = serde_json::json!({
            "error": "invalid_grant",
            "error_description": format!("what is {secret}?"),
            "message": secret,
        });
        Reply::status(status).json(body)
    };
    bad.server
        .token()
        .then(echo(500))
        .then(echo(400))
        .then(echo(403))
        .always(echo(401));
    for stand in [&wrong, &bad] {
        for _ in 0..6 {
            if let Err(error) = stand.get().await {
                text.push_str(&shown(&error));
            }
            pass(Duration::from_secs(601)).await;
        }
        text.push_str(&format!("{:?}\n", stand.authenticator));
    }
    for stand in [&good, &wrong, &bad] {
        secrets.extend(stand.server.expose_secrets());
    }
    drop(guard);
    assert_no_secret(&text, &secrets);
    log.assert_no_secret(&secrets);
}
