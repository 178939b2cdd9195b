//! Invalid settings: the error names the field and shows no value.

#![allow(clippy::unwrap_used, reason = "a test fails by it")]

use auth_core::{ErrorKind, Secret};
use auth_testkit::assert_no_secret;
use auth_verdigris::{Verdigris, fake};

const SECRET: &str = "fake-secret/1+2";

#[tokio::test(start_paused = true)]
async fn wrong_settings_name_the_field() {
    let server = fake::server().in_memory();
    let with =
        |id: &str, secret: &str| Verdigris::builder(id, Secret::new(secret), server.transport());
    let good = || with("fake-client", SECRET);
    for (field, settings) in [
        ("client_id", with("", SECRET)),
        ("client_secret", with("fake-client", "")),
        ("token_url", good().token_url("auth.verdigris.co")),
        (
            "token_url",
            good().token_url("http://127.0.0.1:1/oauth/token"),
        ),
        (
            "token_url",
            good()
                .token_url("http://localhost/")
                .danger_allow_http("http://localhost:8080")
                .unwrap(),
        ),
        ("base_url", good().base_url("")),
        ("base_url", good().base_url("http://127.0.0.1:1")),
        (
            "base_url",
            good()
                .base_url("http://api.verdigris.co")
                .danger_allow_http("http://verdigris")
                .unwrap(),
        ),
        (
            "base_url",
            good().base_url("https://user:fake-password@api.verdigris.co"),
        ),
        ("audience", good().audience("")),
    ] {
        let error = settings.build().unwrap_err();
        assert_eq!(
            (error.kind(), error.field()),
            (ErrorKind::Config, Some(field)),
            "{error}"
        );
        assert_no_secret(format!("{error:?}"), &[SECRET, "fake-password"]);
    }
    let named = good()
        .token_url("http://verdigris:8080/t")
        .base_url("http://[::1]:2")
        .danger_allow_http("http://verdigris:8080")
        .unwrap();
    let named = named.danger_allow_http("http://[::1]:2").unwrap();
    assert!(named.build().is_ok());
}
