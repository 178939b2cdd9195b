use proptest::prelude::*;

use super::*;

/// What stands after `Basic `, decoded.
fn credentials(method: ClientAuth, id: &str, secret: &str) -> String {
    let authorization = method.authorization(id, &Secret::new(secret)).unwrap();
    let known = authorization.credentials().clone();
    let line = authorization.into_line();
    let credentials = line.expose().strip_prefix("Basic ").unwrap();
    assert_eq!(credentials, known.expose());
    String::from_utf8(STANDARD.decode(credentials).unwrap()).unwrap()
}

/// A server's side of RFC 6749 section 2.3.1, by a decoder written for the test.
fn decode(form: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = form.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digits = [rest.next().unwrap(), rest.next().unwrap()];
                u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap()
            }
            other => other,
        });
    }
    String::from_utf8(bytes).unwrap()
}

#[test]
fn s03_basic_is_form_encoded_first() {
    // RFC 6749 appendix B: space, percent, ampersand, plus, pound, euro.
    let vector = " %&+\u{a3}\u{20ac}";
    assert_eq!(credentials(ClientAuth::Basic, vector, vector), {
        let encoded = "+%25%26%2B%C2%A3%E2%82%AC";
        format!("{encoded}:{encoded}")
    });
    assert_eq!(
        credentials(ClientAuth::Basic, "a:b", "a+b/c=%"),
        "a%3Ab:a%2Bb%2Fc%3D%25"
    );
}

#[test]
fn s04_raw_basic_is_an_explicit_choice() {
    assert_eq!(ClientAuth::default(), ClientAuth::Basic);
    assert_eq!(
        credentials(ClientAuth::BasicRaw, "my client", "a+b/c=%:\u{a3}"),
        "my client:a+b/c=%:\u{a3}"
    );
}

#[test]
fn post_sends_no_header() {
    assert!(
        ClientAuth::Post
            .authorization("id", &Secret::new("fake-secret"))
            .is_none()
    );
}

#[test]
fn the_buffer_never_grows() {
    for (id, secret) in [
        ("", ""),
        ("id", "fake-secret"),
        ("\u{20ac}", "\u{20ac}\u{a3} %"),
    ] {
        let room = 3 * (id.len() + secret.len()) + 1;
        let pair = pair(push_form_encoded, id, secret);
        assert!(pair.len() <= room && pair.capacity() == room, "{pair:?}");
    }
}

proptest! {
    #[test]
    fn s03_a_server_decodes_what_went_in(id in any::<String>(), secret in any::<String>()) {
        let pair = credentials(ClientAuth::Basic, &id, &secret);
        let (left, right) = pair.split_once(':').unwrap();
        prop_assert_eq!(decode(left), id);
        prop_assert_eq!(decode(right), secret);
    }

    #[test]
    fn s04_a_server_that_does_not_decode_splits_at_the_first_colon(
        id in "[^:]*",
        secret in any::<String>(),
    ) {
        let pair = credentials(ClientAuth::BasicRaw, &id, &secret);
        prop_assert_eq!(pair.split_once(':').unwrap(), (&*id, &*secret));
    }
}
