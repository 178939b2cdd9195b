//! A test for each documented fact, against both of the vendor's servers in memory.

#![allow(clippy::unwrap_used, reason = "a test fails by it")]

#[path = "support/vendor.rs"]
mod vendor;

use std::time::Duration;

use auth_core::{
    Authenticator, AuthenticatorOptions, ErrorKind, MemoryStore, RefreshPolicy, Secret,
};
use auth_kaizen::{Central, East, Kaizen, LegacyEndpoint, Region, RegionName};
use auth_testkit::{Reply, TestServer, VirtualClock, assert_no_secret};
use http::{HeaderMap, Uri};

use crate::vendor::{DAY, Vendor, buildings_url, client_id, client_secret};

const SECOND: Duration = Duration::from_secs(1);

// --- token endpoints ---

#[tokio::test(start_paused = true)]
async fn row_token_endpoints_each_server_has_its_own() {
    let vendor = Vendor::new();
    let central = vendor.settings::<Central>().build().unwrap();
    let east = vendor.settings::<East>().build().unwrap();
    central.authenticator().token().await.unwrap();
    east.authenticator().token().await.unwrap();
    let urls: Vec<_> = vendor.sent().iter().map(|sent| sent.expose_url()).collect();
    assert_eq!(
        urls,
        [
            "https://login-ca-central-prod.coppertreeanalytics.com/oauth2/token",
            "https://login-us-east-prod.coppertreeanalytics.com/oauth2/token",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn row_token_endpoints_from_before_2023_are_used_if_set() {
    for (endpoint, url) in [
        (
            LegacyEndpoint::ApiHost,
            "https://kaizen.coppertreeanalytics.com/oauth/token",
        ),
        (
            LegacyEndpoint::LoginGlobal,
            "https://login-global.coppertreeanalytics.com/oauth/token",
        ),
    ] {
        let vendor = Vendor::new();
        let settings = vendor.settings::<Central>().legacy(endpoint);
        let kaizen = settings.build().unwrap();
        assert_eq!(vendor.buildings(&kaizen).await, 200);
        assert_eq!(vendor.sent()[0].expose_url(), url);
    }
}

#[tokio::test(start_paused = true)]
async fn row_token_endpoint_can_be_changed() {
    let gateway = TestServer::builder()
        .client(client_id(RegionName::East), "fake-secret-1")
        .two_origins()
        .in_memory();
    let secret = Secret::new("fake-secret-1");
    let kaizen = Kaizen::<East>::builder(client_id(RegionName::East), secret, gateway.transport())
        .options(AuthenticatorOptions::new().clock(gateway.clock().clone()))
        .token_url(gateway.token_url())
        .base_url(gateway.api_url())
        .build()
        .unwrap();
    kaizen.authenticator().token().await.unwrap();
    assert_eq!(gateway.counters().tokens_issued, 1);
    let permits = |url: &str| {
        let url: Uri = url.parse().unwrap();
        kaizen.authenticator().origins().permits(&url)
    };
    assert!(permits(&gateway.api_url()));
    assert!(!permits(&buildings_url::<East>()));
    assert!(!permits(&gateway.token_url()));
}

// --- API origins ---

#[tokio::test(start_paused = true)]
async fn row_api_origins_each_server_has_its_own() {
    let vendor = Vendor::new();
    assert_eq!(Central::BASE_URL, "https://kaizen.coppertreeanalytics.com");
    assert_eq!(
        East::BASE_URL,
        "https://kaizen-east.coppertreeanalytics.com"
    );
    let central = vendor.settings::<Central>().build().unwrap();
    let east = vendor.settings::<East>().build().unwrap();
    assert_eq!(vendor.buildings(&central).await, 200);
    assert_eq!(vendor.buildings(&east).await, 200);
    let urls: Vec<_> = vendor.sent().iter().map(|sent| sent.expose_url()).collect();
    assert_eq!(
        urls[1],
        "https://kaizen.coppertreeanalytics.com/api/v3/buildings?page_size=100&page=1"
    );
    assert_eq!(
        urls[3],
        "https://kaizen-east.coppertreeanalytics.com/api/v3/buildings?page_size=100&page=1"
    );
}

#[tokio::test(start_paused = true)]
async fn row_only_the_api_origins_are_signed() {
    let kaizen = Vendor::new().settings::<Central>().build().unwrap();
    for url in [
        "https://login-ca-central-prod.coppertreeanalytics.com/oauth2/token",
        "https://login-global.coppertreeanalytics.com/",
        "https://kaizen-east.coppertreeanalytics.com/",
        "https://www.coppertreeanalytics.com/",
        "https://coppertreeanalytics.com/",
        "https://kaizen.coppertreeanalytics.com.example/",
        "https://kaizen.coppertreeanalytics.com:8443/",
        "http://kaizen.coppertreeanalytics.com/",
        "https://api.kayzen.io/",
    ] {
        let uri = Uri::from_static(url);
        assert!(!kaizen.authenticator().origins().permits(&uri), "{url}");
    }
}

// --- grant ---

#[tokio::test(start_paused = true)]
async fn row_grant_is_client_credentials_in_a_form() {
    let vendor = Vendor::new();
    let kaizen = vendor.settings::<Central>().build().unwrap();
    kaizen.authenticator().token().await.unwrap();
    let sent = &vendor.sent()[0];
    assert_eq!(
        sent.expose_body(),
        "grant_type=client_credentials&client_id=fake-client-central\
         &client_secret=fake-secret%2F1%2Bcentral",
    );
    let form = Some("application/x-www-form-urlencoded");
    assert_eq!(sent.expose_header("content-type"), form);
    assert_eq!(sent.expose_header("authorization"), None);
}

#[tokio::test(start_paused = true)]
async fn row_grant_audience_is_sent_to_legacy_endpoints_only() {
    let audience = async |vendor: &Vendor, kaizen: Kaizen<Central>| {
        kaizen.authenticator().token().await.unwrap();
        let server = vendor.of::<Central>();
        server.recorded()[0].expose_parameter("audience")
    };
    for endpoint in [LegacyEndpoint::ApiHost, LegacyEndpoint::LoginGlobal] {
        let vendor = Vendor::new();
        let settings = vendor.settings().legacy(endpoint);
        let sent = audience(&vendor, settings.build().unwrap()).await;
        assert_eq!(sent.as_deref(), Some("organize"));
    }
    let vendor = Vendor::new();
    let current = vendor.settings().build().unwrap();
    assert_eq!(audience(&vendor, current).await, None);
    // The same URL, but set without `legacy`.
    let vendor = Vendor::new();
    let url = LegacyEndpoint::LoginGlobal.url();
    let by_url = vendor.settings().token_url(url).build().unwrap();
    assert_eq!(audience(&vendor, by_url).await, None);
}

// --- response ---

const JWT: &str = "fakeHeader.fakePayload.fake_signature-1";

#[tokio::test(start_paused = true)]
async fn row_response_is_a_jwt_that_is_sent_as_bearer() {
    let vendor = Vendor::new();
    let reply = format!(
        r#"{{"access_token":"{JWT}","scope":"read:buildings read:insights","expires_in":2592000,"token_type":"Bearer"}}"#
    );
    let server = vendor.of::<East>();
    server.token().then(Reply::status(200).json(reply));
    let kaizen = vendor.settings::<East>().build().unwrap();
    let token = kaizen.authenticator().token().await.unwrap();
    let mut headers = HeaderMap::new();
    token.sign(&mut headers);
    assert_eq!(headers.len(), 1);
    assert_eq!(headers["authorization"], format!("Bearer {JWT}"));
}

#[tokio::test(start_paused = true)]
async fn row_response_scope_is_readable() {
    let vendor = Vendor::new();
    let reply = format!(
        r#"{{"access_token":"{JWT}","scope":"read:buildings\n read:insights","expires_in":2592000,"token_type":"Bearer"}}"#
    );
    let server = vendor.of::<East>();
    server.token().then(Reply::status(200).json(reply));
    let kaizen = vendor.settings::<East>().build().unwrap();
    assert_eq!(kaizen.granted_scope(), None, "no token yet");
    let clone = kaizen.clone();
    kaizen.authenticator().token().await.unwrap();
    let granted = clone.granted_scope().unwrap();
    assert_eq!(&*granted, "read:buildings read:insights");
}

#[tokio::test(start_paused = true)]
async fn row_response_scope_is_readable_by_every_process_that_shares_a_store() {
    let vendor = Vendor::new();
    let scope = Reply::normal().with("scope", r#""read:buildings read:insights""#);
    vendor.of::<East>().token().then(scope);
    let store = MemoryStore::new();
    let process = || {
        let options = AuthenticatorOptions::new()
            .store(store.clone())
            .clock(VirtualClock::new());
        vendor.settings::<East>().options(options).build().unwrap()
    };
    let first = process();
    first.authenticator().token().await.unwrap();
    let later = process();
    assert_eq!(later.granted_scope(), None, "it has no token yet");
    let token = later.authenticator().token().await.unwrap();
    let granted = Some("read:buildings read:insights");
    assert_eq!(token.granted_scope(), granted);
    for kaizen in [first, later] {
        assert_eq!(kaizen.granted_scope().as_deref(), granted);
    }
    assert_eq!(vendor.of::<East>().counters().token_requests, 1);
}

#[tokio::test(start_paused = true)]
async fn row_response_without_a_token_is_an_error_that_names_the_server() {
    async fn failure<R: Region>(reply: Reply) -> (ErrorKind, String) {
        let vendor = Vendor::new();
        vendor.of::<R>().token().then(reply);
        let kaizen = vendor.settings::<R>().build().unwrap();
        let error = kaizen.authenticator().token().await.unwrap_err();
        let secret = client_secret(R::NAME);
        assert_no_secret(format!("{error} {error:?}"), &[secret.as_str(), JWT]);
        (error.kind(), error.to_string())
    }
    for (reply, kind) in [
        (Reply::normal().without("access_token"), ErrorKind::Protocol),
        (Reply::normal().without("token_type"), ErrorKind::Protocol),
        (
            Reply::normal().with("token_type", r#""mac""#),
            ErrorKind::Protocol,
        ),
        (
            Reply::normal().expires_in(r#""30 days""#),
            ErrorKind::Protocol,
        ),
        (Reply::html(), ErrorKind::Protocol),
        (
            Reply::oauth_error(401, "invalid_client"),
            ErrorKind::Rejected,
        ),
        (
            Reply::redirect(302, East::TOKEN_URL),
            ErrorKind::Unavailable,
        ),
        (Reply::status(429), ErrorKind::Throttled),
        (Reply::status(503), ErrorKind::Unavailable),
        (Reply::cut(), ErrorKind::Unavailable),
    ] {
        let (found, text) = failure::<Central>(reply.clone()).await;
        assert_eq!(found, kind, "{text}");
        assert!(text.starts_with("kaizen central: "), "{text}");
        let (_, text) = failure::<East>(reply).await;
        assert!(text.starts_with("kaizen east: "), "{text}");
    }
}

// --- lifetime ---

#[tokio::test(start_paused = true)]
async fn row_lifetime_of_30_days_costs_two_token_requests_in_31() {
    let vendor = Vendor::new();
    let kaizen = vendor.settings::<Central>().build().unwrap();
    let server = vendor.of::<Central>();
    for hour in 0..=31 * 24 {
        assert_eq!(vendor.buildings(&kaizen).await, 200, "hour {hour}");
        // Renewed at 0.8 of the lifetime, and up to a twentieth of it earlier.
        let expected = match hour {
            0..540 => 1..=1,
            540..=577 => 1..=2,
            _ => 2..=2,
        };
        let asked = server.counters().token_requests;
        assert!(expected.contains(&asked), "{asked} by hour {hour}");
        elapse(Duration::from_secs(3600)).await;
    }
    assert_eq!(server.counters().api_requests, 745);
}

#[tokio::test(start_paused = true)]
async fn row_lifetime_is_used_until_the_policys_time() {
    let vendor = Vendor::new();
    let policy = RefreshPolicy::default()
        .refresh_at(0.99)
        .unwrap()
        .jitter(0.0)
        .unwrap();
    let settings = vendor.settings::<East>();
    let kaizen = settings
        .options(vendor.options().policy(policy))
        .build()
        .unwrap();
    let server = vendor.of::<East>();
    assert_eq!(vendor.buildings(&kaizen).await, 200);
    // Later than 24.8 days, the limit of a signed 32-bit count of milliseconds.
    elapse(30 * DAY * 99 / 100 - SECOND).await;
    assert_eq!(vendor.buildings(&kaizen).await, 200);
    assert_eq!(server.counters().token_requests, 1);
    elapse(2 * SECOND).await;
    assert_eq!(vendor.buildings(&kaizen).await, 200);
    assert_eq!(server.token_uses()[0].accepted, 3, "still the first token");
    elapse(SECOND).await;
    assert_eq!(server.counters().token_requests, 2);
}

#[tokio::test(start_paused = true)]
async fn row_lifetime_end_is_respected() {
    let vendor = Vendor::new();
    let kaizen = vendor.settings::<Central>().build().unwrap();
    let server = vendor.of::<Central>();
    let accepted = || -> Vec<_> {
        let uses = server.token_uses();
        uses.iter().map(|token| token.accepted).collect()
    };
    assert_eq!(vendor.buildings(&kaizen).await, 200);
    // No request came for a month, so the token was not renewed. One minute before its end, it is
    // still sent.
    elapse(30 * DAY - 61 * SECOND).await;
    assert_eq!(vendor.buildings(&kaizen).await, 200);
    elapse(SECOND).await;
    assert_eq!(accepted(), [2, 0]);
    // The second token has expired now.
    elapse(30 * DAY).await;
    assert_eq!(vendor.buildings(&kaizen).await, 200);
    assert_eq!(accepted(), [2, 0, 1]);
    assert_eq!(server.counters().api_status(401), 0);
}

#[tokio::test(start_paused = true)]
async fn row_lifetime_longer_than_32_bits_of_milliseconds() {
    for lifetime in [
        30 * DAY,
        Duration::from_millis(i32::MAX as u64 + 1),
        Duration::from_millis(u64::from(u32::MAX) + 1),
        Duration::from_millis(2 * (u64::from(u32::MAX) + 1)),
    ] {
        let seconds = Duration::from_secs(lifetime.as_millis().div_ceil(1000) as u64);
        let vendor = Vendor::new();
        let server = vendor.of::<Central>();
        server.token().always(Reply::normal().lifetime(seconds));
        let kaizen = vendor.settings::<Central>().build().unwrap();
        let authenticator = kaizen.authenticator();
        let requests = async || {
            authenticator.token().await.unwrap();
            elapse(SECOND).await;
            server.counters().token_requests
        };
        assert_eq!(requests().await, 1);
        elapse(seconds * 74 / 100).await;
        assert_eq!(requests().await, 1, "early: {seconds:?}");
        elapse(seconds * 6 / 100).await;
        assert!(authenticator.try_token().is_some(), "{seconds:?}");
        assert_eq!(requests().await, 2, "late: {seconds:?}");
        // The second token is used until one minute before its end, which was one second ago.
        elapse(seconds - 62 * SECOND).await;
        assert!(authenticator.try_token().is_some(), "short: {seconds:?}");
        elapse(SECOND).await;
        assert!(authenticator.try_token().is_none(), "long: {seconds:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn row_lifetime_of_absurd_length_is_capped() {
    for text in [
        "34560000",
        "18446744073709551615",
        "99999999999999999999999999",
        "1e400",
        r#""18446744073709551616""#,
    ] {
        let vendor = Vendor::new();
        let server = vendor.of::<East>();
        server.token().always(Reply::normal().expires_in(text));
        let kaizen = vendor.settings::<East>().build().unwrap();
        let authenticator = kaizen.authenticator();
        let requests = async || {
            authenticator.token().await.unwrap();
            elapse(SECOND).await;
            server.counters().token_requests
        };
        // A lifetime of 400 days is accepted.
        assert_eq!(requests().await, 1, "{text}");
        elapse(299 * DAY).await;
        assert_eq!(requests().await, 1, "early: {text}");
        elapse(22 * DAY).await;
        assert_eq!(requests().await, 2, "late: {text}");
        // The second token is used until one minute before its end, which was one second ago.
        elapse(400 * DAY - 62 * SECOND).await;
        assert!(authenticator.try_token().is_some(), "short: {text}");
        elapse(SECOND).await;
        assert!(authenticator.try_token().is_none(), "endless: {text}");
    }
}

// --- tenancy ---

#[tokio::test(start_paused = true)]
async fn row_tenancy_a_token_never_goes_to_the_other_server() {
    never_leaves::<Central, East>().await;
    never_leaves::<East, Central>().await;
}

async fn never_leaves<R: Region, Other: Region>() {
    let vendor = Vendor::new();
    let kaizen = vendor.settings::<R>().build().unwrap();
    let other = vendor.of::<Other>();
    // Without a cached token: no token is requested for the other server's URL.
    assert_eq!(vendor.get(&kaizen, &buildings_url::<Other>()).await, 401);
    assert_eq!(vendor.of::<R>().counters().token_requests, 0);
    // With a cached token: a refusal of the other server does not change the token.
    assert_eq!(vendor.buildings(&kaizen).await, 200);
    for url in [buildings_url::<Other>(), Other::TOKEN_URL.to_owned()] {
        assert_ne!(vendor.get(&kaizen, &url).await, 200);
    }
    assert_eq!(vendor.buildings(&kaizen).await, 200);
    assert_eq!(vendor.of::<R>().counters().token_requests, 1);

    let token = vendor.of::<R>().expose_tokens().remove(0);
    let secrets = [token, client_secret(R::NAME), client_id(R::NAME)];
    let sent = vendor.sent();
    let strays: Vec<_> = sent
        .iter()
        .filter(|sent| {
            !sent.expose_url().starts_with(R::BASE_URL) && sent.expose_url() != R::TOKEN_URL
        })
        .collect();
    assert_eq!(strays.len(), 3);
    for stray in strays {
        assert_eq!(stray.expose_header("authorization"), None);
        assert_no_secret(stray.expose_text(), &secrets);
    }
    assert_eq!(other.recorded().len(), 3);
    assert_eq!(other.counters().tokens_issued, 0);
}

#[tokio::test(start_paused = true)]
async fn row_tenancy_both_servers_serve_one_program() {
    let vendor = Vendor::new();
    let central = vendor.settings::<Central>().build().unwrap();
    let east = vendor.settings::<East>().build().unwrap();
    for _ in 0..3 {
        assert_eq!(vendor.buildings(&central).await, 200);
        assert_eq!(vendor.buildings(&east).await, 200);
    }
    for server in [vendor.of::<Central>(), vendor.of::<East>()] {
        let seen = server.counters();
        assert_eq!((seen.token_requests, seen.api_status(200)), (1, 3));
    }
    let tokens = |server: &TestServer| server.expose_tokens();
    assert_ne!(
        tokens(vendor.of::<Central>()),
        tokens(vendor.of::<East>()),
        "the servers must differ in their secrets"
    );
}

#[tokio::test(start_paused = true)]
async fn row_tenancy_credentials_belong_to_one_server() {
    let vendor = Vendor::new();
    let secret = Secret::new(client_secret(RegionName::East));
    let mixed_up = Kaizen::<Central>::builder(client_id(RegionName::East), secret, vendor.urls())
        .build()
        .unwrap();
    let error = mixed_up.authenticator().token().await.unwrap_err();
    assert_eq!(
        (error.kind(), error.code()),
        (ErrorKind::Rejected, Some("invalid_client"))
    );
    let told = "kaizen central: token endpoint answered 401 with `invalid_client`";
    assert!(error.to_string().starts_with(told), "{error}");
}

#[tokio::test(start_paused = true)]
async fn row_tenancy_clones_and_conversions_stay_on_their_server() {
    let vendor = Vendor::new();
    let kaizen = vendor.settings::<East>().build().unwrap();
    assert_eq!(vendor.buildings(&kaizen.clone()).await, 200);
    let authenticator = Authenticator::from(kaizen);
    assert!(authenticator.try_token().is_some(), "clones share a token");
    assert_eq!(authenticator.vendor(), "kaizen east");
    let elsewhere: Uri = buildings_url::<Central>().parse().unwrap();
    assert!(!authenticator.origins().permits(&elsewhere));
}

/// Advances the virtual time, and runs the tasks that become due.
async fn elapse(duration: Duration) {
    tokio::time::sleep(duration).await;
}
