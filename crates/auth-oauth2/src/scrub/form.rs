use std::fmt::Write as _;

use zeroize::Zeroizing;

use super::WINDOW;
use crate::{
    client_auth::base64,
    request::{into_bytes, push_form_encoded},
};

/// Returns a secret in each form in which a vendor's text may show it. Forms that differ only by
/// letter case or by the alphabet of base64 are not repeated.
pub(super) fn all(secret: &str) -> Vec<Zeroizing<Vec<u8>>> {
    let form_encoded = form_encoded(secret);
    let mut forms = vec![Zeroizing::new(secret.as_bytes().to_vec())];
    let encoded = [
        percent_encoded(secret),
        json(secret),
        ascii_json(secret),
        Zeroizing::new(form_encoded.as_bytes().to_vec()),
    ];
    for form in encoded {
        if !forms.contains(&form) {
            forms.push(form);
        }
    }
    hexadecimal_forms(secret.as_bytes(), &mut forms);
    base64_forms(secret.as_bytes(), &mut forms);
    if form_encoded.as_str() != secret {
        // HTTP Basic sends the base64 of the form-encoded text (RFC 6749 section 2.3.1).
        base64_forms(form_encoded.as_bytes(), &mut forms);
    }
    forms
}

/// Two digits per byte: without a separator, and with the separators of dumps. The comparison
/// treats a space and `-` as equal.
fn hexadecimal_forms(bytes: &[u8], forms: &mut Vec<Zeroizing<Vec<u8>>>) {
    for separator in ["", " ", ":", ", 0x"] {
        let room = bytes.len() * (2 + separator.len());
        let mut text = Zeroizing::new(String::with_capacity(room));
        for (index, byte) in bytes.iter().enumerate() {
            if index > 0 {
                text.push_str(separator);
            }
            let _ = write!(text, "{byte:02x}");
        }
        // A shorter text would match in every text with numbers.
        if text.len() >= WINDOW {
            forms.push(into_bytes(text));
        }
    }
}

fn form_encoded(secret: &str) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::with_capacity(3 * secret.len()));
    push_form_encoded(&mut text, secret);
    text
}

/// As RFC 3986: `%20` for a space, and fewer characters encoded than in a form.
fn percent_encoded(secret: &str) -> Zeroizing<Vec<u8>> {
    let mut text = Zeroizing::new(String::with_capacity(3 * secret.len()));
    for byte in secret.bytes() {
        match byte {
            b'-' | b'.' | b'_' | b'~' => text.push(char::from(byte)),
            _ if byte.is_ascii_alphanumeric() => text.push(char::from(byte)),
            _ => {
                let _ = write!(text, "%{byte:02X}");
            }
        }
    }
    into_bytes(text)
}

/// With the fewest escapes, and without the quotes.
fn json(secret: &str) -> Zeroizing<Vec<u8>> {
    let mut text = Zeroizing::new(Vec::with_capacity(6 * secret.len() + 2));
    serde_json::to_writer(&mut *text, secret)
        .expect("a text has a JSON form, and a vector takes all bytes");
    text.pop();
    text.remove(0);
    text
}

/// With escapes for all characters outside ASCII. Other escapes are found by unescaping the text.
fn ascii_json(secret: &str) -> Zeroizing<Vec<u8>> {
    let mut text = Zeroizing::new(String::with_capacity(6 * secret.len()));
    for unit in secret.encode_utf16() {
        match u8::try_from(unit) {
            Ok(byte @ (b'"' | b'\\')) => {
                text.push('\\');
                text.push(char::from(byte));
            }
            Ok(byte @ b' '..=b'~') => text.push(char::from(byte)),
            _ => {
                let _ = write!(text, "\\u{unit:04x}");
            }
        }
    }
    into_bytes(text)
}

/// The encoding with its padding, and for each of the three alignments the part that the encodings
/// of all longer texts with these bytes share.
fn base64_forms(bytes: &[u8], forms: &mut Vec<Zeroizing<Vec<u8>>>) {
    for offset in 0..3 {
        let mut shifted = Zeroizing::new(Vec::with_capacity(offset + bytes.len()));
        shifted.resize(offset, 0);
        shifted.extend_from_slice(bytes);
        let whole = base64(&shifted);
        // A character encodes six bits, some of which may belong to a neighbouring byte.
        let first = (8 * offset).div_ceil(6);
        let last = 8 * shifted.len() / 6;
        match whole.get(first..last) {
            Some(own) if own.len() >= SHORTEST => {
                forms.push(Zeroizing::new(own.as_bytes().to_vec()));
            }
            _ => {}
        }
        if offset == 0 {
            forms.push(into_bytes(whole));
        }
    }
}

/// Shorter parts of an encoding match in many texts without a secret.
const SHORTEST: usize = 4;
