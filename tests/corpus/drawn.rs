use std::cell::Cell;

use proptest::{
    collection::vec,
    prelude::*,
    sample::{Index, select},
    test_runner::TestRunner,
};
use tokio::runtime;

use crate::targets::{
    challenge, origin,
    reply::{self, SECRET},
    retry_after, store,
};

/// Pieces, with random text between them.
fn pieces(of: &'static [&'static str], most: usize) -> impl Strategy<Value = String> {
    let piece = prop_oneof![8 => select(of).prop_map(str::to_owned), 1 => "\\PC{0,4}"];
    vec(piece, 0..most).prop_map(|pieces| pieces.concat())
}

fn json() -> impl Strategy<Value = String> {
    let value = prop_oneof![
        select(
            &[
                "\"Bearer\"",
                "\"bearer\"",
                "\"mac\"",
                "3600",
                "-1",
                "0.5",
                "1e999",
                "\"60\"",
                "18446744073709551616",
                "null",
                "[]",
                "{}",
                "\"\"",
                "[\"read\"]",
                "true",
                "\"invalid_client\"",
                "\"invalid_grant\"",
                "\"slow_down\"",
                "\"fake-secret-1\"",
                "\"the secret fake-secret-1 is wrong\"",
                "\"fake%2Dsecret%2D1\"",
                "\"\\u0000\\n\"",
                "\"fake\\u002dsecret-1\"",
            ][..]
        )
        .prop_map(str::to_owned),
        "\\PC{0,6}".prop_map(|text| format!("{text:?}")),
    ];
    let name = select(
        &[
            "access_token",
            "token_type",
            "expires_in",
            "refresh_in",
            "refresh_token",
            "scope",
            "error",
            "error_description",
            "error_uri",
            "x",
            "access\\u005ftoken",
        ][..],
    );
    let member = (name, value).prop_map(|(name, value)| format!("\"{name}\":{value}"));
    vec(member, 0..6).prop_map(|members| format!("{{{}}}", members.join(",")))
}

fn reply() -> impl Strategy<Value = Vec<u8>> {
    let status = prop_oneof![
        select(&[200_u16, 400, 401, 403, 429, 503][..]),
        100..1000_u16
    ];
    let header = select(
        &[
            "",
            "\nretry-after: 30",
            "\nretry-after: Wed, 21 Oct 2015 07:28:00 GMT",
            "\nretry-after: -1",
            "\nContent-Type: text/html",
            "\ndate: Wed, 21 Oct 2015 07:27:30 GMT",
            "\nretry-after: 99999999999999999999",
        ][..],
    );
    let page = pieces(
        &[
            "<html>",
            SECRET,
            "\r\n",
            "&lt;",
            "\u{1b}[31m",
            "error=",
            "\0",
        ],
        12,
    );
    let token =
        r#"{"access_token":"fake-token","token_type":"Bearer","expires_in":3600,"scope":"read"}"#;
    let body = prop_oneof![4 => json(), 1 => page, 1 => Just(token.to_owned())];
    (status, header, any::<bool>(), body).prop_map(|(status, header, mark, body)| {
        let mark = if mark { "\u{feff}" } else { "" };
        format!("{status}{header}\n\n{mark}{body}").into_bytes()
    })
}

fn origins() -> impl Strategy<Value = String> {
    let host = || {
        prop_oneof![
            4 => select(&[
                "api.example.com", "api.example.com", "API.example.com", "evil.example", "127.0.0.1", "[::1]", "localhost",
                "api.example.com.", "[2001:db8::1]", "user@api.example.com", "0x7f.1", "xn--bcher-kva.example",
            ][..])
            .prop_map(str::to_owned),
            1 => pieces(&["api", ".", "example", "com", "@", ":", "443", "[", "]", "%2e", "-"], 6),
        ]
    };
    let port = || select(&["", "", ":443", ":80", ":8443", ":", ":0443", ":65536"][..]);
    let scheme = || select(&["https://", "https://", "http://", "HTTPS://", "ftp://", ""][..]);
    let path = select(
        &[
            "",
            "/",
            "/v1?x=//evil.example",
            "?q=@",
            "/\\evil.example",
            "//evil.example",
        ][..],
    );
    (scheme(), host(), port(), scheme(), host(), port(), path)
        .prop_map(|(a, b, c, d, e, f, g)| format!("{a}{b}{c}\n{d}{e}{f}{g}"))
}

/// Judges this number of random inputs. A failing input is added to the corpus, from which cargo-fuzz
/// starts too.
fn random<S: Strategy>(test: &str, cases: u32, inputs: &S, judge: impl Fn(S::Value)) {
    let config = ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(cases)
    };
    let judged = Cell::new(0_u64);
    let ended = TestRunner::new(config).run(inputs, |input| {
        judged.set(judged.get() + 1);
        judge(input);
        Ok(())
    });
    if let Err(error) = ended {
        panic!("{test}: {error}");
    }
    test_report::line(
        "random",
        [("test", test.into()), ("cases", judged.get().into())],
    );
}

#[test]
fn random_replies() {
    random("replies", 2_000, &reply(), |input| reply::judge(&input));
}

#[test]
fn random_bytes_as_a_reply() {
    random("bytes as a reply", 2_000, &any::<Vec<u8>>(), |input| {
        reply::judge(&input);
    });
}

#[test]
fn random_retry_after() {
    let inputs = pieces(
        &[
            "0",
            "9",
            "30",
            "-",
            "+",
            ".",
            " ",
            "\t",
            "\n",
            "date: ",
            "Wed, 21 Oct 2015 07:28:00 GMT",
            "Wednesday, 21-Oct-15 07:28:00 GMT",
            "Wed Oct 21 07:28:00 2015",
            "18446744073709551616",
            "Thu, 01 Jan 1970 00:00:00 GMT",
        ],
        8,
    );
    random("Retry-After", 2_000, &inputs, |input| {
        retry_after::judge(input.as_bytes());
    });
}

#[test]
fn random_origins() {
    random("origins", 2_000, &origins(), |input| {
        origin::judge(input.as_bytes());
    });
}

#[test]
fn random_challenges() {
    let inputs = pieces(
        &[
            "Bearer",
            "bearer ",
            "DPoP ",
            "Basic ",
            "realm=",
            "\"",
            "\\",
            ",",
            ", ",
            " ",
            "=",
            "==",
            "error=",
            "invalid_token",
            "\"insufficient_scope\"",
            "scope=\"a b\"",
            "max_age=",
            "60",
            "\n",
            "error=\"insufficient_user_authentication\"",
            "acr_values=\"x y\"",
            "use_dpop_nonce",
            "error*=UTF-8''x",
        ],
        16,
    );
    random("challenges", 300, &inputs, |input| {
        challenge::judge(input.as_bytes());
    });
}

#[test]
fn random_bytes_as_an_entry() {
    random("bytes as an entry", 300, &any::<Vec<u8>>(), |input| {
        store::judge(&input);
    });
}

#[test]
fn a_changed_sealed_entry() {
    random("changed sealed entries", 300, &changes(), |change| {
        let runtime = runtime::Builder::new_current_thread().build().unwrap();
        let sealed = runtime.block_on(store::sealed_entry()).content.unwrap();
        let [changed, cut] = change.of(&sealed);
        store::judge(&changed);
        store::judge(&cut);
        store::judge(&[&sealed[..], &[change.bits]].concat());
    });
}

#[test]
fn a_changed_record() {
    random("changed records", 300, &changes(), |change| {
        let mut builder = runtime::Builder::new_current_thread();
        let runtime = builder.enable_time().start_paused(true).build().unwrap();
        let record = runtime.block_on(store::record_entry()).content.unwrap();
        let [changed, cut] = change.of(&record);
        store::judge(&changed);
        store::judge(&cut);
    });
}

/// A change of one byte, and where a copy is cut.
#[derive(Debug)]
struct Change {
    at: Index,
    bits: u8,
    cut: Index,
}

impl Change {
    fn of(&self, entry: &[u8]) -> [Vec<u8>; 2] {
        let mut changed = entry.to_vec();
        changed[self.at.index(entry.len())] ^= self.bits;
        [changed, entry[..self.cut.index(entry.len())].to_vec()]
    }
}

fn changes() -> impl Strategy<Value = Change> {
    let parts = (any::<Index>(), 1..=255_u8, any::<Index>());
    parts.prop_map(|(at, bits, cut)| Change { at, bits, cut })
}
