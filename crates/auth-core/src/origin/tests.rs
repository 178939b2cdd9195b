use super::*;
use crate::ErrorKind;

fn permits(origins: &Origins, uri: &str) -> bool {
    origins.permits(&uri.parse().unwrap())
}

#[test]
fn an_origin_is_scheme_host_and_effective_port() {
    let origins =
        Origins::new(["https://api.example.com", "https://b.example:8443/ignored"]).unwrap();
    for good in [
        "https://api.example.com",
        "https://api.example.com/a/b?c",
        "https://api.example.com:443/",
        "https://API.Example.COM/",
        "https://b.example:8443/x",
    ] {
        assert!(permits(&origins, good), "{good}");
    }
    for bad in [
        "http://api.example.com/",
        "https://api.example.com:444/",
        "https://api.example.com.evil.example/",
        "https://evil.example/api.example.com",
        "https://sub.api.example.com/",
        "https://user@api.example.com/",
        "https://api.example.com@evil.example/",
        "https://b.example/",
        "wss://api.example.com/",
        "/relative",
        "api.example.com:443",
        "*",
    ] {
        assert!(!permits(&origins, bad), "{bad}");
    }
}

#[test]
fn http_is_for_loopback_numbers_on_request() {
    let origins =
        Origins::danger_allow_http_loopback(["http://127.0.0.1:80", "http://[::1]:9000"]).unwrap();
    assert!(permits(&origins, "http://127.0.0.1/x"));
    assert!(permits(&origins, "http://[::1]:9000/x"));
    assert!(!permits(&origins, "https://127.0.0.1/x"));
    assert!(!permits(&origins, "http://127.0.0.1:81/x"));
    assert!(!permits(&origins, "ws://127.0.0.1/x"));
    for bad in [
        "http://localhost:80",
        "http://10.0.0.1",
        "http://127.0.0.1.evil.example",
    ] {
        let error = Origins::danger_allow_http_loopback([bad]).unwrap_err();
        assert_eq!(error.field(), Some("origins"), "{bad}");
    }
}

#[test]
fn wrong_settings_are_named() {
    for bad in [
        "",
        "api.example.com",
        "/x",
        "ftp://x",
        "https://u:p@x",
        "http://127.0.0.1",
        "https://",
    ] {
        let error = Origins::new([bad]).unwrap_err();
        assert_eq!(
            (error.kind(), error.field()),
            (ErrorKind::Config, Some("origins")),
            "{bad}"
        );
        assert!(!error.to_string().contains("u:p"), "{error}");
    }
    assert!(Origins::new::<&str>([]).is_err());
}
