use std::time::Duration;

use serde::{Deserialize, Deserializer, de};

use super::Span;
use crate::{Error, Quota, TokenRequestLimit};

/// A table of `limit`, `window` and, optionally, `without_store`.
impl<'de> Deserialize<'de> for Quota {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let table = QuotaTable::deserialize(deserializer)?;
        table.quota().map_err(de::Error::custom)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename = "quota")]
struct QuotaTable {
    limit: u32,
    window: Span,
    without_store: Option<u32>,
}

impl QuotaTable {
    fn quota(self) -> Result<Quota, Error> {
        let quota = Quota::new(self.limit, self.window.into())?;
        match self.without_store {
            Some(share) => quota.without_store(share),
            None => Ok(quota),
        }
    }
}

/// A table of `concurrent` and, optionally, `per_second` and `max_wait`.
impl<'de> Deserialize<'de> for TokenRequestLimit {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let table = LimitTable::deserialize(deserializer)?;
        table.limit().map_err(de::Error::custom)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename = "limit")]
struct LimitTable {
    concurrent: usize,
    per_second: Option<u32>,
    max_wait: Option<Span>,
}

impl LimitTable {
    fn limit(self) -> Result<TokenRequestLimit, Error> {
        let mut limit = TokenRequestLimit::new(self.concurrent)?;
        if let Some(starts) = self.per_second {
            limit = limit.per_second(starts)?;
        }
        Ok(match self.max_wait.map(Duration::from) {
            Some(wait) => limit.max_wait(wait),
            None => limit,
        })
    }
}
