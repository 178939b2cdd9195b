//! What `Origins` permits, the `url` crate (WHATWG URL) takes for the same origin.

use auth_core::Origins;
use proptest::prelude::*;
use url::Url;

use crate::permits;

const HOME: [&str; 5] = [
    "https://api.example.com",
    "https://b.example:8443",
    "https://[2001:db8::1]:8443",
    "https://192.0.2.1",
    "http://payments:8080",
];

fn origins() -> Origins {
    let origins = Origins::danger_allow_http(HOME).unwrap();
    origins.subdomains_of("https://my.example.net").unwrap()
}

/// Tells whether a URL, as a browser or reqwest reads it, goes home.
fn goes_home(text: &str) -> bool {
    let Ok(url) = Url::parse(text) else {
        return false;
    };
    let is_below = |host: &str| {
        let label = host.strip_suffix(".my.example.net");
        label.is_some_and(|label| !label.is_empty() && !label.contains('.'))
    };
    let below =
        url.scheme() == "https" && url.port().is_none() && url.host_str().is_some_and(is_below);
    let has_user = !url.username().is_empty() || url.password().is_some();
    let mut home = HOME.iter().map(|home| Url::parse(home).unwrap().origin());
    !has_user && (below || home.any(|home| home == url.origin()))
}

fn piece() -> impl Strategy<Value = String> {
    const KNOWN: [&str; 41] = [
        "https:",
        "http:",
        "HTTPS:",
        "//",
        "/",
        "\\",
        "@",
        ":",
        ":443",
        ":8443",
        ":+443",
        ":08443",
        ":80",
        ":8080",
        "api.example.com",
        "API.EXAMPLE.COM",
        "b.example",
        "[2001:db8::1]",
        "[2001:db8:0::1]",
        "[::ffff:192.0.2.1]",
        "192.0.2.1",
        "3221225985",
        "0xC0.0.2.1",
        "payments",
        "evil.com",
        ".",
        "..",
        "my.example.net",
        "a.my.example.net",
        "xn--bcher-kva",
        "?",
        "#",
        "%2e",
        "%40",
        "*",
        "-",
        "_",
        " ",
        "\t",
        "\u{3002}",
        "\u{ad}",
    ];
    prop_oneof![
        8 => prop::sample::select(&KNOWN[..]).prop_map(str::to_owned),
        1 => "[ -~]{1,3}",
    ]
}

/// Mostly near a URL that goes home.
fn address() -> impl Strategy<Value = String> {
    const NEAR: [&str; 6] = [
        "https://api.example.com",
        "https://b.example:8443",
        "https://[2001:db8::1]:8443",
        "https://192.0.2.1",
        "http://payments:8080",
        "https://a.my.example.net",
    ];
    let near = (
        prop::sample::select(&NEAR[..]),
        0..=30_usize,
        piece(),
        piece(),
    )
        .prop_map(|(home, at, piece, tail)| {
            let at = at.min(home.len());
            format!("{}{piece}{}{tail}", &home[..at], &home[at..])
        });
    prop_oneof![
        near,
        prop::collection::vec(piece(), 1..8).prop_map(|pieces| pieces.concat())
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    #[test]
    fn g12_what_is_permitted_goes_home_by_another_parser_too(text in address()) {
        if permits(&origins(), &text) {
            prop_assert!(goes_home(&text), "{text}");
        }
    }

    /// The parser that reads settings reads destinations alike.
    #[test]
    fn what_is_taken_as_an_origin_permits_itself(text in address()) {
        if let Ok(origins) = Origins::danger_allow_http([&text]) {
            prop_assert!(permits(&origins, &text), "{text}");
        }
    }
}

#[test]
fn the_other_parser_agrees_on_what_is_home() {
    for home in HOME {
        assert!(goes_home(home) && permits(&origins(), home), "{home}");
    }
    for (text, home) in [
        ("https://a.my.example.net/", true),
        ("https://[2001:db8::1]evil.com:8443/", false),
        ("https://api.example.com:+443/", false),
        ("https://api.example.com:0443/", true),
    ] {
        assert_eq!(
            (goes_home(text), permits(&origins(), text)),
            (home, home),
            "{text}"
        );
    }
}
