//! Where a token may go: what `Origins` and `HttpHosts` permit, through their public interface
//! (G12).

#![allow(clippy::unwrap_used, reason = "a test fails by it")]

use auth_core::{ErrorKind, Origins};

mod differential;
mod host_header;
mod http;
mod remembered;
mod subdomains;

fn permits(origins: &Origins, uri: &str) -> bool {
    uri.parse().is_ok_and(|uri| origins.permits(&uri))
}

#[test]
fn an_origin_is_scheme_host_and_effective_port() {
    let origins =
        Origins::new(["https://api.example.com", "https://b.example:8443/ignored"]).unwrap();
    for valid in [
        "https://api.example.com",
        "https://api.example.com/a/b?c",
        "https://api.example.com:443/",
        "https://api.example.com:/",
        "https://api.example.com:00443/",
        "https://API.Example.COM/",
        "HTTPS://api.example.com/",
        "https://b.example:8443/x",
    ] {
        assert!(permits(&origins, valid), "{valid}");
    }
    for bad in [
        "http://api.example.com/",
        "https://api.example.com:444/",
        "https://api.example.com:+443/",
        "https://api.example.com:-443/",
        "https://api.example.com:65979/",
        "https://api.example.com:0443x/",
        "https://api.example.com./",
        "https://api.example.com.evil.example/",
        "https://evil.example/api.example.com",
        "https://sub.api.example.com/",
        "https://user@api.example.com/",
        "https://@api.example.com/",
        "https://api.example.com@evil.example/",
        "https://api.example.com:443@evil.example/",
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
fn an_ipv6_address_is_followed_by_a_port_and_by_nothing_else() {
    let origins = Origins::new(["https://[2001:db8::1]:8443", "https://[2001:DB8::2]"]).unwrap();
    for valid in [
        "https://[2001:db8::1]:8443/",
        "https://[2001:DB8::1]:8443/",
        "https://[2001:db8::2]/",
        "https://[2001:db8::2]:443/",
    ] {
        assert!(permits(&origins, valid), "{valid}");
    }
    for bad in [
        "https://[2001:db8::1]evil.com:8443/",
        "https://[2001:db8::1].evil.com:8443/",
        "https://[2001:db8::1]@evil.com:8443/",
        "https://[2001:db8::1]:+8443/",
        "https://[2001:db8::1]/",
        "https://[2001:db8::2]evil.com/",
        "https://[2001:db8::2]evil.com",
        // Another spelling of the address.
        "https://[2001:db8:0::1]:8443/",
    ] {
        assert!(!permits(&origins, bad), "{bad}");
    }
}

#[test]
fn an_error_names_the_wrong_setting() {
    for bad in [
        "",
        "api.example.com",
        "/x",
        "ftp://x",
        "https://u:p@x",
        "http://127.0.0.1",
        "https://",
        "https://:443",
        "https://x:y",
        "https://x:+1",
        "https://x:65536",
        "https://a..b",
        "https://.a",
        "https://[::1]x",
        "https://[::g]",
        "https://exa$mple",
        "https://b\u{fc}cher.example",
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

#[test]
fn a_wildcard_is_refused_with_advice() {
    for text in [
        "https://*.example.com",
        "https://*",
        "https://a*.example.com:8443",
    ] {
        for result in [
            Origins::new([text]),
            Origins::danger_allow_http([text]),
            Origins::default().subdomains_of(text),
        ] {
            let error = result.unwrap_err().to_string();
            assert!(
                error.contains(&format!("\"{text}\" contains a wildcard")),
                "{error}"
            );
            assert!(error.contains("list each origin"), "{error}");
            assert!(error.contains("subdomains_of"), "{error}");
        }
    }
}

#[test]
fn an_error_shows_neither_path_nor_query() {
    for text in [
        "http://api.example.com/fake-secret-1?key=fake-secret-1#fake-secret-1",
        "https://*.example.com/fake-secret-1?key=fake-secret-1",
        "https://fake-secret-1:fake-secret-1@api.example.com/",
        "https://fake-secret-1 /",
    ] {
        let error = Origins::new([text]).unwrap_err();
        assert!(
            !format!("{error} {error:?}").contains("fake-secret"),
            "{error}"
        );
    }
}

#[test]
fn clones_share_what_was_warned_about() {
    let origins = Origins::new(["https://api.example.com"]).unwrap();
    assert!(origins.is_first_warning("other origin", "evil.example"));
    assert!(
        !origins
            .clone()
            .is_first_warning("other origin", "evil.example")
    );
    assert!(origins.clone().is_first_warning("refused", "evil.example"));
    let other = Origins::new(["https://api.example.com"]).unwrap();
    assert!(other.is_first_warning("other origin", "evil.example"));
}
