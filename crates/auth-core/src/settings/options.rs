use std::time::Duration;

use serde::{Deserialize, Deserializer, de};

use super::Span;
use crate::{AuthenticatorOptions, Error, Quota, RefreshPolicy, TokenRequestLimit};

/// A table of `policy`, `quota`, `limit` and `shards`, all optional.
impl<'de> Deserialize<'de> for AuthenticatorOptions {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let table = OptionsTable::deserialize(deserializer)?;
        let mut options = Self::new();
        if let Some(policy) = table.policy {
            options = options.policy(policy);
        }
        if let Some(quota) = table.quota {
            options = options.quota(quota);
        }
        if let Some(limit) = table.limit {
            options = options.limit(limit);
        }
        if let Some(shards) = table.shards {
            options = options.shards(shards);
        }
        Ok(options)
    }
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default, rename = "options")]
struct OptionsTable {
    policy: Option<RefreshPolicy>,
    quota: Option<Quota>,
    limit: Option<TokenRequestLimit>,
    shards: Option<usize>,
}

/// A table with one optional field for each setter.
impl<'de> Deserialize<'de> for RefreshPolicy {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let table = PolicyTable::deserialize(deserializer)?;
        table.policy().map_err(de::Error::custom)
    }
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default, rename = "policy")]
struct PolicyTable {
    refresh_at: Option<f64>,
    jitter: Option<f64>,
    margin: Option<Span>,
    default_lifetime: Option<Span>,
    max_lifetime: Option<Span>,
    deadline: Option<Span>,
    min_interval: Option<Span>,
    backoff: Option<BackoffTable>,
    max_retry_after: Option<Span>,
    probe_interval: Option<Span>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename = "backoff")]
struct BackoffTable {
    first: Span,
    longest: Span,
}

impl PolicyTable {
    fn policy(self) -> Result<RefreshPolicy, Error> {
        let policy = RefreshPolicy::default();
        let policy = set(policy, self.refresh_at, RefreshPolicy::refresh_at)?;
        let policy = set(policy, self.jitter, RefreshPolicy::jitter)?;
        let policy = set_span(policy, self.margin, RefreshPolicy::margin)?;
        let policy = set_span(
            policy,
            self.default_lifetime,
            RefreshPolicy::default_lifetime,
        )?;
        let policy = set_span(policy, self.max_lifetime, RefreshPolicy::max_lifetime)?;
        let policy = set_span(policy, self.deadline, RefreshPolicy::deadline)?;
        let policy = set_span(policy, self.min_interval, RefreshPolicy::min_interval)?;
        let policy = set(
            policy,
            self.backoff,
            |policy, BackoffTable { first, longest }| policy.backoff(first.into(), longest.into()),
        )?;
        let policy = set_span(policy, self.max_retry_after, |policy, longest| {
            Ok(policy.max_retry_after(longest))
        })?;
        set_span(policy, self.probe_interval, RefreshPolicy::probe_interval)
    }
}

fn set<T>(
    policy: RefreshPolicy,
    value: Option<T>,
    setter: impl FnOnce(RefreshPolicy, T) -> Result<RefreshPolicy, Error>,
) -> Result<RefreshPolicy, Error> {
    match value {
        Some(value) => setter(policy, value),
        None => Ok(policy),
    }
}

fn set_span(
    policy: RefreshPolicy,
    span: Option<Span>,
    setter: impl FnOnce(RefreshPolicy, Duration) -> Result<RefreshPolicy, Error>,
) -> Result<RefreshPolicy, Error> {
    set(policy, span.map(Duration::from), setter)
}
