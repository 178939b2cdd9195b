//! Answers and requirements of the vendors of this workspace.

use std::time::Duration;

use auth_axonize::Axonize;
use auth_core::{
    Authenticator, AuthenticatorOptions, ErrorKind, MemoryStore, RejectedPart, Secret,
};
use auth_kaizen::{Central, Kaizen};
use auth_kayzen::Kayzen;
use auth_testkit::{Reply, TestServer};
use auth_verdigris::Verdigris;

use crate::stack::{MINUTE, Stack};

needs![
    "vendors":
    verdigris_is_asked_twice_in_the_hour_while_others_hold_the_quota,
    kayzen_says_what_is_wrong_with_a_login,
    axonize_gets_its_content_type_on_every_request,
    axonize_tokens_of_two_applications_are_not_mixed_up,
    kaizen_tells_the_scope_that_was_granted,
];

async fn verdigris_is_asked_twice_in_the_hour_while_others_hold_the_quota() {
    let server = auth_verdigris::fake::server()
        .quota(1, Duration::from_secs(3_600))
        .in_memory();
    let process = || -> Authenticator {
        let secret = Secret::new(server.client_secret());
        Verdigris::builder(server.client_id(), secret, server.transport())
            .options(options(&server))
            .token_url(server.token_url())
            .base_url(server.origin())
            .build()
            .unwrap()
    };
    process().token().await.unwrap();
    let own = process();
    let stack = Stack::of(server, own);
    for _ in 0..60 {
        let error = stack.fails().await;
        assert_eq!(error.kind(), ErrorKind::Quota, "{error}");
        stack.pass(MINUTE).await;
    }
    assert_eq!(stack.token_requests() - 1, 2);
    assert_eq!(
        stack.get().await.unwrap(),
        200,
        "as soon as the slot is free"
    );
}

async fn kayzen_says_what_is_wrong_with_a_login() {
    let server = auth_kayzen::fake::server().in_memory();
    let authenticator = Kayzen::builder(
        server.client_id(),
        Secret::new(server.client_secret()),
        server.user_name(),
        Secret::new("fake-wrong-password"),
        server.transport(),
    )
    .options(options(&server))
    .token_url(server.token_url())
    .base_url(server.origin())
    .build()
    .unwrap();
    let stack = Stack::of(server, authenticator);
    let error = stack.fails().await;
    assert_eq!(error.rejected_part(), Some(RejectedPart::Credentials));
    let text = error.to_string();
    assert!(text.contains("Invalid login credentials"), "{text}");
    assert!(!text.contains("does not say"), "{text}");
}

/// Options with the server's clock.
fn options(server: &TestServer) -> AuthenticatorOptions {
    AuthenticatorOptions::new().clock(server.clock().clone())
}

fn axonize(server: &TestServer) -> auth_axonize::LoginBuilder {
    let password = Secret::new(server.user_password());
    Axonize::login(
        server.origin(),
        server.client_id(),
        server.user_name(),
        password,
        server.transport(),
    )
    .options(options(server))
}

/// The fake server answers 415 to a request without a `Content-Type`.
async fn axonize_gets_its_content_type_on_every_request() {
    let server = auth_axonize::fake::login().in_memory();
    let authenticator = axonize(&server).build().unwrap();
    let stack = Stack::of(server, authenticator);
    assert_eq!(stack.get().await.unwrap(), 200);
    let server = auth_axonize::fake::api_keys().in_memory();
    let secret = Secret::new(server.client_secret());
    let keys = Axonize::api_keys(server.origin(), server.client_id(), secret);
    let authenticator = keys.options(options(&server)).build().unwrap();
    let stack = Stack::of(server, authenticator);
    assert_eq!(stack.get().await.unwrap(), 200);
}

async fn axonize_tokens_of_two_applications_are_not_mixed_up() {
    let server = auth_axonize::fake::login().in_memory();
    let store = MemoryStore::new();
    let options = options(&server).store(store);
    let by_id = axonize(&server).options(options.clone()).build().unwrap();
    let by_url = axonize(&server)
        .application_url(auth_axonize::fake::APP_URL)
        .options(options)
        .build()
        .unwrap();
    by_id.token().await.unwrap();
    by_url.token().await.unwrap();
    let logins = server.recorded();
    let named = |index: usize| {
        let login = &logins[index];
        (
            login.expose_header("appid").is_some(),
            login.expose_parameter("url").is_some(),
        )
    };
    assert_eq!((named(0), named(1)), ((true, false), (false, true)));
}

async fn kaizen_tells_the_scope_that_was_granted() {
    let server = auth_kaizen::fake::central().in_memory();
    let secret = Secret::new(server.client_secret());
    let kaizen = Kaizen::<Central>::builder(server.client_id(), secret, server.transport())
        .options(options(&server))
        .token_url(server.token_url())
        .base_url(server.origin())
        .build()
        .unwrap();
    let scope = Reply::normal().with("scope", "\"read:buildings read:insights\"");
    server.token().then(scope);
    let stack = Stack::of(server, kaizen.authenticator().clone());
    assert_eq!(stack.get().await.unwrap(), 200);
    let granted = kaizen.granted_scope().unwrap();
    assert_eq!(&*granted, "read:buildings read:insights");
}
