use proptest::prelude::*;

use super::*;

mod vendors;

fn read_with(
    rules: &ReplyRules,
    status: u16,
    body: impl Into<Bytes>,
) -> Result<AccessToken, Error> {
    let mut reply = Response::new(body.into());
    *reply.status_mut() = StatusCode::from_u16(status).unwrap();
    let scrubber = Scrubber::new().secret(Secret::new("fake-client-secret"));
    parse_reply("example", reply, rules, &scrubber, Moment::PAST)
}

fn read(body: impl Into<Bytes>) -> Result<AccessToken, Error> {
    read_with(&ReplyRules::new(), 200, body)
}

/// A valid reply with further members.
fn with(members: &str) -> String {
    format!(r#"{{"access_token":"fake-token","token_type":"Bearer"{members}}}"#)
}

#[track_caller]
fn protocol(result: Result<AccessToken, Error>, says: &str) {
    let error = result.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Protocol, "{error}");
    assert!(
        error
            .to_string()
            .starts_with("example: token endpoint answered 2"),
        "{error}"
    );
    assert!(error.to_string().contains(says), "{error}");
}

fn lifetime_of(json: &str) -> Result<Option<Duration>, Error> {
    read(with(&format!(r#","expires_in":{json}"#))).map(|token| token.lifetime())
}

fn seconds(count: u64) -> Option<Duration> {
    Some(Duration::from_secs(count))
}

#[test]
fn s08_the_standards_example() {
    let body = r#"{
        "access_token":"2YotnFZFEjr1zCsicMWpAA",
        "token_type":"example_is_Bearer_here",
        "expires_in":3600,
        "example_parameter":"example_value"
    }"#;
    let token = read(body.replace("example_is_Bearer_here", "Bearer")).unwrap();
    assert_eq!(token.secret().expose(), "2YotnFZFEjr1zCsicMWpAA");
    assert_eq!(token.lifetime(), seconds(3600));
    assert_eq!(token.granted_scope(), None);
    assert_eq!(token.refresh_hint(), None);
}

#[test]
fn s08_access_token_must_be_a_string_that_is_not_empty() {
    protocol(read(r#"{"token_type":"Bearer"}"#), "access_token");
    for value in ["\"\"", "null", "[]", "{}", "7", "true", r#""\ud800""#] {
        let body = format!(r#"{{"access_token":{value},"token_type":"Bearer"}}"#);
        protocol(read(body), "access_token");
    }
}

#[test]
fn s08_unknown_members_are_ignored() {
    let many: String = (0..1000)
        .map(|n| format!(r#","x{n}":{{"deep":[{n},"\n"]}}"#))
        .collect();
    assert!(read(with(&many)).is_ok());
    assert!(
        read(with(r#","x":1,"x":1e400"#)).is_ok(),
        "occurs twice, with unequal numbers"
    );
}

#[test]
fn s08_a_member_that_is_read_must_not_occur_twice() {
    for (first, second) in [
        (r#""access_token":"fake-a""#, r#""access_token":"fake-b""#),
        (
            r#""access_token":"fake-a""#,
            r#""access\u005ftoken":"fake-b""#,
        ),
        (
            r#""access_token":"fake-a","expires_in":1"#,
            r#""expires_in":2"#,
        ),
        (r#""access_token":"fake-a","scope":null"#, r#""scope":"a""#),
    ] {
        let body = format!(r#"{{"token_type":"Bearer",{first},{second}}}"#);
        protocol(read(body), "occurs twice (line 1, column ");
    }
}

#[test]
fn s08_json_escapes_in_a_token_are_decoded() {
    let token = read(r#"{"access_token":"fake\u002dtok\/en","token_type":"Bearer"}"#).unwrap();
    assert_eq!(token.secret().expose(), "fake-tok/en");
}

#[test]
fn s09_token_type_in_any_case() {
    for name in ["Bearer", "bearer", "BEARER"] {
        let body = format!(r#"{{"access_token":"fake-token","token_type":"{name}"}}"#);
        assert!(read(body).is_ok(), "{name}");
    }
}

#[test]
fn s09_other_token_types_are_an_error() {
    let lenient = ReplyRules::new().allow_missing_token_type();
    for value in [
        r#""mac""#,
        r#""N_A""#,
        r#""DPoP""#,
        r#""""#,
        "7",
        r#"["Bearer"]"#,
    ] {
        let body = format!(r#"{{"access_token":"fake-token","token_type":{value}}}"#);
        protocol(read(body.clone()), "`token_type` is not Bearer");
        protocol(read_with(&lenient, 200, body), "`token_type` is not Bearer");
    }
}

#[test]
fn s09_a_missing_token_type_needs_a_rule() {
    for body in [
        r#"{"access_token":"fake-token"}"#,
        r#"{"access_token":"f","token_type":null}"#,
    ] {
        protocol(
            read(body),
            "`token_type` is missing; if the vendor omits it, set",
        );
        assert!(read_with(&ReplyRules::new().allow_missing_token_type(), 200, body).is_ok());
    }
}

#[test]
fn s10_expires_in_table() {
    for (json, lifetime) in [
        ("3600", 3600),
        ("0", 0),
        ("-1", 0),
        ("-1e300", 0),
        ("-0.5", 0),
        (r#""3599""#, 3599),
        ("3599.7", 3599),
        ("3.6e3", 3600),
        ("3.6E+3", 3600),
        ("2592000", 2_592_000),
        ("18446744073709551615", u64::MAX),
        ("18446744073709551616", u64::MAX),
        ("1e300", u64::MAX),
        ("1e400", u64::MAX),
        ("-1e400", 0),
        (r#""99999999999999999999999999""#, u64::MAX),
    ] {
        assert_eq!(lifetime_of(json).unwrap(), seconds(lifetime), "{json}");
    }
    assert_eq!(lifetime_of("null").unwrap(), None);
    assert_eq!(read(with("")).unwrap().lifetime(), None);
}

#[test]
fn s10_an_expires_in_that_is_not_a_number_is_an_error() {
    for json in [
        "true",
        "false",
        "[]",
        "{}",
        "[3600]",
        r#""soon""#,
        r#""""#,
        r#""-1""#,
        r#""3599.7""#,
        r#"" 3599""#,
        r#""+3599""#,
        r#""NaN""#,
        r#""inf""#,
    ] {
        protocol(
            lifetime_of(json).map(|_| unreachable!()),
            "`expires_in` is neither",
        );
    }
    protocol(lifetime_of("NaN").map(|_| unreachable!()), "not JSON");
}

#[test]
fn refresh_in_is_used_if_it_is_a_positive_number() {
    for (json, hint) in [
        ("1800", seconds(1800)),
        ("1800.9", seconds(1800)),
        ("0", None),
        ("-5", None),
        ("\"1800\"", None),
        ("true", None),
        ("null", None),
    ] {
        let token = read(with(&format!(r#","refresh_in":{json}"#))).unwrap();
        assert_eq!(token.refresh_hint(), hint, "{json}");
    }
}

#[test]
fn s06_a_refresh_token_is_ignored() {
    for json in [r#""fake-refresh-token""#, "7", r#""a","refresh_token":"b""#] {
        let token = read(with(&format!(r#","refresh_token":{json}"#))).unwrap();
        assert!(token.kept_refresh_token().is_none());
    }
    let token = read(with(r#","refresh_token":"fake-refresh-token""#)).unwrap();
    assert!(!format!("{token:?}").contains("fake-refresh"));
}

#[test]
fn s15_a_refresh_token_is_read_if_the_rules_say_so() {
    let rules = ReplyRules::new().refresh_token();
    let read = |json: &str| {
        let token = read_with(&rules, 200, with(&format!(r#","refresh_token":{json}"#)))?;
        let kept = token.kept_refresh_token();
        Ok(kept.map(|token| token.expose().to_owned()))
    };
    let one = Some("fake-refresh-1".to_owned());
    assert_eq!(read(r#""fake-refresh-1""#).unwrap(), one);
    assert_eq!(read("null").unwrap(), None);
    assert_eq!(read(r#""""#).unwrap(), None);
    for wrong in [
        "7",
        "true",
        r#"["fake-refresh-1"]"#,
        r#"{"a":"fake-refresh-1"}"#,
    ] {
        let error: Error = read(wrong).unwrap_err();
        assert!(
            !format!("{error:?}").contains("fake-refresh-1"),
            "{error:?}"
        );
        protocol(Err(error), "`refresh_token` is not a string");
    }
    let twice = with(r#","refresh_token":"fake-refresh-1","refresh_token":"fake-refresh-2""#);
    protocol(read_with(&rules, 200, twice), "a member that occurs twice");
    assert!(
        read_with(&rules, 200, with(""))
            .unwrap()
            .kept_refresh_token()
            .is_none()
    );
}

#[test]
fn s11_scope_is_normalised() {
    for (json, scope) in [
        (r#""read write""#, Some("read write")),
        (r#"" read\n\n\twrite\r\n admin ""#, Some("read write admin")),
        (r#"["read","write admin"]"#, Some("read write admin")),
        (r#""""#, None),
        (r#"" \n ""#, None),
        ("[]", None),
        ("null", None),
    ] {
        let token = read(with(&format!(r#","scope":{json}"#))).unwrap();
        assert_eq!(token.granted_scope(), scope, "{json}");
    }
    for json in ["7", "{}", "[7]", "true"] {
        protocol(read(with(&format!(r#","scope":{json}"#))), "`scope`");
    }
}

#[test]
fn s11_without_a_scope_in_the_reply_the_requested_scope_is_granted() {
    let rules = ReplyRules::new().requested_scope("read write");
    let granted = |body: String| {
        let token = read_with(&rules, 200, body).unwrap();
        token.granted_scope().unwrap().to_owned()
    };
    assert_eq!(granted(with("")), "read write");
    assert_eq!(granted(with(r#","scope":"read""#)), "read");
}

#[test]
fn s11_a_missing_required_scope_is_an_error_of_the_token_request() {
    let rules = ReplyRules::new().require_scopes(["read", "write"]);
    assert!(read_with(&rules, 200, with(r#","scope":"write\nread more""#)).is_ok());
    for body in [with(r#","scope":"read writer""#), with("")] {
        let error = read_with(&rules, 200, body).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Rejected);
        assert!(error.to_string().ends_with("was not granted"), "{error}");
    }
    assert!(read_with(&rules.requested_scope("read write"), 200, with("")).is_ok());
}

#[test]
fn g18_a_scope_that_echoes_a_secret_is_scrubbed() {
    let token = read(with(r#","scope":"read fake-client-secret \u001b[2J""#)).unwrap();
    assert_eq!(token.granted_scope(), Some("read *** ?[2J"));
}

#[test]
fn t11_an_error_names_the_kind_of_garbage_and_shows_none_of_it() {
    let mut utf16: Vec<u8> = vec![0xff, 0xfe];
    utf16.extend(with("").encode_utf16().flat_map(u16::to_le_bytes));
    let bare: Vec<u8> = with("").encode_utf16().flat_map(u16::to_be_bytes).collect();
    let cases: [(&[u8], &str); 17] = [
        (b"", "empty body"),
        (b" \r\n", "empty body"),
        (b"<!DOCTYPE html><title>planted-text</title>", "an HTML page: check `token_url`"),
        (b"\n <html>planted-text", "captive portal"),
        (&utf16, "UTF-16"),
        (&bare, "UTF-16"),
        (b"\xfe\xff\x4e\x2d", "UTF-16"),
        (b"{\"access_token\":\"planted-text\xff\"}", "not UTF-8"),
        (b"[\"planted-text\",\"Bearer\"]", "array"),
        (b"access_token=planted-text&token_type=Bearer", "form-encoded"),
        (b"\"planted-text\"", "not a JSON object"),
        (b"planted-text", "not a JSON object"),
        (b"{\"access_token\":\"planted-text", "ends too early"),
        (b"{\"access_token\":planted-text}", "not JSON"),
        (b"{\"access_token\":\"fake\"} planted-text", "not JSON"),
        (b"{\"token_type\":\"planted-text\",\"access_token\":\"planted-text\"}", "not Bearer"),
        (b"{\"access_token\":\"planted-text\",\"token_type\":\"Bearer\",\"expires_in\":\"planted-text\"}",
            "expires_in"),
    ];
    for (body, says) in cases {
        let result = read(body.to_vec());
        let error = result.clone().unwrap_err();
        protocol(result, says);
        assert!(
            !format!("{error} {error:?}").contains("planted"),
            "{error:?}"
        );
    }
    protocol(read_with(&ReplyRules::new(), 204, ""), "204, an empty body");
}

#[test]
fn t11_a_byte_order_mark_is_skipped() {
    assert!(read(format!("\u{feff}{}", with(""))).is_ok());
}

#[test]
fn t09_depth_and_width_of_json_are_limited() {
    let deep = format!(r#","x":{}{}"#, "[".repeat(30_000), "]".repeat(30_000));
    assert!(read(with(&deep)).is_ok());
    let open = format!(r#","expires_in":{}"#, "[".repeat(60_000));
    protocol(read(with(&open)), "(line 1, column ");
    let scope = format!(r#","scope":{}1{}"#, "[".repeat(20_000), "]".repeat(20_000));
    protocol(read(with(&scope)), "`scope`");
}

#[test]
fn t05_debug_of_a_valid_reply_shows_no_token() {
    assert!(!format!("{:?}", read(with("")).unwrap()).contains("fake-token"));
}

#[test]
fn a_body_with_another_owner_is_not_wiped() {
    let shared = Bytes::from(with(""));
    assert!(read(shared.clone()).is_ok());
    assert_eq!(shared, with(""));
}

proptest! {
    #[test]
    fn s10_every_number_is_read_as_whole_seconds(value in any::<f64>().prop_filter("json", |x| x.is_finite())) {
        let json = serde_json::to_string(&value).unwrap();
        let expected = if value <= 0.0 { 0 } else { value.trunc() as u64 };
        prop_assert_eq!(lifetime_of(&json).unwrap(), seconds(expected));
    }

    #[test]
    fn s10_any_whole_number_is_exact(value in any::<u64>()) {
        prop_assert_eq!(lifetime_of(&value.to_string()).unwrap(), seconds(value));
        prop_assert_eq!(lifetime_of(&format!("\"{value}\"")).unwrap(), seconds(value));
    }

    #[test]
    fn t11_no_body_causes_a_panic_or_is_shown(
        body in proptest::collection::vec(any::<u8>(), 0..200),
        status in 100..600u16,
    ) {
        let mut planted = b"{\"error_uri\":\"planted-text\",".to_vec();
        planted.extend(&body);
        for body in [body, planted] {
            if let Err(error) = read_with(&ReplyRules::new(), status, body) {
                prop_assert!(!error.to_string().contains("planted"));
            }
        }
    }
}
