use auth_core::{Error, Secret};
use base64::{
    Engine as _,
    alphabet::{Alphabet, STANDARD, URL_SAFE},
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use chacha20poly1305::{KeyInit as _, XChaCha20Poly1305};
use data_encoding::HEXLOWER_PERMISSIVE;
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

/// A key that seals and opens.
pub(crate) struct SealingKey(Zeroizing<[u8; SIZE]>);

/// Says which key sealed an entry, and nothing of the key.
pub(crate) type Id = [u8; 8];

impl SealingKey {
    /// Reads a key's text: base64 or base64url with or without padding, or hexadecimal.
    pub(crate) fn parse(field: &'static str, text: &Secret) -> Result<Self, Error> {
        let bytes = text.expose().as_bytes();
        let key = match bytes.len() {
            43 | 44 => base64(bytes, &STANDARD).or_else(|| base64(bytes, &URL_SAFE)),
            64 => hex(bytes),
            _ => None,
        };
        key.map(Self).ok_or_else(|| {
            let problem = "must be 32 random bytes as base64 or hexadecimal, and nothing else: \
                           make them with `openssl rand -base64 32`";
            Error::config(field, problem)
        })
    }

    pub(crate) fn id(&self) -> Id {
        let hash = Sha256::new_with_prefix(b"auth-store-seal key id 1\n");
        let hash: [u8; 32] = hash.chain_update(*self.0).finalize().into();
        let [a, b, c, d, e, f, g, h, ..] = hash;
        [a, b, c, d, e, f, g, h]
    }

    /// To hash it with other things.
    pub(crate) fn bytes(&self) -> &[u8] {
        &*self.0
    }

    pub(crate) fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new((&*self.0).into())
    }
}

fn base64(text: &[u8], alphabet: &Alphabet) -> Option<Zeroizing<[u8; SIZE]>> {
    let padding =
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    // As long as the decoder may want it for a moment.
    let mut buffer = Zeroizing::new([0; 36]);
    let engine = GeneralPurpose::new(alphabet, padding);
    let size = engine.decode_slice(text, &mut *buffer).ok()?;
    let mut key = Zeroizing::new([0; SIZE]);
    key.copy_from_slice(buffer.get(..size).filter(|bytes| bytes.len() == SIZE)?);
    Some(key)
}

fn hex(text: &[u8]) -> Option<Zeroizing<[u8; SIZE]>> {
    let mut key = Zeroizing::new([0; SIZE]);
    HEXLOWER_PERMISSIVE.decode_mut(text, &mut *key).ok()?;
    Some(key)
}

const SIZE: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "fbff00112233445566778899aabbccddeeff00112233445566778899aabbfbff";

    fn parse(text: &str) -> Result<SealingKey, Error> {
        SealingKey::parse("sealing_key", &Secret::new(text))
    }

    #[test]
    fn a_key_is_the_same_however_it_is_written() {
        let base64 = "+/8AESIzRFVmd4iZqrvM3e7/ABEiM0RVZneImaq7+/8=";
        let url_safe = base64.replace('+', "-").replace('/', "_");
        let key = parse(HEX).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(key.0[..3], [0xfb, 0xff, 0]);
        for text in [
            &HEX.to_uppercase(),
            base64,
            base64.trim_end_matches('='),
            &url_safe,
            url_safe.trim_end_matches('='),
        ] {
            let same = parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(same.0, key.0, "{text}");
            assert_eq!(same.id(), key.id());
        }
    }

    #[test]
    fn what_is_no_key_is_refused() {
        let base64 = "+/8AESIzRFVmd4iZqrvM3e7/ABEiM0RVZneImaq7+/8=";
        for text in [
            "",
            "fake-secret",
            &HEX[1..],
            &HEX[2..],
            &format!("{HEX}\n"),
            &format!("{HEX}00"),
            &HEX.replace("11", "1g"),
            &HEX.replace("11", "+1"),
            &base64[1..],
            &base64[..42],
            &format!("{base64}="),
            &format!(" {base64}"),
            &base64.replace('=', "A"),
            &base64.replace("8=", "9="),
            &base64.replace('+', "-"),
            &base64.replace("A", "ä"),
            &"x".repeat(32),
        ] {
            let Err(error) = parse(text) else {
                panic!("{text:?} was taken");
            };
            assert_eq!(error.field(), Some("sealing_key"));
            assert!(error.to_string().contains("openssl rand -base64 32"));
            let shown = format!("{error} {error:?}");
            assert!(text.is_empty() || !shown.contains(text), "{shown}");
        }
    }

    #[test]
    fn ids_tell_keys_apart_and_are_no_part_of_them() {
        let (one, other) = (parse(HEX), parse(&HEX.replace("fb", "fa")));
        let (Ok(one), Ok(other)) = (one, other) else {
            panic!("not taken");
        };
        assert_ne!(one.id(), other.id());
        assert!(!one.0.windows(4).any(|part| part == &one.id()[..4]));
    }
}
