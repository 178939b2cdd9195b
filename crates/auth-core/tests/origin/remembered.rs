//! What a thread remembers of its last destination changes no decision.

use auth_core::{Destination, Origins};
use http::{HeaderMap, HeaderValue, Uri, header::HOST};
use proptest::prelude::*;

const LISTS: [&[&str]; 3] = [
    &["https://api.example.com", "https://cdn.example.com"],
    &["https://api.example.com", "http://cdn.example.com"],
    &["https://b.example:8443"],
];

fn lists() -> [Origins; 4] {
    let [first, second, third] =
        LISTS.map(|list| Origins::danger_allow_http(list).expect("valid origins"));
    let below = third.clone().subdomains_of("https://cdn.example.com");
    [first, second, third, below.expect("a valid suffix")]
}

fn check(origins: &Origins, uri: &str) -> Destination {
    origins.check_request(&uri.parse().unwrap(), &HeaderMap::new())
}

fn remember(origins: &Origins, uri: &str) {
    let uri: Uri = uri.parse().unwrap();
    origins.remember_other(&uri, "other_origin", "a host");
}

#[test]
fn the_next_request_to_the_same_other_origin_is_recognized() {
    let [first, _, third, below] = lists();
    let other = "https://elsewhere.example:8443/v1";
    assert_eq!(check(&first, other), Destination::OtherOrigin);
    assert_eq!(check(&first, other), Destination::OtherOrigin);
    remember(&first, other);
    let same = check(&first, "https://elsewhere.example:8443/another?path");
    assert!(matches!(same, Destination::SameOtherOrigin(_)), "{same:?}");
    // A clone has the same list.
    assert_eq!(check(&first.clone(), other), same);
    assert_eq!(check(&third, other), Destination::OtherOrigin);
    for near in [
        "http://elsewhere.example:8443/",
        "https://elsewhere.example:844/",
        "https://elsewhere.example:84433/",
        "https://elsewhere.example/",
        "https://elsewhere.examplf:8443/",
        "https://Elsewhere.example:8443/",
        "https://u@elsewhere.example:8443/",
    ] {
        assert_eq!(check(&first, near), Destination::OtherOrigin, "{near}");
    }
    assert_eq!(check(&first, other), same);

    remember(&third, "https://a.cdn.example.com/");
    assert_eq!(
        check(&below, "https://a.cdn.example.com/"),
        Destination::Permitted
    );
}

#[test]
fn g18_user_information_and_long_hosts_are_not_remembered() {
    let [first, ..] = lists();
    let long = format!("https://{}.example/", "a".repeat(60));
    for uri in [
        "https://fake-user:fake-secret-1@elsewhere.example/",
        &long,
        "ftp://elsewhere.example/",
        "/v1/things",
    ] {
        remember(&first, uri);
        assert_eq!(check(&first, uri), Destination::OtherOrigin, "{uri}");
    }
}

#[test]
fn another_thread_decides_for_itself() {
    let [first, ..] = lists();
    let other = "https://elsewhere.example/";
    remember(&first, other);
    let theirs = std::thread::scope(|scope| {
        let there = scope.spawn(|| check(&first, other));
        there.join().unwrap()
    });
    assert_eq!(theirs, Destination::OtherOrigin);
}

fn address() -> impl Strategy<Value = String> {
    const SCHEMES: [&str; 3] = ["https", "http", "ftp"];
    const HOSTS: [&str; 11] = [
        "api.example.com",
        "cdn.example.com",
        "CDN.example.com",
        "cdn.example.com.",
        "cdn.example.con",
        "dn.example.com",
        "a.cdn.example.com",
        "b.example",
        "u@cdn.example.com",
        "a-host-with-a-name-that-is-much-longer-than-what-is-remembered.example.com",
        "[2001:db8::1]",
    ];
    const PORTS: [&str; 4] = ["", ":443", ":8443", ":80"];
    let parts = (
        prop::sample::select(&SCHEMES[..]),
        prop::sample::select(&HOSTS[..]),
        prop::sample::select(&PORTS[..]),
    );
    parts.prop_map(|(scheme, host, port)| format!("{scheme}://{host}{port}/v1"))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn g12_memory_changes_no_decision(
        addresses in prop::collection::vec(address(), 3),
        requests in prop::collection::vec(
            (0..4_usize, 0..3_usize, prop::option::of(0..3_usize)), 1..24,
        ),
    ) {
        let lists = lists();
        let uris: Vec<Uri> = addresses.iter().map(|text| text.parse().unwrap()).collect();
        for (list, to, host) in requests {
            let (origins, uri) = (&lists[list], &uris[to]);
            let mut headers = HeaderMap::new();
            if let Some(host) = host {
                let host = uris[host].authority().unwrap().as_str();
                headers.insert(HOST, HeaderValue::from_str(host).unwrap());
            }
            let destination = origins.check_request(uri, &headers);
            let expected = match (origins.permits(uri), Origins::host_differs(uri, &headers)) {
                (true, false) => Destination::Permitted,
                (true, true) => Destination::OtherHost,
                (false, _) if destination == Destination::OtherOrigin => {
                    origins.remember_other(uri, "other_origin", uri.host().unwrap());
                    Destination::OtherOrigin
                }
                (false, _) => {
                    let is_other = matches!(destination, Destination::SameOtherOrigin(_));
                    prop_assert!(is_other, "{uri} {destination:?}");
                    destination
                }
            };
            prop_assert_eq!(destination, expected, "{} {:?}", uri, headers);
            prop_assert_eq!(
                destination == Destination::Permitted,
                origins.permits_request(uri, &headers)
            );
        }
    }
}
