//! Checks of an assertion that need no key.

use std::time::Duration;

use auth_core::{Error, Moment, Secret, TokenRequestOutcome};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Deserialize;
use zeroize::Zeroizing;

/// Checks that an assertion is a JWT (RFC 7519) and that its `exp` has not passed. The signature is
/// not verified; the authorization server does that.
pub(super) fn check(field: &'static str, assertion: &Secret, now: Moment) -> Result<(), Error> {
    let bad =
        |problem: &str| Error::config(field, problem).with_outcome(TokenRequestOutcome::NotSent);
    let expires = match expiry(assertion.expose()) {
        Ok(expires) => expires,
        Err(NoJwt) => {
            return Err(bad(
                "the text that was read is not a JWT (RFC 7519), or only a part of one; check \
                 what writes it, and replace a file by renaming another one over it",
            ));
        }
    };
    let Some(expires) = expires else {
        return Ok(());
    };
    let age = now.since_unix_epoch().as_secs_f64() - expires;
    if age < 0.0 {
        return Ok(());
    }
    let age = Duration::try_from_secs_f64(age).unwrap_or(Duration::MAX);
    Err(bad(&format!(
        "the assertion expired {} s ago by its `exp` and this machine's clock; check that the \
         program that issues it still renews it, and that the clock is right",
        age.as_secs()
    )))
}

/// The text is not a JWT.
struct NoJwt;

/// Returns `exp` in seconds since the Unix epoch. `None` if the claim is missing or encrypted.
fn expiry(assertion: &str) -> Result<Option<f64>, NoJwt> {
    let parts: Vec<&str> = assertion.split('.').collect();
    let filled = parts.iter().all(|part| !part.is_empty());
    let whole = parts.iter().all(|part| is_base64url(part));
    match parts[..] {
        [header, payload, _] if filled && whole => {
            decode::<Header>(header)?;
            Ok(decode::<Claims>(payload)?.exp)
        }
        // Encrypted (RFC 7516). With some algorithms the second part is empty.
        [header, _, _, _, _] if whole => {
            decode::<Header>(header)?;
            Ok(None)
        }
        _ => Err(NoJwt),
    }
}

#[derive(Deserialize)]
struct Header {
    #[serde(rename = "alg")]
    _alg: String,
}

#[derive(Deserialize)]
struct Claims {
    #[serde(default)]
    exp: Option<f64>,
}

fn decode<T: for<'de> Deserialize<'de>>(part: &str) -> Result<T, NoJwt> {
    let bytes = URL_SAFE_NO_PAD.decode(part).map_err(|_| NoJwt)?;
    serde_json::from_slice(&Zeroizing::new(bytes)).map_err(|_| NoJwt)
}

/// RFC 4648 section 5 without padding. No such text has a length of 4n + 1.
fn is_base64url(part: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    part.len() % 4 != 1 && part.bytes().all(fits)
}
