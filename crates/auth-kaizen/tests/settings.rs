//! Invalid settings: found before anything is sent. The error names the field and shows no value.

#![allow(clippy::unwrap_used, reason = "a test fails by it")]

use std::{error::Error as _, future::ready, time::Duration};

use auth_core::{AuthenticatorOptions, Error, ErrorKind, Secret, SecretFn};
use auth_kaizen::{Central, East, Kaizen, KaizenBuilder, LegacyEndpoint, Region, RegionName};
use auth_testkit::{Reply, TestServer, VirtualClock, assert_no_secret};

const SECRET: &str = "Zq7-fake-secret-1";
const PASSWORD: &str = "Wx3-fake-password";

struct Settings(TestServer);

impl Settings {
    fn new() -> Self {
        Self(TestServer::builder().in_memory())
    }

    fn good<R: Region>(&self) -> KaizenBuilder<R> {
        self.with("fake-client", SECRET)
    }

    fn with<R: Region>(&self, id: &str, secret: &str) -> KaizenBuilder<R> {
        Kaizen::builder(id, Secret::new(secret), self.0.transport())
    }

    #[track_caller]
    fn refuse<R: Region>(&self, settings: KaizenBuilder<R>, field: &str) -> Error {
        let error = settings.build().unwrap_err();
        assert_eq!(
            (error.kind(), error.field()),
            (ErrorKind::Config, Some(field)),
            "{error}"
        );
        assert_clean(&error);
        assert_eq!(self.0.counters().token_requests, 0);
        error
    }
}

#[track_caller]
fn assert_clean(error: &Error) {
    let source = error.source().map(|source| format!("{source} {source:?}"));
    assert_no_secret(format!("{error} {error:?} {source:?}"), &[SECRET, PASSWORD]);
}

#[test]
fn the_client_is_required() {
    let settings = Settings::new();
    settings.refuse(settings.with::<Central>("", SECRET), "client_id");
    settings.refuse(settings.with::<East>("fake-client", ""), "client_secret");
}

#[tokio::test(start_paused = true)]
async fn a_secret_that_is_read_as_empty_is_an_error() {
    let server = TestServer::builder().in_memory();
    let empty = SecretFn::new(|| ready(Ok(Secret::new(""))));
    let kaizen = Kaizen::<Central>::builder("fake-client", empty, server.transport())
        .build()
        .unwrap();
    let error = kaizen.authenticator().token().await.unwrap_err();
    assert_eq!(
        (error.kind(), error.field()),
        (ErrorKind::Config, Some("client_secret"))
    );
    assert!(error.to_string().starts_with("kaizen central: "), "{error}");
    assert_eq!(server.counters().token_requests, 0);
}

#[test]
fn urls_without_https_are_refused() {
    let settings = Settings::new();
    let bad = [
        String::new(),
        "gateway.test/token".to_owned(),
        "http://gateway.test/token".to_owned(),
        "http://127.0.0.1:1/token".to_owned(),
        "ftp://gateway.test/token".to_owned(),
        "https://".to_owned(),
        "https://gateway.test:port/".to_owned(),
        format!("https://user:{PASSWORD}@gateway.test/"),
    ];
    for url in &bad {
        settings.refuse(settings.good::<Central>().token_url(url), "token_url");
        settings.refuse(settings.good::<East>().base_url(url), "base_url");
    }
    for url in [
        format!("https://gateway.test/?client_secret={SECRET}"),
        format!("https://gateway.test/#{SECRET}"),
    ] {
        settings.refuse(settings.good::<East>().token_url(url), "token_url");
    }
}

#[test]
fn plain_http_is_for_the_listed_origins_only() {
    let settings = Settings::new();
    let named = || {
        let builder = settings.good::<Central>();
        let builder = builder.danger_allow_http("http://kaizen:8080").unwrap();
        builder.danger_allow_http("http://localhost:3000").unwrap()
    };
    let here = named().token_url("http://kaizen:8080/token");
    assert!(here.base_url("http://localhost:3000").build().is_ok());
    for url in [
        "http://localhost:1/",
        "http://kaizen/",
        "http://127.0.0.1:3000/",
    ] {
        settings.refuse(named().token_url(url), "token_url");
        settings.refuse(named().base_url(url), "base_url");
    }
}

#[test]
fn the_other_servers_hosts_are_refused() {
    let settings = Settings::new();
    for url in [
        "https://login-us-east-prod.coppertreeanalytics.com/oauth2/token",
        "https://kaizen-east.coppertreeanalytics.com",
        "https://KAIZEN-East.CopperTreeAnalytics.com/api/v3",
        "https://kaizen-east.coppertreeanalytics.com:443/",
        "https://kaizen-east.coppertreeanalytics.com:8443/",
        "https://kaizen-east.coppertreeanalytics.com./",
        "HTTPS://kaizen-east.coppertreeanalytics.com/",
    ] {
        let central = || settings.good::<Central>();
        let error = settings.refuse(central().token_url(url), "token_url");
        assert!(
            error.to_string().contains("is a host of kaizen east"),
            "{error}"
        );
        settings.refuse(central().base_url(url), "base_url");
        assert!(settings.good::<East>().base_url(url).build().is_ok());
    }
    for url in [
        "https://login-ca-central-prod.coppertreeanalytics.com/oauth2/token",
        "https://kaizen.coppertreeanalytics.com",
        "https://kaizen.coppertreeanalytics.com/oauth/token",
        "https://login-global.coppertreeanalytics.com/oauth/token",
        "https://Kaizen.CopperTreeAnalytics.COM",
        "https://kaizen.coppertreeanalytics.com.:443",
    ] {
        let east = || settings.good::<East>();
        let error = settings.refuse(east().token_url(url), "token_url");
        assert!(
            error.to_string().contains("is a host of kaizen central"),
            "{error}"
        );
        settings.refuse(east().base_url(url), "base_url");
        assert!(settings.good::<Central>().base_url(url).build().is_ok());
    }
    // Spellings that some HTTP clients understand are refused here.
    for url in [
        "https://kaizen%2Deast.coppertreeanalytics.com/",
        "https://kaizen-east.coppertreeanalytics.com\u{3002}/",
        "https:\\\\kaizen-east.coppertreeanalytics.com/",
        "https://user@kaizen-east.coppertreeanalytics.com/",
    ] {
        settings.refuse(settings.good::<Central>().token_url(url), "token_url");
        settings.refuse(settings.good::<Central>().base_url(url), "base_url");
    }
}

#[test]
fn a_legacy_endpoint_and_a_token_url_exclude_each_other() {
    let settings = Settings::new();
    let url = "https://gateway.test/token";
    for endpoint in [LegacyEndpoint::ApiHost, LegacyEndpoint::LoginGlobal] {
        let good = || settings.good::<Central>();
        settings.refuse(good().legacy(endpoint).token_url(url), "legacy");
        settings.refuse(good().token_url(url).legacy(endpoint), "legacy");
        assert!(good().legacy(endpoint).build().is_ok());
    }
}

#[tokio::test(start_paused = true)]
async fn the_source_uses_the_configured_clock() {
    // A minute after the clock's start.
    let settings = Settings::new();
    let busy = Reply::status(503).header("retry-after", "Tue, 01 Jan 2030 00:01:00 GMT");
    settings.0.token().then(busy);
    let kaizen = settings
        .good::<Central>()
        .token_url(settings.0.token_url())
        .options(AuthenticatorOptions::new().clock(VirtualClock::new()))
        .build()
        .unwrap();
    let error = kaizen.authenticator().token().await.unwrap_err();
    assert_eq!(error.retry_after(), Some(Duration::from_secs(60)));
}

#[test]
fn a_region_is_read_in_upper_and_lower_case() {
    for (text, region) in [
        ("central", RegionName::Central),
        ("Central", RegionName::Central),
        ("CENTRAL", RegionName::Central),
        ("east", RegionName::East),
        ("East", RegionName::East),
        ("eAST", RegionName::East),
    ] {
        assert_eq!(text.parse::<RegionName>().unwrap(), region);
        assert_eq!(region.to_string(), text.to_lowercase());
    }
    assert_eq!(Central::NAME, RegionName::Central);
    assert_eq!(East::NAME, RegionName::East);
}

#[test]
fn an_unknown_region_is_an_error_that_lists_the_allowed_ones() {
    for text in ["", "west", "eastern", " east", "centra", "us-east", SECRET] {
        let error = text.parse::<RegionName>().unwrap_err();
        assert_eq!(
            (error.kind(), error.field()),
            (ErrorKind::Config, Some("region"))
        );
        assert_clean(&error);
        let told = error.to_string();
        assert_eq!(told, "setting `region`: must be `central` or `east`");
    }
}

#[test]
fn debug_shows_no_secret() {
    let settings = Settings::new();
    let url = format!("https://gateway.test/?tenant={PASSWORD}");
    let builder = settings.good::<East>().token_url(url);
    let text = format!("{builder:?} {builder:#?}");
    assert!(text.contains("East"), "{text}");
    assert_no_secret(text, &[SECRET, PASSWORD]);
    let kaizen = builder.build().unwrap();
    let text = format!("{kaizen:?} {kaizen:#?}");
    assert!(text.contains("kaizen east"), "{text}");
    assert_no_secret(text, &[SECRET, PASSWORD]);
}
