//! The planted secrets, and the search for them.

use std::{error::Error, fmt::Write};

use auth_testkit::{assert_no_secret, find_secrets};
use http::{HeaderName, header};

pub(crate) const CLIENT_ID: &str = "fake-client";
/// Contains characters that encodings change.
pub(crate) const CLIENT_SECRET: &str = "Xq7/+ =fake%client&secret";
/// A vendor-specific parameter.
pub(crate) const PASSWORD: &str = "Pw3\"Jt\\fake-password";
/// The value of a second header beside the token.
pub(crate) const APP_KEY: &str = "Ak8Yw.fake-app-key";
/// A refresh token that a vendor returns unasked.
pub(crate) const REFRESH_TOKEN: &str = "Rt9Kp~fake-refresh-token";
/// A token of a scripted vendor.
pub(crate) const TOKEN: &str = "At5Vz_fake-access-token";
/// A credential that the caller set.
pub(crate) const OWN: &str = "Ow2Nc-fake-own-credential";

/// Every planted secret. The Basic value, which is made of two, is checked as well.
pub(crate) const PLANTED: [&str; 6] = [CLIENT_SECRET, PASSWORD, APP_KEY, REFRESH_TOKEN, TOKEN, OWN];

pub(crate) const APP_HEADER: HeaderName = HeaderName::from_static("x-app-key");

/// Asserts that a text contains no planted secret and none of these tokens.
#[track_caller]
pub(crate) fn assert_clean(text: impl AsRef<[u8]>, tokens: &[String]) {
    assert_no_secret(&text, &PLANTED);
    assert_no_secret(&text, tokens);
}

/// Returns all texts of an error, including those of its sources.
pub(crate) fn told(error: &(dyn Error + 'static)) -> String {
    let mut text = String::new();
    let mut next = Some(error);
    while let Some(error) = next {
        writeln!(text, "{error}\n{error:#}\n{error:?}\n{error:#?}").unwrap();
        next = error.source();
    }
    text
}

/// The secrets of a token request, which its error must not contain.
pub(crate) const OF_THE_TOKEN_REQUEST: [&str; 2] = [CLIENT_SECRET, PASSWORD];

/// The secrets of a token request, in forms that a careless vendor might put into a text.
pub(crate) fn echoes() -> Vec<String> {
    let mut texts = Vec::new();
    for secret in OF_THE_TOKEN_REQUEST {
        let percent: String = secret.bytes().map(|byte| format!("%{byte:02X}")).collect();
        texts.push(format!("client said {secret}, which is wrong"));
        texts.push(format!("client said {percent}, which is wrong"));
        texts.push(format!("{}={secret}", header::AUTHORIZATION));
    }
    texts
}

/// Without this test, all others could pass because the search finds nothing.
#[test]
fn the_search_finds_a_planted_secret() {
    for secret in PLANTED {
        assert!(!find_secrets(format!("before {secret} after"), &PLANTED).is_empty());
        assert!(!find_secrets(format!("{secret:?}"), &PLANTED).is_empty());
    }
    // "fake-client:Xq7%2F%2B+%3Dfake%25client%26secret", as in RFC 6749 section 2.3.1.
    let basic = "ZmFrZS1jbGllbnQ6WHE3JTJGJTJCKyUzRGZha2UlMjVjbGllbnQlMjZzZWNyZXQ=";
    assert!(!find_secrets(format!("Basic {basic}"), &PLANTED).is_empty());
}
