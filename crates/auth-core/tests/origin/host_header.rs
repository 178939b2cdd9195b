use auth_core::Origins;
use http::{HeaderMap, HeaderName, HeaderValue};

fn permits_with(uri: &str, hosts: &[&'static str]) -> bool {
    let origins = Origins::danger_allow_http([
        "https://api.example.com",
        "https://b.example:8443",
        "https://[2001:db8::1]",
        "http://payments:8080",
        "http://plain.example",
    ])
    .unwrap();
    let mut headers = HeaderMap::new();
    headers.insert("accept", HeaderValue::from_static("*/*"));
    for host in hosts {
        let name = HeaderName::from_static("host");
        headers.append(name, HeaderValue::from_bytes(host.as_bytes()).unwrap());
    }
    let uri = uri.parse().unwrap();
    let permitted = origins.permits_request(&uri, &headers);
    if origins.permits(&uri) {
        assert_eq!(permitted, !Origins::host_differs(&uri, &headers));
    }
    permitted
}

#[test]
fn g12_a_host_header_that_names_another_host_is_another_origin() {
    for (uri, host) in [
        ("https://api.example.com/", "api.example.com"),
        ("https://api.example.com/", "API.Example.com"),
        ("https://api.example.com/", "api.example.com:443"),
        ("https://api.example.com/", "api.example.com:"),
        ("https://api.example.com:443/", "api.example.com"),
        ("https://b.example:8443/", "b.example:8443"),
        ("https://[2001:db8::1]/", "[2001:DB8::1]:443"),
        ("http://payments:8080/", "payments:8080"),
        ("http://plain.example/", "plain.example:80"),
    ] {
        assert!(permits_with(uri, &[host]), "{uri} {host}");
        assert!(permits_with(uri, &[host, host]), "{uri} {host}");
        assert!(!permits_with(uri, &[host, "evil.example"]), "{uri} {host}");
        assert!(!permits_with(uri, &["evil.example", host]), "{uri} {host}");
    }
    for (uri, host) in [
        ("https://api.example.com/", "evil.example"),
        ("https://api.example.com/", ""),
        ("https://api.example.com/", " "),
        ("https://api.example.com/", "api.example.com."),
        ("https://api.example.com/", "api.example.com:80"),
        ("https://api.example.com/", "api.example.com:8443"),
        ("https://api.example.com/", "api.example.com:+443"),
        ("https://api.example.com/", "sub.api.example.com"),
        ("https://api.example.com/", "https://api.example.com"),
        ("https://api.example.com/", "user@api.example.com"),
        ("https://api.example.com/", "api.example.com, evil.example"),
        ("https://api.example.com/", "api.example.com evil.example"),
        ("https://api.example.com/", "api.example.com\u{e9}"),
        // Home as well, and yet not the host that was asked.
        ("https://api.example.com/", "b.example:8443"),
        ("https://b.example:8443/", "b.example"),
        ("https://b.example:8443/", "b.example:443"),
        ("https://[2001:db8::1]/", "2001:db8::1"),
        ("https://[2001:db8::1]/", "[2001:db8::1]evil.example"),
        ("http://payments:8080/", "payments"),
        ("http://plain.example/", "plain.example:443"),
    ] {
        assert!(!permits_with(uri, &[host]), "{uri} {host}");
    }
}

#[test]
fn a_host_header_does_not_open_another_destination() {
    assert!(!permits_with("https://evil.example/", &["api.example.com"]));
    assert!(!permits_with("/v1/things", &["api.example.com"]));
    assert!(permits_with("https://api.example.com/", &[]));
}
