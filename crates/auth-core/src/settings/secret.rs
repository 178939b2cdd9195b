use std::fmt;

use serde::{Deserialize, Deserializer, de};

use crate::{SecretEnv, SecretFile, SharedSecretSource};

/// A reference: `file:` and a path, or `env:` and the name of a variable.
impl<'de> Deserialize<'de> for SharedSecretSource {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ReferenceVisitor)
    }
}

struct ReferenceVisitor;

/// The error never repeats the text or value that was found, because it may be a secret. So every
/// kind of value has a method here: serde's default methods show the value.
impl<'de> de::Visitor<'de> for ReferenceVisitor {
    type Value = SharedSecretSource;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(EXPECTED)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
        match text.split_once(':') {
            Some(("file", path)) if !path.is_empty() => {
                Ok(SharedSecretSource::new(SecretFile::new(path)))
            }
            Some(("env", name)) if !name.is_empty() => {
                Ok(SharedSecretSource::new(SecretEnv::new(name.to_owned())))
            }
            _ => Err(refused()),
        }
    }

    fn visit_bool<E: de::Error>(self, _: bool) -> Result<Self::Value, E> {
        Err(refused())
    }

    fn visit_i64<E: de::Error>(self, _: i64) -> Result<Self::Value, E> {
        Err(refused())
    }

    fn visit_i128<E: de::Error>(self, _: i128) -> Result<Self::Value, E> {
        Err(refused())
    }

    fn visit_u64<E: de::Error>(self, _: u64) -> Result<Self::Value, E> {
        Err(refused())
    }

    fn visit_u128<E: de::Error>(self, _: u128) -> Result<Self::Value, E> {
        Err(refused())
    }

    fn visit_f64<E: de::Error>(self, _: f64) -> Result<Self::Value, E> {
        Err(refused())
    }

    fn visit_char<E: de::Error>(self, _: char) -> Result<Self::Value, E> {
        Err(refused())
    }

    fn visit_bytes<E: de::Error>(self, _: &[u8]) -> Result<Self::Value, E> {
        Err(refused())
    }

    fn visit_none<E: de::Error>(self) -> Result<Self::Value, E> {
        Err(refused())
    }

    fn visit_unit<E: de::Error>(self) -> Result<Self::Value, E> {
        Err(refused())
    }

    fn visit_seq<A: de::SeqAccess<'de>>(self, _: A) -> Result<Self::Value, A::Error> {
        Err(refused())
    }

    fn visit_map<A: de::MapAccess<'de>>(self, _: A) -> Result<Self::Value, A::Error> {
        Err(refused())
    }
}

fn refused<E: de::Error>() -> E {
    E::custom(format_args!(
        "must be {EXPECTED}; settings never hold the secret itself"
    ))
}

const EXPECTED: &str =
    "a reference to a secret: \"file:/path/of/the/file\" or \"env:NAME_OF_THE_VARIABLE\"";
