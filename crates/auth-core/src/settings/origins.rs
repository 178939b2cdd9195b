use std::fmt;

use serde::{Deserialize, Deserializer, de};

use crate::{Error, Origins};

/// A list of https origins, or a table of `https`, `danger_allow_http` and `subdomains_of`.
impl<'de> Deserialize<'de> for Origins {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(OriginsVisitor)
    }
}

struct OriginsVisitor;

impl<'de> de::Visitor<'de> for OriginsVisitor {
    type Value = Origins;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "a list of https origins, for example [\"https://api.example.com\"], or a table of \
             `https`, `danger_allow_http` and `subdomains_of`",
        )
    }

    fn visit_seq<A: de::SeqAccess<'de>>(self, seq: A) -> Result<Origins, A::Error> {
        let https = Vec::<String>::deserialize(de::value::SeqAccessDeserializer::new(seq))?;
        Origins::new(https).map_err(de::Error::custom)
    }

    fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Origins, A::Error> {
        let table = Table::deserialize(de::value::MapAccessDeserializer::new(map))?;
        table.origins().map_err(de::Error::custom)
    }
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Table {
    https: Vec<String>,
    danger_allow_http: Vec<String>,
    subdomains_of: Vec<String>,
}

impl Table {
    fn origins(self) -> Result<Origins, Error> {
        let Self {
            https,
            danger_allow_http,
            subdomains_of,
        } = self;
        if !https.is_empty() {
            // Plain http is permitted only where `danger_allow_http` names it.
            Origins::new(&https)?;
        }
        let all: Vec<_> = https.into_iter().chain(danger_allow_http).collect();
        let origins = if all.is_empty() && !subdomains_of.is_empty() {
            Origins::default()
        } else {
            Origins::danger_allow_http(all)?
        };
        subdomains_of
            .iter()
            .try_fold(origins, |origins, suffix| origins.subdomains_of(suffix))
    }
}
