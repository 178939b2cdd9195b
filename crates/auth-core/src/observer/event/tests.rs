use super::*;

#[test]
fn authenticators_with_equal_names_share_them() {
    let names = SharedNames::default();
    let clone = names.clone();
    let of = |vendor: &str, label: Option<&str>| names.of(vendor.to_owned(), label.map(Arc::from));
    let first = clone.of(String::from("example"), None);
    assert!(Arc::ptr_eq(&first, &of("example", None)));
    for (vendor, label) in [("other", None), ("example", Some("tenant-7"))] {
        let other = of(vendor, label);
        assert!(!Arc::ptr_eq(&first, &other));
        assert_eq!((&*other.vendor, other.label.as_deref()), (vendor, label));
    }
    assert!(Arc::ptr_eq(&first, &of("example", None)));
}

/// Name, cause, host of each example.
const EXAMPLES: [(&str, Option<&str>, Option<&str>); 28] = [
    ("token_request_started", None, None),
    ("token_request_ended", None, None),
    ("token_request_ended", Some("unavailable"), ENDPOINT),
    ("token_published", None, None),
    ("token_adopted", None, None),
    ("token_accepted", None, None),
    ("token_refused", None, API),
    ("token_unused", None, None),
    ("renewal_failed", Some("unavailable"), ENDPOINT),
    ("no_token", Some("unavailable"), ENDPOINT),
    ("recovered", None, None),
    ("back_off", Some("unavailable"), ENDPOINT),
    ("quota_used_up", None, None),
    ("refusal_back_off", None, None),
    ("probe", Some("unavailable"), ENDPOINT),
    ("store_failed", Some("unavailable"), ENDPOINT),
    ("store_recovered", None, None),
    ("lease_lost", None, None),
    ("authenticator_evicted", None, None),
    ("requests_waiting", None, None),
    ("requests_waited", None, None),
    ("request_unsigned", Some("no_token"), API),
    ("request_replayed", None, API),
    ("request_not_replayed", Some("no_token"), API),
    ("wider_scope", None, None),
    ("wider_scope", Some("denied"), None),
    ("wider_scope", Some("not_permitted"), None),
    ("credential_removed", None, API),
];
const ENDPOINT: Option<&str> = Some("login.example.com");
const API: Option<&str> = Some("api.example.com");

#[test]
fn each_event_tells_its_name_its_cause_and_its_host() {
    let examples = Event::examples();
    let told = examples
        .iter()
        .map(|event| (event.name(), event.cause(), event.host()));
    assert_eq!(told.collect::<Vec<_>>(), EXAMPLES);
    for event in &examples {
        assert_eq!(event.vendor(), "example");
        assert_eq!(event.label(), Some("tenant-7"));
    }
}

/// Operators look the name up in the documentation of [`EventKind`].
#[test]
fn the_name_of_an_event_is_that_of_its_kind() {
    for event in Event::examples() {
        let shown = format!("{:?}", event.kind());
        let variant: String = shown.chars().take_while(|c| c.is_alphanumeric()).collect();
        let words = event.name().split('_').map(|word| {
            let (first, rest) = word.split_at(1);
            first.to_uppercase() + rest
        });
        assert_eq!(words.collect::<String>(), variant);
    }
}

#[test]
fn an_event_with_an_error_returns_it() {
    for event in Event::examples() {
        let has_error = format!("{:?}", event.kind()).contains("connection refused");
        let told = event.error().map(Error::message);
        let expected = has_error.then_some("connection refused");
        assert_eq!(told, expected, "{}", event.name());
    }
}

#[test]
fn why_a_request_was_not_signed_is_the_cause_before_the_kind_of_the_error() {
    let error = Error::new(crate::ErrorKind::Quota, "no free slot");
    let host = Box::<str>::from("api.example.com");
    for (error, shown) in [(None, None), (Some(error), Some("no free slot"))] {
        for kind in [
            EventKind::RequestUnsigned {
                cause: "own_credentials",
                host: host.clone(),
                error: error.clone(),
            },
            EventKind::RequestNotReplayed {
                cause: "own_credentials",
                host: host.clone(),
                error: error.clone(),
            },
        ] {
            assert_eq!(kind.cause(), Some("own_credentials"));
            assert_eq!(kind.host(), Some("api.example.com"));
            assert_eq!(kind.error().map(Error::message), shown);
        }
    }
}
