//! Invalid settings: the error names the field and shows no value.

use std::time::Duration;

use auth_axonize::{ApiKeysBuilder, Axonize, LoginBuilder, fake};
use auth_core::{Error, ErrorKind, Secret, SecretEnv, SecretFile, SecretFn};
use auth_testkit::{TestServer, assert_no_secret};

use crate::support::{devices, login, options};

const PASSWORD: &str = "fake-password-q8";

#[track_caller]
fn assert_refused<T>(result: Result<T, Error>, field: &str) {
    let Err(error) = result else {
        panic!("`{field}` was taken");
    };
    let told = (error.kind(), error.field());
    assert_eq!(told, (ErrorKind::Config, Some(field)), "{error}");
    assert_no_secret(format!("{error:?}"), &[PASSWORD]);
}

fn a_login(
    server: &TestServer,
    base: &str,
    app: &str,
    email: &str,
    password: &str,
) -> LoginBuilder {
    Axonize::login(base, app, email, Secret::new(password), server.transport())
}

const BASE: &str = "https://api.example.com";

const HTTP_URLS: [&str; 3] = [
    "http://axonize:8080",
    "http://localhost:3000/axonize/",
    "http://127.0.0.1:1/axonize/",
];

#[tokio::test(start_paused = true)]
async fn of_a_login() {
    let server = fake::login().in_memory();
    let base = |base: &str| a_login(&server, base, "app", "me@example.com", PASSWORD);
    let app = |app: &str| a_login(&server, BASE, app, "me@example.com", PASSWORD);
    let good = || app("app");
    for (field, builder) in [
        ("base_url", base("")),
        ("base_url", base("api.example.com")),
        ("base_url", base("http://api.example.com")),
        ("base_url", base("http://127.0.0.1:1")),
        ("base_url", base("https://api.example.com/?tenant=1")),
        ("base_url", base("https://api.example.com/#x")),
        (
            "base_url",
            base(&format!("https://me:{PASSWORD}@api.example.com")),
        ),
        (
            "base_url",
            base("http://localhost:1")
                .danger_allow_http("http://localhost:2")
                .unwrap(),
        ),
        ("app_id", app("")),
        ("app_id", app("app\nclientSecret: fake")),
        ("app_id", app("app\r\n")),
        ("app_id", app("my app")),
        ("app_id", app("äpp")),
        ("email", a_login(&server, BASE, "app", "", PASSWORD)),
        ("password", a_login(&server, BASE, "app", "me", "")),
        ("application_url", good().application_url("")),
        ("mfa_deadline", good().mfa_deadline(Duration::ZERO)),
    ] {
        assert_no_secret(format!("{builder:?}"), &[PASSWORD]);
        assert_refused(builder.build(), field);
    }
    assert!(good().build().is_ok());
    for url in HTTP_URLS {
        let named = base(url).danger_allow_http(url).unwrap();
        assert!(named.build().is_ok(), "{url}");
    }
}

#[tokio::test(start_paused = true)]
async fn of_api_keys() {
    let keys = |base: &str, id: &str, secret: &str| -> ApiKeysBuilder {
        Axonize::api_keys(base, id, Secret::new(secret))
    };
    for (field, builder) in [
        ("base_url", keys("http://api.example.com", "id", PASSWORD)),
        ("client_id", keys(BASE, "", PASSWORD)),
        ("client_id", keys(BASE, "id\n", PASSWORD)),
        ("client_secret", keys(BASE, "id", "")),
    ] {
        assert_no_secret(format!("{builder:?}"), &[PASSWORD]);
        assert_refused(builder.build(), field);
    }
    assert!(keys(BASE, "id", PASSWORD).build().is_ok());
}

#[tokio::test(start_paused = true)]
async fn of_environment_variables() {
    let server = fake::login().in_memory();
    for (name, field) in [
        ("", "secret_env"),
        ("A=fake-password-q8", "secret_env"),
        ("AUTH_AXONIZE_TEST_NOT_SET", "AUTH_AXONIZE_TEST_NOT_SET"),
    ] {
        let password = SecretEnv::new(name);
        let login = Axonize::login(BASE, "app", "me", password, server.transport());
        assert_refused(login.build(), field);
        assert_refused(
            Axonize::api_keys(BASE, "id", SecretEnv::new(name)).build(),
            field,
        );
    }
}

#[tokio::test(start_paused = true)]
async fn of_secrets_that_are_invalid_when_they_are_read() {
    let secret = |text: &'static str| SecretFn::new(move || async move { Ok(Secret::new(text)) });
    for text in ["", "fake-key\n", "fake key", "fake-k\u{e9}y"] {
        let keys = Axonize::api_keys(BASE, "id", secret(text)).build().unwrap();
        assert_refused(keys.token().await, "client_secret");
    }
    let server = fake::login().in_memory();
    let empty = Axonize::login(server.origin(), "app", "me", secret(""), server.transport())
        .build()
        .unwrap();
    assert_refused(empty.token().await, "password");
    assert_eq!(server.counters().token_requests, 0);
}

#[tokio::test(start_paused = true)]
async fn a_base_url_may_have_a_path_and_a_slash() {
    let server = fake::login().in_memory();
    let password = Secret::new(server.user_password());
    let url = format!("{}/", server.origin());
    let authenticator = Axonize::login(
        url,
        server.client_id(),
        server.user_name(),
        password,
        server.transport(),
    )
    .options(options(&server))
    .build()
    .unwrap();
    assert_eq!(devices(&server, &authenticator).await.unwrap(), (200, 1));
    assert_eq!(server.recorded()[0].path(), "/api/auth/login");
    assert!(login(&server).build().is_ok());
}

/// A file that is removed when dropped.
struct Temporary(std::path::PathBuf);

impl Temporary {
    fn new(name: &str, content: &str) -> Self {
        let name = format!("auth-axonize-{}-{name}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::write(&path, content).unwrap();
        Self(path)
    }

    fn vanish(&self) {
        std::fs::remove_file(&self.0).unwrap();
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_deleted_key_file_keeps_the_key_in_use() {
    let server = fake::api_keys().in_memory();
    let file = Temporary::new("key", &server.client_secret());
    let keys = Axonize::api_keys(
        server.origin(),
        server.client_id(),
        SecretFile::new(&file.0),
    );
    let authenticator = keys.options(options(&server)).build().unwrap();
    assert_eq!(devices(&server, &authenticator).await.unwrap(), (200, 1));
    file.vanish();
    server.always_refuse(true);
    for _ in 0..5 {
        server.clock().advance(Duration::from_secs(60)).await;
        assert_eq!(devices(&server, &authenticator).await.unwrap(), (401, 1));
    }
    let error = authenticator.health().last_error().unwrap().clone();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.to_string().contains("cannot be read"), "{error}");
    server.always_refuse(false);
    assert_eq!(devices(&server, &authenticator).await.unwrap(), (200, 1));
}

#[tokio::test(start_paused = true)]
async fn a_deleted_password_file_is_read_again_and_costs_no_login() {
    let server = fake::login().in_memory();
    let file = Temporary::new("password", &server.user_password());
    let password = SecretFile::new(&file.0);
    let authenticator = Axonize::login(
        server.origin(),
        server.client_id(),
        server.user_name(),
        password,
        server.transport(),
    )
    .options(options(&server))
    .build()
    .unwrap();
    assert_eq!(devices(&server, &authenticator).await.unwrap(), (200, 1));
    file.vanish();
    server.revoke_all();
    // Only the refusal can be returned; once the token has expired, no request can be sent.
    let mut refusals = 0;
    let error = loop {
        match devices(&server, &authenticator).await {
            Ok(answer) => assert_eq!(answer, (401, 1)),
            Err(error) => break error,
        }
        let error = authenticator.health().last_error().unwrap().clone();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        refusals += 1;
        server.clock().advance(Duration::from_secs(1)).await;
    };
    assert!((5..=30).contains(&refusals), "{refusals}");
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_eq!(server.counters().token_requests, 1);
    std::fs::write(&file.0, server.user_password()).unwrap();
    server.clock().advance(Duration::from_secs(60)).await;
    assert_eq!(devices(&server, &authenticator).await.unwrap(), (200, 1));
    assert_eq!(server.counters().failed_logins, 0);
}
