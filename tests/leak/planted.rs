//! The secrets, and what is done to find them.

use std::{error::Error, fmt::Write};

use auth_testkit::{assert_no_secret, find_secrets};
use http::{HeaderName, header};

pub(crate) const CLIENT_ID: &str = "fake-client";
/// With characters that encodings change.
pub(crate) const CLIENT_SECRET: &str = "Xq7/+ =fake%client&secret";
/// A parameter of a vendor's own.
pub(crate) const PASSWORD: &str = "Pw3\"Jt\\fake-password";
/// The value of an additional header beside the token.
pub(crate) const APP_KEY: &str = "Ak8Yw.fake-app-key";
/// What a vendor sends along unasked.
pub(crate) const REFRESH_TOKEN: &str = "Rt9Kp~fake-refresh-token";
/// A token of a vendor that the test plays itself.
pub(crate) const TOKEN: &str = "At5Vz_fake-access-token";
/// Of the caller's own.
pub(crate) const OWN: &str = "Ow2Nc-fake-own-credential";

/// Every planted secret; the Basic value as well, which is made of two.
pub(crate) const PLANTED: [&str; 6] = [CLIENT_SECRET, PASSWORD, APP_KEY, REFRESH_TOKEN, TOKEN, OWN];

pub(crate) const APP_HEADER: HeaderName = HeaderName::from_static("x-app-key");

/// Asserts that a text holds neither a planted secret nor one of these tokens.
#[track_caller]
pub(crate) fn assert_clean(text: impl AsRef<[u8]>, tokens: &[String]) {
    assert_no_secret(&text, &PLANTED);
    assert_no_secret(&text, tokens);
}

/// Everything that an error says, by itself and down its chain.
pub(crate) fn told(error: &(dyn Error + 'static)) -> String {
    let mut text = String::new();
    let mut next = Some(error);
    while let Some(error) = next {
        writeln!(text, "{error}\n{error:#}\n{error:?}\n{error:#?}").unwrap();
        next = error.source();
    }
    text
}

/// What goes into a token request, and so must not come out of its error.
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

/// Without this, all others would hold for the wrong reason.
#[test]
fn a_planted_secret_would_be_found() {
    for secret in PLANTED {
        assert!(!find_secrets(format!("before {secret} after"), &PLANTED).is_empty());
        assert!(!find_secrets(format!("{secret:?}"), &PLANTED).is_empty());
    }
    // "fake-client:Xq7%2F%2B+%3Dfake%25client%26secret", as RFC 6749 section 2.3.1 has it.
    let basic = "ZmFrZS1jbGllbnQ6WHE3JTJGJTJCKyUzRGZha2UlMjVjbGllbnQlMjZzZWNyZXQ=";
    assert!(!find_secrets(format!("Basic {basic}"), &PLANTED).is_empty());
}
