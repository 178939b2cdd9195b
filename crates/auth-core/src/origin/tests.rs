use super::*;

fn check(origins: &Origins, uri: &str) -> Destination {
    origins.check_request(&uri.parse().unwrap(), &HeaderMap::new())
}

/// Requests to the API and to another host alternate: each must cost a comparison only.
#[test]
fn a_request_to_the_first_origin_does_not_displace_the_remembered_destination() {
    for (own, other) in [
        ("https://api.example.com", "https://elsewhere.example/v1"),
        ("https://api.example.com", "http://elsewhere.example/v1"),
        ("http://payments:8080", "https://elsewhere.example/v1"),
        ("http://payments:8080", "http://elsewhere.example/v1"),
    ] {
        let origins = Origins::danger_allow_http([own]).unwrap();
        origins.remember_other(&other.parse().unwrap(), "other_origin", "elsewhere.example");
        let first = check(&origins, other);
        assert!(
            matches!(first, Destination::SameOtherOrigin(_)),
            "{own} {other}"
        );
        assert_eq!(check(&origins, own), Destination::Permitted);
        assert_eq!(check(&origins, other), first, "{own} {other}");
    }
}

#[test]
fn a_request_without_host_header_names_no_other_host() {
    let mut headers = HeaderMap::new();
    for uri in ["https://api.example.com/v1", "/v1"] {
        assert!(!Origins::host_differs(&uri.parse().unwrap(), &headers));
    }
    headers.insert(HOST, HeaderValue::from_static("api.example.com"));
    // Without an authority, nothing agrees with the header.
    assert!(Origins::host_differs(&"/v1".parse().unwrap(), &headers));
}

#[test]
fn the_description_names_each_origin_and_each_suffix() {
    let origins = Origins::new(["https://API.example.com/v1", "https://b.example:8443"])
        .and_then(|origins| origins.subdomains_of("https://my.example.com"))
        .and_then(|origins| origins.subdomains_of("https://eu.example.com:8443"));
    assert_eq!(
        origins.unwrap().describe(),
        "api.example.com, b.example:8443, (label).my.example.com, (label).eu.example.com:8443"
    );
}
