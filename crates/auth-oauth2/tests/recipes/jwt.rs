//! Makes the JWTs in a recorded request readable, and equal in each run.

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use serde_json::Value;

pub(crate) fn base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// Replaces each signed JWT by its header and claims. `iat` and `exp` become seconds from now,
/// `jti` its length, thumbprint and signature `...`.
pub(crate) fn readable(text: &str, now: u64) -> String {
    let ends = |char: char| !char.is_ascii_alphanumeric() && !"-_.".contains(char);
    let mut out = String::new();
    let mut rest = text;
    while let Some(start) = rest.find("eyJ") {
        let (before, from) = rest.split_at(start);
        let (jwt, after) = from.split_at(from.find(ends).unwrap_or(from.len()));
        out.push_str(before);
        out.push_str(&shown(jwt, now).unwrap_or_else(|| jwt.to_owned()));
        rest = after;
    }
    out + rest
}

fn shown(jwt: &str, now: u64) -> Option<String> {
    let [header, claims, _signature] = jwt.split('.').collect::<Vec<_>>().try_into().ok()?;
    let decode = |part: &str| -> Option<Value> {
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()
    };
    let (mut header, mut claims) = (decode(header)?, decode(claims)?);
    if header["alg"] == "none" {
        return None;
    }
    if header.get("x5t#S256").is_some() {
        header["x5t#S256"] = "...".into();
    }
    for name in ["iat", "exp"] {
        let seconds = claims[name].as_i64()? - i64::try_from(now).ok()?;
        // Rounded, because the clock advances while a test runs.
        claims[name] = format!("now {:+}", (seconds + 5).div_euclid(10) * 10).into();
    }
    let length = claims["jti"].as_str()?.len();
    claims["jti"] = format!("{length} characters").into();
    Some(format!("{header}.{claims}...."))
}
