use std::time::Duration;

use auth_core::{ErrorKind, Secret, SharedSecretSource};

use super::{
    Vendor,
    refusal::refused_once,
    stand::{Got, Stand, options, pass, unavailable},
};

/// A changed secret is used without a restart: for the next token request, or, for a static
/// credential, when the API refuses the old one; the refused request is then sent once more.
///
/// # Panics
///
/// If the promise is broken.
pub async fn a_secret_that_has_changed_is_used<V: Vendor>() {
    let stand = Stand::new::<V>();
    stand.get_at_once().await;
    V::change_secret(&stand.server, CHANGED);
    if V::FETCHES {
        stand.get_at_once().await;
        stand.server.revoke_all();
    } else {
        refused_once(&stand).await;
    }
    stand.secret.set(CHANGED);
    pass(Duration::from_secs(120)).await;
    let got = stand.get().await;
    assert!(
        matches!(
            got,
            Ok(Got {
                status: 200,
                sends: 2
            })
        ),
        "the source has another secret: {got:?}"
    );
    stand.get_at_once().await;
    assert_eq!(stand.server.counters().failed_logins, 0);
}

/// A failing secret source is an error of the request, nothing is sent, and the source is read
/// again later.
///
/// # Panics
///
/// If the promise is broken.
pub async fn a_failing_secret_source_is_asked_again<V: Vendor>() {
    let stand = Stand::with::<V>(|_| Err(unavailable()));
    for _ in 0..3 {
        let error = stand.get_nothing().await;
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
        pass(Duration::from_secs(30)).await;
    }
    assert_eq!(stand.server.counters().token_requests, 0);
    stand.secret.set(V::right_secret(&stand.server));
    stand.recover("a secret source without an answer").await;
    stand
        .expect_token_requests::<V>(1, "the first token request succeeds")
        .await;
}

/// An empty secret is a [`Config`](ErrorKind::Config) error that names its field: when the settings
/// are checked if the secret never changes, otherwise when it is read. Nothing is sent.
///
/// # Panics
///
/// If the promise is broken.
pub async fn an_empty_secret_is_a_config_error<V: Vendor>() {
    let server = V::server().in_memory();
    let empty = SharedSecretSource::new(Secret::new(""));
    match V::authenticator(&server, empty, options(&server)) {
        Ok(_) => panic!("an empty secret is accepted"),
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::Config, "{error}");
            assert!(error.field().is_some(), "{error}");
        }
    }
    let stand = Stand::with::<V>(|_| Ok(String::new()));
    let error = stand.get_nothing().await;
    assert_eq!(error.kind(), ErrorKind::Config, "{error}");
    assert!(error.field().is_some(), "{error}");
    assert_eq!(stand.server.counters().token_requests, 0);
}

const CHANGED: &str = "changed-fake-secret-4d7a";
