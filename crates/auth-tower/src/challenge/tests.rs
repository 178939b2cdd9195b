use http::HeaderValue;
use proptest::prelude::*;

use super::*;

mod differential;

const NONE: Hint = Hint::Nothing;

fn read_lines<T: AsRef<[u8]>>(lines: impl IntoIterator<Item = T>) -> Hint {
    let mut headers = HeaderMap::new();
    for line in lines {
        headers.append(
            WWW_AUTHENTICATE,
            HeaderValue::from_bytes(line.as_ref()).unwrap(),
        );
    }
    read(&headers)
}

fn step_up(acr_values: &str, max_age: Option<u64>) -> Hint {
    let max_age = max_age.map(Duration::from_secs);
    Hint::StepUp(StepUp {
        acr_values: acr_values.into(),
        max_age,
    })
}

fn insufficient_scope(scope: &str) -> Hint {
    Hint::InsufficientScope(InsufficientScope {
        scope: scope.into(),
    })
}

#[test]
fn s26_one_line() {
    for (line, hint) in [
        ("", NONE),
        (",, ,", NONE),
        ("Bearer", NONE),
        ("Bearer ", NONE),
        ("Bearer realm=\"example\"", NONE),
        ("Bearer error=\"invalid_token\"", Hint::InvalidToken),
        ("Bearer error=invalid_token", Hint::InvalidToken),
        ("bearer error = \"invalid_token\"", Hint::InvalidToken),
        (
            "BEARER \t ERROR\t=\t\"invalid_token\"\t",
            Hint::InvalidToken,
        ),
        (
            "dpop error=\"invalid_token\", algs=\"ES256\"",
            Hint::InvalidToken,
        ),
        ("Bearer ,, error=\"invalid_token\",,", Hint::InvalidToken),
        (", ,Bearer, error=\"invalid_token\"", Hint::InvalidToken),
        (r#"Bearer error="in\valid\_token""#, Hint::InvalidToken),
        (
            r#"Bearer realm="a\"b\\", error="invalid_token""#,
            Hint::InvalidToken,
        ),
        (
            "Bearer error=\"insufficient_scope\", scope=\"a b\"",
            insufficient_scope("a b"),
        ),
        ("Bearer error=\"invalid_request\"", Hint::InvalidRequest),
        ("DPoP error=\"invalid_dpop_proof\"", Hint::InvalidRequest),
        ("DPoP error=\"use_dpop_nonce\"", Hint::UseDpopNonce),
        // Codes are case-sensitive, unknown codes are ignored, the first of two counts.
        ("Bearer error=\"Invalid_Token\"", NONE),
        ("Bearer error=\"\"", NONE),
        ("Bearer error=\"token_expired\"", NONE),
        (
            "Bearer error=invalid_request, error=invalid_token",
            Hint::InvalidRequest,
        ),
        ("Bearer xerror=\"invalid_token\"", NONE),
        // Errors of other schemes are ignored, and a quoted challenge is not a challenge.
        ("Basic error=\"invalid_token\"", NONE),
        (r#"Basic realm="a, Bearer error=\"invalid_token\"""#, NONE),
        (
            r#"Basic realm="a", Bearer realm="b, DPoP error=use_dpop_nonce""#,
            NONE,
        ),
        (
            "Negotiate abc==, DPoP algs=\"ES256\", error=\"use_dpop_nonce\"",
            Hint::UseDpopNonce,
        ),
        (
            "Negotiate a/+b, Bearer error=\"invalid_token\"",
            Hint::InvalidToken,
        ),
        (
            "Bearer abc==, DPoP, Bearer error=\"invalid_token\"",
            Hint::InvalidToken,
        ),
        ("Bearer error=, Negotiate", NONE),
    ] {
        assert_eq!(read_lines([line]), hint, "{line}");
    }
}

#[test]
fn s26_a_malformed_line_counts_up_to_its_first_error() {
    for (line, hint) in [
        ("Bearer error=\"invalid_token", NONE),
        ("Bearer error=\"invalid_token\\\"", NONE),
        ("Bearer error=\"invalid_token\\", NONE),
        ("Bearer error", NONE),
        ("error=\"invalid_token\"", NONE),
        ("=, Bearer error=\"invalid_token\"", NONE),
        ("Basic realm=\"x, Bearer error=\"invalid_token\"", NONE),
        ("Bearer realm=\"a\" error=\"invalid_token\"", NONE),
        ("Negotiate abc==, error=\"invalid_token\"", NONE),
        ("Bearer abc==, error=\"invalid_token\"", NONE),
        ("Bearer/1 error=\"invalid_token\"", NONE),
        (
            "Bearer error=\"invalid_token\", error_description=\"not \"good\"",
            Hint::InvalidToken,
        ),
        (
            "Bearer error=\"invalid_token\" scope=\"a\"",
            Hint::InvalidToken,
        ),
        (
            "Bearer error=\"invalid_request\";, DPoP error=\"invalid_token\"",
            Hint::InvalidRequest,
        ),
    ] {
        assert_eq!(read_lines([line]), hint, "{line}");
    }
}

#[test]
fn s26_several_lines_are_read_separately() {
    let invalid = "Bearer error=\"invalid_token\"";
    assert_eq!(
        read_lines(["Basic realm=\"x\"", "Negotiate", invalid]),
        Hint::InvalidToken
    );
    assert_eq!(
        read_lines(["Basic realm=\"unterminated", invalid]),
        Hint::InvalidToken
    );
    assert_eq!(
        read_lines(["Bearer realm=\"x\"", "error=\"invalid_token\""]),
        NONE
    );
    assert_eq!(read(&HeaderMap::new()), NONE);
}

#[test]
fn s26_bytes_outside_ascii_are_skipped() {
    let line = b"Bearer realm=\"caf\xe9\xff\", error=\"invalid_token\"";
    assert_eq!(read_lines([line]), Hint::InvalidToken);
    assert_eq!(read_lines([b"B\xe9arer error=\"invalid_token\""]), NONE);
    assert_eq!(read_lines([b"Bearer error=\"invalid_token\xe9\""]), NONE);
}

#[test]
fn when_challenges_disagree_the_order_of_lines_does_not_matter() {
    let lines = [
        ("DPoP error=use_dpop_nonce", Hint::UseDpopNonce),
        ("Bearer error=invalid_token", Hint::InvalidToken),
        (
            "Bearer error=insufficient_user_authentication",
            step_up("", None),
        ),
        ("Bearer error=insufficient_scope", insufficient_scope("")),
        ("Bearer error=invalid_request", Hint::InvalidRequest),
        ("Bearer", NONE),
    ];
    for (index, (strong, hint)) in lines.iter().enumerate() {
        for (weak, _) in &lines[index..] {
            assert_eq!(read_lines([strong, weak]), *hint);
            assert_eq!(read_lines([weak, strong]), *hint);
            assert_eq!(read_lines([format!("{weak}, {strong}")]), *hint);
        }
    }
}

#[test]
fn s47_step_up_contains_the_values_of_the_api() {
    let error = "Bearer error=\"insufficient_user_authentication\"";
    for (rest, hint) in [
        ("", step_up("", None)),
        (
            ", acr_values=\"gold  silver\", max_age=\"5\"",
            step_up("gold  silver", Some(5)),
        ),
        (", MAX_AGE=0, acr_values=gold", step_up("gold", Some(0))),
        (", max_age=\"-5\"", step_up("", None)),
        (", max_age=\"+5\"", step_up("", None)),
        (", max_age=\"\"", step_up("", None)),
        (", max_age=\"99999999999999999999\"", step_up("", None)),
        (", acr_values=\"a\tb\"", step_up("", None)),
        (
            &format!(", acr_values=\"{}\"", "a".repeat(512)),
            step_up(&"a".repeat(512), None),
        ),
        (
            &format!(", acr_values=\"{}\"", "a".repeat(513)),
            step_up("", None),
        ),
    ] {
        assert_eq!(read_lines([format!("{error}{rest}")]), hint, "{rest}");
    }
    let Hint::StepUp(first) = read_lines([
        format!("{error}, acr_values=\"gold  silver\", max_age=60"),
        format!("{error}, acr_values=\"bronze\""),
    ]) else {
        panic!("no step-up");
    };
    assert_eq!(first.acr_values().collect::<Vec<_>>(), ["gold", "silver"]);
    assert_eq!(first.max_age(), Some(Duration::from_secs(60)));
    assert!(!format!("{first:?}").contains("gold"));
}

#[test]
fn the_number_of_bytes_read_is_limited() {
    let invalid = "Bearer error=\"invalid_token\"";
    let junk = ["\"", ",", "a", "a=", "a b", "\\", " ", "=", "a=\"", "a=b,"];
    for junk in junk.map(|piece| piece.repeat(64 * 1024 / piece.len())) {
        assert_eq!(read_lines([&junk]), NONE);
        assert_eq!(read_lines([junk.as_str(), invalid]), Hint::InvalidToken);
        let inside = &junk[..MAX_BYTES];
        assert_eq!(read_lines([inside]), NONE);
        assert_eq!(read_lines([inside, invalid]), NONE);
    }
    let mut many = "A b=c, ".repeat(10_000);
    many.push_str(invalid);
    assert_eq!(read_lines([many]), NONE);
    let mut some = "A b=c, ".repeat(2_000);
    some.push_str(invalid);
    assert_eq!(read_lines([some]), Hint::InvalidToken);
}

#[test]
fn the_iterator_stays_at_its_end() {
    let mut items = Items::new(b"Bearer \"x, Basic");
    assert_eq!(items.next(), Some(Item::Scheme(b"Bearer")));
    assert_eq!(items.next(), None);
    assert_eq!(items.next(), None);
}

/// A challenge as a sender writes it: a scheme, then a token68 or parameters.
#[derive(Clone, Debug)]
struct Sent {
    scheme: String,
    token68: Option<String>,
    params: Vec<(String, Vec<u8>, bool)>,
}

fn sent() -> impl Strategy<Value = Sent> {
    let name = "[a-zA-Z0-9!#$%&'*+.^_`|~-]{1,8}";
    let token = (name, name, Just(false)).prop_map(|(n, v, q)| (n, v.into_bytes(), q));
    let quoted = (name, prop::collection::vec(field_byte(), 0..12), Just(true));
    let params = prop::collection::vec(prop_oneof![token, quoted], 1..5);
    prop_oneof![
        name.prop_map(|scheme| (scheme, None, Vec::new())),
        (name, "[a-zA-Z0-9._~+/-]{1,8}={0,2}").prop_map(|(s, t)| (s, Some(t), Vec::new())),
        (name, params).prop_map(|(scheme, params)| (scheme, None, params)),
    ]
    .prop_map(|(scheme, token68, params)| Sent {
        scheme,
        token68,
        params,
    })
}

fn field_byte() -> impl Strategy<Value = u8> {
    prop_oneof![
        Just(b'"'),
        Just(b'\\'),
        Just(b','),
        Just(b'\t'),
        b' '..=b'~',
        0x80..=0xffu8
    ]
}

/// Writes a list of challenges. `noise` chooses among the forms that the grammar permits.
fn write(challenges: &[Sent], noise: &[u8]) -> Vec<u8> {
    let mut noise = noise.iter().copied().cycle();
    let mut pick = |choices: &[&'static [u8]]| {
        choices[usize::from(noise.next().unwrap_or(0)) % choices.len()].to_vec()
    };
    let mut line = pick(&[b"", b" ", b", ,"]);
    for (index, sent) in challenges.iter().enumerate() {
        if index > 0 {
            line.extend(pick(&[b",", b", ", b" ,\t, "]));
        }
        line.extend(sent.scheme.as_bytes());
        if let Some(token68) = &sent.token68 {
            line.extend(pick(&[b" ", b"  "]));
            line.extend(token68.as_bytes());
        }
        for (index, (name, value, quoted)) in sent.params.iter().enumerate() {
            line.extend(match index {
                0 => pick(&[b" ", b" \t ", b" , "]),
                _ => pick(&[b",", b", ", b" ,, "]),
            });
            line.extend(name.as_bytes());
            line.extend(pick(&[b"=", b" = ", b"\t="]));
            if *quoted {
                line.push(b'"');
                for &byte in value {
                    if matches!(byte, b'"' | b'\\') || pick(&[b"", b"", b"\\"]) == b"\\" {
                        line.push(b'\\');
                    }
                    line.push(byte);
                }
                line.push(b'"');
            } else {
                line.extend(value);
            }
        }
    }
    line.extend(pick(&[b"", b" ", b" ,, "]));
    line
}

type Params = Vec<(Vec<u8>, Vec<u8>)>;

/// Returns the schemes, and the names and values of their parameters.
fn parsed(line: &[u8]) -> Vec<(Vec<u8>, Params)> {
    let mut challenges = Vec::new();
    for item in Items::new(line) {
        match item {
            Item::Scheme(scheme) => challenges.push((scheme.to_vec(), Vec::new())),
            Item::Param(name, value) => {
                let (_, params) = challenges.last_mut().unwrap();
                params.push((name.to_vec(), value.bytes().collect()));
            }
        }
    }
    challenges
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(line in prop::collection::vec(any::<u8>(), 0..300)) {
        let items = Items::new(&line).count();
        prop_assert!(items <= line.len());
        if let Ok(value) = HeaderValue::from_bytes(&line) {
            read_lines([value]);
        }
    }

    #[test]
    fn near_misses_never_panic(line in "([Bb]earer|DPoP|error|=|\"|\\\\|,| |\t|invalid_token|a|\u{e9}){0,40}") {
        read_lines([line]);
    }

    #[test]
    fn well_formed_challenges_round_trip(
        challenges in prop::collection::vec(sent(), 0..5),
        noise in prop::collection::vec(any::<u8>(), 1..40),
    ) {
        let expected: Vec<_> = challenges
            .iter()
            .map(|sent| {
                let params = sent.params.iter();
                let params = params.map(|(n, v, _)| (n.clone().into_bytes(), v.clone())).collect();
                (sent.scheme.clone().into_bytes(), params)
            })
            .collect();
        prop_assert_eq!(parsed(&write(&challenges, &noise)), expected);
    }
}
