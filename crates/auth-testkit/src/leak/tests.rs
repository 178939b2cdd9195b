use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE},
};

use crate::{assert_no_secret, find_secrets};

const SECRET: &str = "fake>>\"s\u{e9}cret\\ ~?+/1";

fn forms(text: &str) -> Vec<&'static str> {
    find_secrets(text, &[SECRET])
        .iter()
        .map(|leak| leak.form)
        .collect()
}

#[test]
fn nothing_is_found_where_nothing_is() {
    assert_eq!(forms(""), [""; 0]);
    assert_eq!(
        forms("fake>>\"no secret %41 %zz % ZmFrZQ== 102, 97, 107"),
        [""; 0]
    );
    assert_eq!(
        find_secrets("abc abc", &["abc", ""]),
        [],
        "too short to be looked for"
    );
}

#[test]
fn each_form_is_found_by_name() {
    let hex: String = SECRET.bytes().map(|byte| format!("{byte:02x}")).collect();
    let percent: String = form_urlencoded::byte_serialize(SECRET.as_bytes()).collect();
    assert_eq!(forms(&format!("a {SECRET} b")), ["raw"]);
    assert_eq!(forms(&hex), ["hex"]);
    assert_eq!(forms(&hex.to_uppercase()), ["hex"]);
    assert_eq!(forms(&format!("{:?}", SECRET.as_bytes())), ["bytes"]);
    assert_eq!(
        forms(&serde_json::json!({ "a": SECRET }).to_string()),
        ["json"]
    );
    assert_eq!(forms(&percent), ["percent"]);
    assert_eq!(forms(&percent.to_lowercase()), ["percent"]);
    assert_eq!(forms(&STANDARD.encode(&percent)), ["base64"]);
    assert_eq!(forms(&STANDARD.encode(SECRET)), ["base64"]);
    assert_eq!(forms(&URL_SAFE.encode(SECRET)), ["base64url"]);
}

#[test]
fn base64_is_found_at_any_offset() {
    for before in ["", "i", "id", "id:", "id::"] {
        for after in ["", "x", "xy", "xyz"] {
            let text = format!("{before}{SECRET}{after}");
            assert_eq!(
                forms(&STANDARD.encode(&text)),
                ["base64"],
                "{before:?} {after:?}"
            );
            let found = forms(&URL_SAFE.encode(&text));
            assert!(matches!(found[..], ["base64" | "base64url"]), "{found:?}");
        }
    }
}

#[test]
fn the_first_eight_bytes_are_enough_and_seven_are_not() {
    assert_eq!(find_secrets("begin 12345678...", &["123456789"]).len(), 1);
    assert_eq!(find_secrets("begin 1234567...", &["123456789"]).len(), 0);
    assert_eq!(
        find_secrets("base64 MTIzNDU2Nzg", &["123456789"])[0].form,
        "base64"
    );
}

#[test]
fn a_space_may_be_a_plus() {
    assert_eq!(
        find_secrets("q=a%3Ab+cdef", &["a:b cdef"])[0].form,
        "percent"
    );
    assert_eq!(
        find_secrets("q=a%3Ab%20cdef", &["a:b cdef"])[0].form,
        "percent"
    );
}

#[test]
fn a_leak_says_which_secret_and_where() {
    let leaks = find_secrets("one\ntwo fake-b\nfake-b", &["fake-a", "fake-b"]);
    assert_eq!(leaks.len(), 1);
    assert_eq!((leaks[0].secret, leaks[0].line), (1, 2));
}

#[test]
fn the_assertion_fails_without_repeating_the_secret() {
    assert_no_secret("clean", &["fake-secret-1"]);
    let panic = std::panic::catch_unwind(|| assert_no_secret("fake-secret-1", &["fake-secret-1"]));
    let message = *panic.unwrap_err().downcast::<String>().unwrap();
    assert!(
        message.contains("raw") && !message.contains("fake-secret-1"),
        "{message}"
    );
}
