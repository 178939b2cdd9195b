use base64::{
    Engine,
    engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD},
};

/// A secret in a text that must not contain it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Leak {
    /// The index of the secret, from 0.
    pub secret: usize,
    /// The form of the secret in the text: `raw`, `base64`, ...
    pub form: &'static str,
    /// The line of the text, from 1.
    pub line: usize,
}

/// Searches a text for secrets in plain form and in the forms in which they get into logs.
///
/// The forms are raw, percent-encoded, base64 and base64url (at any offset within a longer value,
/// and of the percent-encoded text too, as in `Authorization: Basic`), JSON-escaped, hexadecimal,
/// and the list of numbers that `Debug` makes of bytes. The first eight bytes of a secret count as
/// much as the whole, so choose secrets that start like nothing else in the text. Secrets of less
/// than four bytes would be found everywhere and are not searched.
///
/// # Example
///
/// ```
/// use auth_testkit::find_secrets;
///
/// let log = "sent header: Basic ZmFrZS1pZDpmYWtlLXNlY3JldC0x"; // fake-id:fake-secret-1
/// let leaks = find_secrets(log, &["fake-secret-1"]);
/// assert_eq!((leaks[0].secret, leaks[0].form, leaks[0].line), (0, "base64", 1));
/// assert!(find_secrets("nothing to see", &["fake-secret-1"]).is_empty());
/// ```
#[must_use]
pub fn find_secrets(text: impl AsRef<[u8]>, secrets: &[impl AsRef<str>]) -> Vec<Leak> {
    let plain = text.as_ref();
    let decoded = percent_decode(plain);
    let mut leaks = Vec::new();
    for (secret, value) in secrets.iter().enumerate() {
        let value = value.as_ref().as_bytes();
        if value.len() < SHORTEST {
            continue;
        }
        let begin = &value[..value.len().min(PREFIX)];
        let mut look = |form, text: &[u8], needle: &[u8]| {
            let found = |leak: &Leak| leak.secret == secret && leak.form == form;
            if !leaks.iter().any(found) {
                leaks.extend(find_line(text, needle).map(|line| Leak { secret, form, line }));
            }
        };
        look("raw", plain, begin);
        if decoded != plain {
            look("percent", &decoded, begin);
            look("percent", &decoded, &replace(begin, b' ', b'+'));
        }
        for (form, needle) in encoded_forms(begin) {
            look(form, plain, &needle);
        }
        let percent: String = form_urlencoded::byte_serialize(value).collect();
        let percent = &percent.as_bytes()[..percent.len().min(PREFIX)];
        for offset in 0..3 {
            look(
                "base64",
                plain,
                &base64_inside(&STANDARD_NO_PAD, percent, offset),
            );
        }
    }
    leaks
}

/// Asserts that a text contains none of the secrets, in none of the forms that [`find_secrets`]
/// knows.
///
/// # Panics
///
/// If the text contains one. The message names the index, the form and the line, and does not
/// repeat the secret.
#[track_caller]
pub fn assert_no_secret(text: impl AsRef<[u8]>, secrets: &[impl AsRef<str>]) {
    let leaks = find_secrets(text, secrets);
    assert!(leaks.is_empty(), "secrets in the text: {leaks:?}");
}

fn encoded_forms(part: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let join = |with: &str, show: fn(&u8) -> String| {
        part.iter()
            .map(show)
            .collect::<Vec<_>>()
            .join(with)
            .into_bytes()
    };
    let json = serde_json::Value::from(String::from_utf8_lossy(part)).to_string();
    let mut forms = vec![
        ("hex", join("", |byte| format!("{byte:02x}"))),
        ("hex", join("", |byte| format!("{byte:02X}"))),
        ("bytes", join(", ", u8::to_string)),
        ("json", json.trim_matches('"').into()),
    ];
    for offset in 0..3 {
        let standard = base64_inside(&STANDARD_NO_PAD, part, offset);
        let url_safe = base64_inside(&URL_SAFE_NO_PAD, part, offset);
        if url_safe != standard {
            forms.push(("base64url", url_safe));
        }
        forms.push(("base64", standard));
    }
    // A form that equals the raw bytes was found as raw.
    forms.retain(|(_, needle)| needle != part);
    forms
}

/// Returns the characters that depend only on these bytes when they are at this offset (modulo 3)
/// within a longer base64 value.
fn base64_inside(engine: &impl Engine, part: &[u8], offset: usize) -> Vec<u8> {
    let mut bytes = vec![0; offset];
    bytes.extend_from_slice(part);
    let text = engine.encode(&bytes);
    let first = (offset * 8).div_ceil(6);
    let last = bytes.len() * 8 / 6;
    text.as_bytes()[first..last].to_vec()
}

fn percent_decode(text: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [byte, after @ ..] = rest {
        let digits = after
            .get(..2)
            .and_then(|digits| std::str::from_utf8(digits).ok());
        let value = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        rest = match (byte, value) {
            (b'%', Some(value)) => {
                decoded.push(value);
                &after[2..]
            }
            _ => {
                decoded.push(*byte);
                after
            }
        };
    }
    decoded
}

fn replace(text: &[u8], from: u8, to: u8) -> Vec<u8> {
    text.iter()
        .map(|byte| if *byte == from { to } else { *byte })
        .collect()
}

fn find_line(text: &[u8], needle: &[u8]) -> Option<usize> {
    let at = text
        .windows(needle.len())
        .position(|window| window == needle)?;
    Some(text.iter().take(at).filter(|byte| **byte == b'\n').count() + 1)
}

/// Shorter secrets are found everywhere.
const SHORTEST: usize = 4;

/// This many first bytes of a secret count as much as the whole.
const PREFIX: usize = 8;

#[cfg(test)]
mod tests;
