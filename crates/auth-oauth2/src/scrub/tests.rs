use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD},
};
use proptest::prelude::*;

use super::*;

fn scrubber(secret: &str) -> Scrubber {
    Scrubber::new().secret(Secret::new(secret))
}

/// The forms of a secret, by other encoders than the scrubber's.
fn forms(secret: &str) -> Vec<String> {
    let percent = |upper: bool, keep: fn(u8) -> bool| -> String {
        let encode = |byte: u8| match (keep(byte), upper) {
            (true, _) => char::from(byte).to_string(),
            (false, true) => format!("%{byte:02X}"),
            (false, false) => format!("%{byte:02x}"),
        };
        secret.bytes().map(encode).collect()
    };
    let form: String = form_urlencoded::byte_serialize(secret.as_bytes()).collect();
    let unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let json = serde_json::to_string(secret).unwrap();
    let escaped: String = secret
        .encode_utf16()
        .map(|unit| format!("\\u{unit:04X}"))
        .collect();
    let hexadecimal = |separator: &str| {
        let bytes = secret.bytes().map(|byte| format!("{byte:02x}"));
        bytes.collect::<Vec<_>>().join(separator)
    };
    vec![
        secret.to_owned(),
        STANDARD.encode(secret),
        STANDARD_NO_PAD.encode(secret),
        URL_SAFE.encode(secret),
        URL_SAFE_NO_PAD.encode(secret),
        STANDARD.encode(&form),
        percent(true, unreserved),
        percent(false, unreserved),
        form.to_lowercase(),
        form,
        json[1..json.len() - 1].to_owned(),
        hexadecimal(""),
        hexadecimal("").to_uppercase(),
        hexadecimal(" "),
        hexadecimal(":"),
        hexadecimal("-").to_uppercase(),
        hexadecimal(", 0x"),
        percent(true, |_| false),
        percent(false, |byte| byte.is_ascii_alphanumeric()),
        escaped,
    ]
}

/// How many of [`forms`], from the first, are found in pieces. The others are found only as a
/// whole.
const FOUND_IN_PIECES: usize = 17;

fn assert_gone(form: &str, from: &str) {
    for window in form.as_bytes().windows(8) {
        let found = from.as_bytes().windows(8).any(|other| other == window);
        assert!(
            !found,
            "{form:?} left {:?} in {from:?}",
            String::from_utf8_lossy(window)
        );
    }
}

fn secrets() -> impl Strategy<Value = String> {
    let text = prop_oneof![
        "[!-~]{8,40}",
        "[ -~]{8,40}",
        "[a-z%+&= /_-]{8,40}",
        proptest::collection::vec(any::<char>(), 8..20)
            .prop_map(|chars| chars.into_iter().collect()),
    ];
    text.prop_map(|text: String| text)
}

proptest! {
    #[test]
    fn g18_no_window_of_any_form_survives(
        secret in secrets(),
        before in "[ -~]{0,20}",
        after in "\\PC{0,20}",
    ) {
        let scrubber = scrubber(&secret);
        for form in forms(&secret) {
            assert_gone(&form, &scrubber.scrub(&format!("{before}{form}{after}")));
        }
    }

    #[test]
    fn g18_pieces_are_found_too(
        secret in secrets(),
        cut in any::<prop::sample::Index>(),
        take in any::<prop::sample::Index>(),
    ) {
        let scrubber = scrubber(&secret);
        for form in forms(&secret).into_iter().take(FOUND_IN_PIECES) {
            let length = 8 + take.index(form.len() - 7);
            let start = cut.index(form.len() - length + 1);
            if let Some(piece) = form.get(start..start + length) {
                assert_gone(&form, &scrubber.scrub(&format!("see '{piece}' here")));
            }
        }
    }

    #[test]
    fn g18_base64_is_found_at_any_alignment(
        secret in "[!-~]{12,40}",
        before in "[a-z]{0,5}",
        after in "[a-z]{0,5}",
    ) {
        let blob = STANDARD.encode(format!("{before}{secret}{after}"));
        let scrubbed = scrubber(&secret).scrub(&blob);
        // At each end a character may share its bits with a neighbour.
        let own = STANDARD.encode(&format!("{before}{secret}")[..(before.len() + secret.len()) / 3 * 3]);
        let own = &own[(before.len() * 4).div_ceil(3).min(own.len())..];
        assert_gone(own, &scrubbed);
    }

    #[test]
    fn s13_clean_text_is_fit_for_an_error(text in "\\PC{0,300}|[\\x00-\\x7f]{0,300}", max in 0..300usize) {
        let cleaned = scrubber("fake-secret-value").clean(&text, max);
        prop_assert!(cleaned.len() <= max);
        let fit = |byte| matches!(byte, 0x20..=0x21 | 0x23..=0x5b | 0x5d..=0x7e);
        prop_assert!(cleaned.bytes().all(fit));
    }

    #[test]
    fn text_without_a_secret_is_unchanged(text in "[a-m ]{0,200}") {
        prop_assert_eq!(scrubber("xyz0123456789").scrub(&text), text);
    }
}

#[test]
fn several_secrets_are_masked_separately() {
    let scrubber = scrubber("fake-secret-one").secret(Secret::new("fake-secret-two"));
    let text = "fake-secret-one and fake-secret-two, and fake-secret-onefake-secret-two";
    assert_eq!(scrubber.scrub(text), "*** and ***, and ***");
}

#[test]
fn secrets_in_stacked_encodings_are_found() {
    let scrubber = scrubber("fake secret/with+signs");
    for text in [
        "fake%2520secret%252Fwith%252Bsigns",
        "fake\\u0025\\u0032\\u0030secret%2fwith%2bsigns",
        "fake%5Cu0020secret%5C%2Fwith%5Cu002Bsigns",
    ] {
        assert_eq!(scrubber.scrub(text), "***", "{text}");
    }
}

#[test]
fn a_short_secret_is_found_whole() {
    let scrubber = scrubber("hunter2");
    assert_eq!(scrubber.scrub("is hunter2 right?"), "is *** right?");
    assert_eq!(scrubber.scrub("is aHVudGVyMg== right?"), "is *** right?");
    assert_eq!(scrubber.scrub("is hunter right?"), "is hunter right?");
}

#[test]
fn a_secret_of_mask_characters_leaves_nothing() {
    assert_eq!(
        scrubber("*********").scrub("a ********* b ********* c"),
        "a *** b *** c"
    );
    // The mask would form the secret again.
    assert_eq!(scrubber("abc***def").scrub("is abcabc***defdef right?"), "");
}

#[test]
fn a_secret_hidden_by_replaced_characters_is_found() {
    let scrubber = scrubber("f\u{e4}ke-p\u{e4}ssword");
    assert_eq!(scrubber.clean("f\u{e4}ke-p\u{e4}ssword", 99), "***");
    let scrubber = self::scrubber("fake?secret");
    assert_eq!(scrubber.clean("fake\u{1}secret", 99), "***");
}

#[test]
fn s13_control_characters_do_not_reach_a_terminal() {
    let text = "\u{1b}[2Jgone\u{202e}\r\nlevel=\"fatal\" \\ \u{7f}";
    assert_eq!(
        Scrubber::new().clean(text, 256),
        "?[2Jgone???level=?fatal? ? ?"
    );
}

#[test]
fn a_long_text_is_scrubbed_before_it_is_cut() {
    let text = format!("{}fake-secret-value", "a".repeat(250));
    let cleaned = scrubber("fake-secret-value").clean(&text, 256);
    assert_eq!(cleaned, format!("{}***", "a".repeat(250)));
}

#[test]
fn debug_shows_no_secret() {
    assert_eq!(
        format!("{:?}", scrubber("fake-secret")),
        "Scrubber { secrets: 1 }"
    );
}

#[test]
fn secrets_in_html_entities_are_found() {
    let scrubber = scrubber("fake-secret/1+2&3='4'");
    for text in [
        "fake-secret/1+2&amp;3=&#39;4&#39;",
        "fake-secret/1+2&amp;3=&apos;4&apos;",
        "fake&#45;secret&#x2F;1&#x2b;2&#38;3&#61;&#X27;4&#x27;",
        "fake-secret&sol;1&plus;2&amp;3&equals;&#039;4&#0039;",
        "fake-secret/1+2&amp3=&#39;4&#39",
        "fake-secret/1+2&amp;amp;3=&amp;#39;4&amp;#39;",
    ] {
        let scrubbed = scrubber.scrub(text);
        assert!(
            !scrubbed.contains("secret") && !scrubbed.contains('4'),
            "{text} left {scrubbed}"
        );
    }
    let others = "&nosuch; &#xd800; &#99999999999; & &; &#; &#x; &amp;";
    assert_eq!(scrubber.scrub(others), others);
}

#[test]
fn g18_hexadecimal_of_what_basic_sends_and_escaped_bytes_are_found() {
    let scrubber = scrubber("fake-s\u{e9}cret");
    for text in [
        r"b'fake-s\xc3\xa9cret'",
        r"\x66\x61\x6b\x65\x2d\x73\xc3\xa9\x63\x72\x65\x74",
        "66616B652D73C3A963726574",
        "0x66, 0x61, 0x6b, 0x65, 0x2d, 0x73, 0xc3, 0xa9, 0x63, 0x72, 0x65, 0x74",
    ] {
        let scrubbed = scrubber.scrub(text);
        assert!(scrubbed.len() <= 8, "{text} left {scrubbed}");
    }
}

#[test]
fn a_short_secret_removes_no_numbers() {
    let text = "retry in 31 s, 61 left";
    assert_eq!(
        scrubber("1")
            .secret(Secret::new("a"))
            .scrub("retry in 3 s, 6 left"),
        "retry in 3 s, 6 left"
    );
    assert_eq!(scrubber("abc").scrub(text), text);
}
