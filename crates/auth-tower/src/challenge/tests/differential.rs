//! Compares the parser with `http-auth`: for each line that `http-auth` accepts, both return the
//! same schemes and parameters.

use std::cell::Cell;

use proptest::{
    sample::select,
    test_runner::{Config, TestRunner},
};

use super::*;

/// Returns the result of `http-auth`. `None` for a line that it rejects.
fn read_by_http_auth(line: &[u8]) -> Option<Vec<(Vec<u8>, Params)>> {
    let line = std::str::from_utf8(line).ok()?;
    let challenges = http_auth::parse_challenges(line).ok()?;
    let read = challenges.into_iter().map(|challenge| {
        let params = challenge.params.into_iter();
        let params = params.map(|(name, value)| (name.into(), value.to_unescaped().into()));
        (challenge.scheme.into(), params.collect())
    });
    Some(read.collect())
}

/// Generates lines. Returns the share of lines that both parsers accept.
fn share_that_both_read(lines: impl Strategy<Value = Vec<u8>>) -> f64 {
    const CASES: u32 = 2_000;
    let judged = Cell::new(0_u32);
    let config = Config {
        failure_persistence: None,
        ..Config::with_cases(CASES)
    };
    let result = TestRunner::new(config).run(&lines, |line| {
        if let Some(theirs) = read_by_http_auth(&line) {
            judged.set(judged.get() + 1);
            prop_assert_eq!(parsed(&line), theirs, "{}", String::from_utf8_lossy(&line));
        }
        Ok(())
    });
    result.unwrap();
    f64::from(judged.get()) / f64::from(CASES)
}

#[test]
fn s26_well_formed_lines_are_read_as_by_http_auth() {
    // Mostly without forms that `http-auth` rejects.
    let ascii = |byte: u8| match byte & 0x7f {
        control @ 0..0x20 => control | 0x20,
        byte => byte,
    };
    let sent = sent().prop_map(move |sent| Sent {
        token68: None,
        params: sent
            .params
            .into_iter()
            .map(|(name, value, quoted)| (name, value.into_iter().map(ascii).collect(), quoted))
            .collect(),
        ..sent
    });
    let noise = prop_oneof![12 => Just(0_u8), 1 => any::<u8>()];
    let lines = (
        prop::collection::vec(sent, 1..5),
        prop::collection::vec(noise, 1..40),
    );
    let share = share_that_both_read(lines.prop_map(|(sent, noise)| write(&sent, &noise)));
    assert!(share > 0.8, "{share}");
}

#[test]
fn s26_odd_lines_are_read_as_by_http_auth() {
    let piece = prop_oneof![
        12 => select(&[
            "Bearer", "bearer ", "DPoP ", "Basic ", "realm=", "\"", "\"a, b\"", "\\", ",", ", ", " ", "\t", "=",
            "error=", "invalid_token", "\"invalid_token\"", "scope=\"a b\"", "max_age=60", "x",
            "Bearer a=b", "Bearer a=b", ", error=x", ", error=x", ", Basic realm=\"a\"", "x=y", "!", "/",
        ][..])
        .prop_map(str::to_owned),
        1 => "\\PC{0,2}",
    ];
    let lines = prop::collection::vec(piece, 0..9).prop_map(|pieces| pieces.concat().into_bytes());
    let share = share_that_both_read(lines);
    assert!(share > 0.04, "{share}");
}

/// The documented differences: lines that servers send and `http-auth` rejects.
#[test]
fn s26_lines_that_only_this_parser_reads() {
    for (why, line, schemes) in [
        ("a token68", &b"Negotiate abc==, Bearer error=x"[..], 2),
        ("two spaces after a scheme", b"Bearer  error=x", 1),
        ("a tab after a scheme", b"Bearer\terror=x", 1),
        ("a byte from 0x80 on", b"Bearer realm=\"\xe9\", error=x", 1),
        ("an empty line", b"", 0),
        (
            "a comma between a scheme and its parameter",
            b"Bearer, error=x",
            1,
        ),
    ] {
        assert_eq!(read_by_http_auth(line), None, "{why}");
        let read = parsed(line);
        assert_eq!(read.len(), schemes, "{why}");
        if let Some((_, params)) = read.last() {
            assert_eq!(
                params.last().unwrap(),
                &(b"error".to_vec(), b"x".to_vec()),
                "{why}"
            );
        }
    }
}
