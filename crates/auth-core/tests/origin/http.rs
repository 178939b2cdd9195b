use auth_core::{HttpHosts, Origins};

use crate::permits;

#[test]
fn http_is_for_the_hosts_that_are_named() {
    let origins = Origins::danger_allow_http([
        "http://payments:8080",
        "http://api.mesh.local",
        "http://localhost:3000",
        "http://127.0.0.1:80",
        "http://[::1]:9000",
        "http://my_service",
        "https://api.example.com",
    ])
    .unwrap();
    for valid in [
        "http://payments:8080/x",
        "http://PAYMENTS:8080/x",
        "http://api.mesh.local/",
        "http://api.mesh.local:80/",
        "http://localhost:3000/",
        "http://127.0.0.1/x",
        "http://[::1]:9000/x",
        "http://my_service/",
        "https://api.example.com/",
    ] {
        assert!(permits(&origins, valid), "{valid}");
    }
    for bad in [
        "http://payments/",
        "http://payments:8081/",
        "https://payments:8080/",
        "https://payments:8443/",
        "http://payments.evil.example:8080/",
        "http://other.mesh.local/",
        "http://localhost/",
        "http://127.0.0.2/x",
        "https://127.0.0.1/x",
        "ws://127.0.0.1/x",
        "http://api.example.com/",
        "http://api.example.com:443/",
    ] {
        assert!(!permits(&origins, bad), "{bad}");
    }
}

#[test]
fn the_error_says_what_to_write() {
    for (url, advice) in [
        (
            "http://payments:8080/v1",
            "Origins::danger_allow_http([\"http://payments:8080\"])",
        ),
        (
            "http://localhost:3000",
            "Origins::danger_allow_http([\"http://localhost:3000\"])",
        ),
        (
            "http://API.mesh.local:80/",
            "Origins::danger_allow_http([\"http://api.mesh.local\"])",
        ),
    ] {
        let error = Origins::new([url]).unwrap_err().to_string();
        assert!(error.contains(advice), "{error}");
        // What it says is what helps.
        let (_, origin) = advice.split_once("[\"").unwrap();
        let origin = origin.trim_end_matches("\"])");
        assert!(
            permits(&Origins::danger_allow_http([origin]).unwrap(), url),
            "{url}"
        );
    }
}

#[test]
fn an_endpoint_may_be_http_on_the_hosts_that_are_named() {
    let mut http = HttpHosts::default();
    let url = "http://payments:8080/oauth/token?tenant=1";
    let error = http.check("token_url", url).unwrap_err();
    assert_eq!(error.field(), Some("token_url"));
    let text = error.to_string();
    assert!(
        text.contains("danger_allow_http(\"http://payments:8080\")"),
        "{text}"
    );
    http.allow("http://payments:8080").unwrap();
    assert_eq!(http.check("token_url", url).unwrap(), url);
    for valid in ["https://login.example.com/token", "http://PAYMENTS:8080/"] {
        assert!(http.check("token_url", valid).is_ok(), "{valid}");
    }
    for bad in [
        "http://payments/oauth/token",
        "http://payments:8081/",
        "http://payments:8080@evil.example/",
        "http://user@payments:8080/",
        "ftp://payments:8080/",
        "/oauth/token",
        "http://payments:+8080/",
    ] {
        assert_eq!(
            http.check("token_url", bad).unwrap_err().field(),
            Some("token_url"),
            "{bad}"
        );
    }
}

#[test]
fn only_an_exact_http_origin_can_be_allowed() {
    for bad in [
        "https://payments",
        "payments:8080",
        "http://*.mesh.local",
        "http://u@x",
        "",
    ] {
        let error = HttpHosts::default().allow(bad).unwrap_err();
        assert_eq!(error.field(), Some("danger_allow_http"), "{bad}");
    }
}

#[test]
fn a_base_url_may_be_http_on_the_hosts_that_are_named() {
    for (named, url) in [
        ("http://payments:8080", "http://payments:8080/v1"),
        ("http://localhost:1", "http://localhost:1"),
        ("http://127.0.0.1", "http://127.0.0.1:80/x"),
        ("http://[::1]:1/ignored", "http://[::1]:1"),
    ] {
        let none = HttpHosts::default();
        let error = Origins::of_url("base_url", url, &none).unwrap_err();
        assert_eq!(error.field(), Some("base_url"), "{url}");
        let mut http = HttpHosts::default();
        http.allow(named).unwrap();
        let origins = Origins::of_url("base_url", url, &http).unwrap();
        assert!(permits(&origins, url), "{url}");
    }
    let mut http = HttpHosts::default();
    http.allow("http://127.0.0.1").unwrap();
    http.allow("http://localhost:1").unwrap();
    for url in [
        "http://10.0.0.1",
        "http://127.0.0.2",
        "http://127.0.0.1:1",
        "http://127.0.0.1.evil.example",
        "http://localhost",
        "http://localhost.evil.example:1",
        "http://127.0.0.1@evil.example",
    ] {
        let error = Origins::of_url("base_url", url, &http).unwrap_err();
        assert_eq!(error.field(), Some("base_url"), "{url}");
    }
}
