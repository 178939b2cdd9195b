use proptest::prelude::*;
use serde_json::Value;

use super::*;

fn body(format: BodyFormat, parameters: &[Parameter<'_>]) -> Bytes {
    let endpoint = Uri::from_static("https://login.example.com/oauth/token?tenant=7");
    token_request(&endpoint, format, &[], parameters)
        .unwrap()
        .into_body()
}

#[test]
fn s01_post_form_and_accept() {
    let endpoint = Uri::from_static("https://login.example.com/oauth/token?tenant=7");
    let request = token_request(&endpoint, BodyFormat::Form, &[], &[("a", "b")]).unwrap();
    assert_eq!(request.method(), Method::POST);
    assert_eq!(*request.uri(), endpoint);
    assert_eq!(
        request.headers()["content-type"],
        "application/x-www-form-urlencoded"
    );
    assert_eq!(request.headers()["accept"], "application/json");
    assert_eq!(request.headers()["accept-encoding"], "identity");
    assert_eq!(request.headers().len(), 3);
    let request = token_request(&endpoint, BodyFormat::Json, &[], &[("a", "b")]).unwrap();
    assert_eq!(request.headers()["content-type"], "application/json");
}

#[test]
fn s01_form_bytes() {
    let parameters = [
        ("scope", "a b"),
        ("q", " %&+\u{a3}\u{20ac}"),
        ("plain", "aZ09*-._"),
    ];
    assert_eq!(
        body(BodyFormat::Form, &parameters),
        "scope=a+b&q=+%25%26%2B%C2%A3%E2%82%AC&plain=aZ09*-._",
    );
}

#[test]
fn s01_json_bytes() {
    let parameters = [
        ("scope", "a \"b\""),
        ("resource", "x:1"),
        ("k", "\n"),
        ("resource", "x:2"),
    ];
    assert_eq!(
        body(BodyFormat::Json, &parameters),
        r#"{"scope":"a \"b\"","resource":["x:1","x:2"],"k":"\n"}"#,
    );
}

proptest! {
    #[test]
    fn s01_a_form_decodes_to_the_original_parameters(
        parameters in proptest::collection::vec((any::<String>(), any::<String>()), 0..8),
    ) {
        let written: Vec<_> = parameters.iter().map(|(name, value)| (&**name, &**value)).collect();
        let body = body(BodyFormat::Form, &written);
        prop_assert!(body.is_ascii());
        // The decoder drops a pair of two empty texts.
        let read: Vec<_> = form_urlencoded::parse(&body).into_owned().collect();
        prop_assert_eq!(read, parameters);
    }

    #[test]
    fn s01_json_decodes_to_the_original_parameters(
        parameters in proptest::collection::btree_map(any::<String>(), any::<String>(), 0..8),
    ) {
        let written: Vec<_> = parameters.iter().map(|(name, value)| (&**name, &**value)).collect();
        let read: Value = serde_json::from_slice(&body(BodyFormat::Json, &written)).unwrap();
        prop_assert_eq!(read, serde_json::to_value(&parameters).unwrap());
    }

    /// A buffer that grows leaves copies of secrets.
    #[test]
    fn request_buffers_never_grow(name in "\\PC{0,30}", value in "[\\x00-\\x7f]{0,60}|\\PC{0,60}") {
        let parameters = [(&*name, &*value); 3];
        let roomy = |body: &Zeroizing<Vec<u8>>, room: usize| body.len() <= room && body.capacity() == room;
        let size = name.len() + value.len();
        prop_assert!(roomy(&form(&parameters), 3 * (3 * size + 2)));
        prop_assert!(roomy(&json(&parameters), 3 * (6 * size + 8) + 2));
    }
}

#[test]
fn g18_extra_headers_are_marked_sensitive_and_validated() {
    let endpoint = Uri::from_static("https://login.example.com/token");
    let name = HeaderName::from_static("appid");
    let request = |value: &str| {
        let headers = [(name.clone(), Secret::new(value))];
        token_request(&endpoint, BodyFormat::Json, &headers, &[])
    };
    let value = request("fake-app").unwrap().headers()[&name].clone();
    assert!(value.is_sensitive() && value == "fake-app");
    for value in ["fake\napp", "fake\rapp", "fake\0app", "fake\x7f"] {
        let error = request(value).unwrap_err();
        assert_eq!(error.field(), Some("header"));
        assert!(error.to_string().contains("appid") && !error.to_string().contains("fake"));
    }
}
