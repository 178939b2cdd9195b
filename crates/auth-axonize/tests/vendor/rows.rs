//! At least one test for each documented fact of the vendor.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use auth_axonize::{Axonize, fake};
use auth_core::{ErrorKind, MemoryStore, Secret, SecretFn};
use auth_testkit::TestServer;

use crate::support::{api_keys, devices, login, options};

const HOUR: Duration = Duration::from_secs(3600);
const MINUTE: Duration = Duration::from_secs(60);

fn last_body(server: &TestServer) -> String {
    let request = server.recorded().pop().unwrap();
    String::from_utf8(request.expose_body().to_vec()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn row_login_is_json_with_the_application_in_a_header() {
    let server = fake::login().in_memory();
    login(&server).build().unwrap().token().await.unwrap();
    let request = server.recorded().pop().unwrap();
    assert_eq!(request.method(), "POST");
    assert_eq!(request.path(), "/api/auth/login");
    assert_eq!(request.expose_header("appid"), Some(server.client_id()));
    assert_eq!(
        last_body(&server),
        r#"{"email":"user+1@axonize.example.com","password":"fake-axonize-password\"&1=+"}"#
    );
}

#[tokio::test(start_paused = true)]
async fn row_login_with_the_application_as_an_url() {
    let server = fake::login().in_memory();
    let settings = login(&server).application_url(fake::APP_URL);
    let authenticator = settings.build().unwrap();
    assert_eq!(devices(&server, &authenticator).await.unwrap(), (200, 1));
    let request = server.recorded().swap_remove(0);
    assert_eq!(request.expose_header("appid"), None);
    assert_eq!(
        request.expose_parameter("url").unwrap(),
        "myapp.example.com/mysubapp"
    );
}

#[tokio::test(start_paused = true)]
async fn row_login_response_has_a_token_and_neither_expiry_nor_type() {
    let server = fake::login().in_memory();
    let authenticator = login(&server).build().unwrap();
    assert_eq!(devices(&server, &authenticator).await.unwrap(), (200, 1));
    assert_eq!(server.counters().tokens_issued, 1);
}

#[tokio::test(start_paused = true)]
async fn row_lifetime_is_ten_hours() {
    assert_eq!(Axonize::TOKEN_LIFETIME, 10 * HOUR);
    let server = fake::login().in_memory();
    let authenticator = login(&server).build().unwrap();
    // Renewed ahead of expiry after 7.5 to 8 hours, and never refused.
    for minute in 0..30 * 60 {
        assert_eq!(
            devices(&server, &authenticator).await.unwrap(),
            (200, 1),
            "{minute}"
        );
        server.clock().advance(MINUTE).await;
        if minute == 7 * 60 {
            assert_eq!(server.counters().token_requests, 1);
        }
    }
    let logins = server.counters().token_requests;
    assert!((4..=5).contains(&logins), "{logins} in 30 hours");
}

#[tokio::test(start_paused = true)]
async fn row_wrong_e_mail_or_password_is_401_and_stops_after_two_logins() {
    let server = fake::login().in_memory();
    let authenticator = login(&server).build().unwrap();
    server.change_user_password("fake-password-of-today");
    let mut last = None;
    for _ in 0..24 * 60 {
        last = devices(&server, &authenticator).await.err();
        server.clock().advance(MINUTE).await;
    }
    let error = last.unwrap();
    assert_eq!(error.kind(), ErrorKind::Rejected);
    assert!(
        error
            .to_string()
            .contains("correct them where they are kept"),
        "{error}"
    );
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert!(
        cause.contains("the e-mail address or the password is wrong"),
        "{cause}"
    );
    assert_eq!(server.counters().failed_logins, 2);
    assert_eq!(server.counters().api_requests, 0);
}

#[tokio::test(start_paused = true)]
async fn row_wrong_e_mail_or_password_is_retried_with_a_changed_password() {
    let server = fake::login().in_memory();
    let right = server.user_password();
    let current = Arc::new(Mutex::new("fake-wrong-password".to_owned()));
    let kept = Arc::clone(&current);
    let password = SecretFn::new(move || {
        let password = kept.lock().unwrap().clone();
        async move { Ok(Secret::new(password)) }
    });
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
    for _ in 0..60 {
        assert!(devices(&server, &authenticator).await.is_err());
        server.clock().advance(MINUTE).await;
    }
    *current.lock().unwrap() = right;
    for _ in 0..6 {
        if devices(&server, &authenticator).await.is_ok() {
            break;
        }
        server.clock().advance(MINUTE).await;
    }
    assert_eq!(devices(&server, &authenticator).await.unwrap(), (200, 1));
    assert_eq!(server.counters().failed_logins, 2);
}

#[tokio::test(start_paused = true)]
async fn row_signing_token_is_lower_case_bearer_and_the_application() {
    let server = fake::login().in_memory();
    let authenticator = login(&server).build().unwrap();
    devices(&server, &authenticator).await.unwrap();
    let request = server.recorded().pop().unwrap();
    let line = format!("bearer {}", server.expose_tokens()[0]);
    assert_eq!(request.expose_header("authorization"), Some(&*line));
    assert_eq!(request.expose_header("appid"), Some(server.client_id()));
}

#[tokio::test(start_paused = true)]
async fn row_signing_api_keys_are_two_headers_and_no_token() {
    let server = fake::api_keys().in_memory();
    let authenticator = api_keys(&server).build().unwrap();
    assert_eq!(devices(&server, &authenticator).await.unwrap(), (200, 1));
    let request = server.recorded().pop().unwrap();
    assert_eq!(request.expose_header("clientid"), Some(server.client_id()));
    assert_eq!(
        request.expose_header("clientsecret"),
        Some(&*server.client_secret())
    );
    assert_eq!(request.expose_header("authorization"), None);
    assert_eq!(server.counters().token_requests, 0);
}

#[tokio::test(start_paused = true)]
async fn row_rejected_token_is_replaced_once() {
    let server = fake::login().in_memory();
    let authenticator = login(&server).build().unwrap();
    devices(&server, &authenticator).await.unwrap();
    server.revoke_all();
    assert_eq!(devices(&server, &authenticator).await.unwrap(), (200, 2));
    assert_eq!(server.counters().token_requests, 2);
    server.always_refuse(true);
    assert_eq!(devices(&server, &authenticator).await.unwrap(), (401, 2));
}

#[tokio::test(start_paused = true)]
async fn row_rejected_api_keys_are_passed_on_and_stay_in_use() {
    let server = fake::api_keys().in_memory();
    let authenticator = api_keys(&server).build().unwrap();
    assert_eq!(devices(&server, &authenticator).await.unwrap(), (200, 1));
    server.always_refuse(true);
    for _ in 0..100 {
        assert_eq!(devices(&server, &authenticator).await.unwrap(), (401, 1));
        server.clock().advance(MINUTE).await;
    }
    server.always_refuse(false);
    assert_eq!(devices(&server, &authenticator).await.unwrap(), (200, 1));
}

#[tokio::test(start_paused = true)]
async fn row_rejected_api_keys_are_read_again_once() {
    let server = fake::api_keys().in_memory();
    let reads = Arc::new(Mutex::new(0));
    let counted = Arc::clone(&reads);
    let first = server.client_secret();
    let secret = SecretFn::new(move || {
        let mut reads = counted.lock().unwrap();
        *reads += 1;
        let secret = if *reads < 3 {
            first.clone()
        } else {
            "fake-new-key".to_owned()
        };
        async move { Ok(Secret::new(secret)) }
    });
    let authenticator = Axonize::api_keys(server.origin(), server.client_id(), secret)
        .options(options(&server))
        .build()
        .unwrap();
    assert_eq!(devices(&server, &authenticator).await.unwrap(), (200, 1));
    server.change_client_secret("fake-new-key");
    server.clock().advance(MINUTE).await;
    assert_eq!(
        devices(&server, &authenticator).await.unwrap(),
        (401, 1),
        "not replaced yet"
    );
    assert_eq!(*reads.lock().unwrap(), 2);
    server.clock().advance(MINUTE).await;
    assert_eq!(
        devices(&server, &authenticator).await.unwrap(),
        (200, 2),
        "the new key"
    );
    assert_eq!(devices(&server, &authenticator).await.unwrap(), (200, 1));
    assert_eq!(*reads.lock().unwrap(), 3);
}

#[tokio::test(start_paused = true)]
async fn row_api_base_is_the_customers() {
    let server = fake::login().name("customer").in_memory();
    let authenticator = login(&server).build().unwrap();
    let permits = |url: &str| authenticator.origins().permits(&url.parse().unwrap());
    assert!(permits("https://customer.test/odata/devices/"));
    assert!(!permits("https://api.axonize.com/odata/devices/"));
    assert!(!permits("https://other.customer.test/"));
}

/// The fakes answer 415 to other content types.
#[tokio::test(start_paused = true)]
async fn row_content_type_is_always_json() {
    let server = fake::login().in_memory();
    let authenticator = login(&server).build().unwrap();
    assert_eq!(devices(&server, &authenticator).await.unwrap(), (200, 1));
    // Without a token, with a cached token, and after a refusal.
    assert_eq!(devices(&server, &authenticator).await.unwrap(), (200, 1));
    server.revoke_all();
    assert_eq!(devices(&server, &authenticator).await.unwrap(), (200, 2));
    for request in server.recorded() {
        let sent = request.expose_header("content-type");
        assert_eq!(sent, Some("application/json"), "{}", request.path());
    }
    let server = fake::api_keys().in_memory();
    let authenticator = api_keys(&server).build().unwrap();
    assert_eq!(devices(&server, &authenticator).await.unwrap(), (200, 1));
}

#[tokio::test(start_paused = true)]
async fn row_content_type_of_a_request_is_kept() {
    let server = fake::login().in_memory();
    let authenticator = login(&server).build().unwrap();
    let token = authenticator.token().await.unwrap();
    let mut headers = http::HeaderMap::new();
    let own = "application/json; charset=utf-8";
    headers.insert("content-type", own.parse().unwrap());
    assert!(
        !authenticator.is_signed(&headers),
        "a content type is not a credential"
    );
    token.sign(&mut headers);
    assert_eq!(headers["content-type"], own);
    assert!(headers["authorization"].is_sensitive());
}

/// Logins by URL may be for different applications that share an id in the settings.
#[tokio::test(start_paused = true)]
async fn row_login_by_url_has_its_own_entry_in_the_store() {
    let server = fake::login().in_memory();
    let store = MemoryStore::new();
    let by = |url: Option<&str>| {
        let settings = login(&server).options(options(&server).store(store.clone()));
        match url {
            Some(url) => settings.application_url(url).build().unwrap(),
            None => settings.build().unwrap(),
        }
    };
    let url = fake::APP_URL;
    for authenticator in [by(None), by(Some(url)), by(None), by(Some(url))] {
        authenticator.token().await.unwrap();
    }
    assert_eq!(
        server.counters().token_requests,
        2,
        "one token request each"
    );
}

#[tokio::test(start_paused = true)]
async fn row_content_type_of_logins_is_json() {
    let server = fake::login().in_memory();
    login(&server).build().unwrap().token().await.unwrap();
    let request = server.recorded().pop().unwrap();
    assert_eq!(
        request.expose_header("content-type"),
        Some("application/json")
    );
}
