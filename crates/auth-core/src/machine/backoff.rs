//! The rule table for back-offs: how long no token request is sent after one that brought no token.

use std::time::Duration;

use crate::{Error, ErrorKind, RefreshPolicy, RejectedPart, TokenRequestOutcome, policy::Jitter};

/// What a failed token request proves for the next one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Failure {
    /// Nothing reached the authorization server: no connection was made, or a setting or secret is
    /// missing.
    NotSent,
    /// The request was sent, and its outcome is unknown.
    Unknown,
    /// The reply is neither a token nor an OAuth error.
    NotUnderstood,
    /// The reply is an empty 4xx: it may be a rejection.
    Wordless,
    /// The authorization server asked for fewer requests.
    Throttled,
    /// The authorization server reported that its quota is used up.
    Quota,
    /// This process's count says that the quota is used up. No token request was sent.
    OwnQuota,
    /// The authorization server rejected this part of the token request.
    Rejected(RejectedPart),
    /// The reply contained the token that the API refused.
    SameToken,
}

impl Failure {
    pub(crate) fn of(error: &Error) -> Self {
        if error.kind() == ErrorKind::Refused {
            return Self::SameToken;
        }
        match error.outcome() {
            TokenRequestOutcome::NotSent => Self::NotSent,
            TokenRequestOutcome::Unknown => Self::Unknown,
            TokenRequestOutcome::Rejected => {
                Self::Rejected(error.rejected_part().unwrap_or(RejectedPart::Request))
            }
            TokenRequestOutcome::Throttled if error.kind() == ErrorKind::Quota => Self::Quota,
            TokenRequestOutcome::Throttled => Self::Throttled,
            TokenRequestOutcome::NotUnderstood if is_wordless(error) => Self::Wordless,
            TokenRequestOutcome::NotUnderstood => Self::NotUnderstood,
        }
    }

    /// Returns whether the failure proves something about the vendor or the credentials. If so,
    /// callers get this failure rather than a later one that proves nothing.
    pub(crate) fn is_rejection(self) -> bool {
        matches!(self, Self::Rejected(_))
    }

    /// Returns whether the token request may count against the vendor's quota.
    pub(crate) fn may_count(self) -> bool {
        !matches!(self, Self::NotSent | Self::OwnQuota)
    }
}

/// Failures of one kind in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Row {
    pub(crate) failure: Failure,
    pub(crate) times: u32,
}

impl Row {
    /// Returns the row with one more failure, for one process and for all processes together.
    /// Another kind of failure begins a new row. A token request that never reached the
    /// authorization server proves nothing, so it neither continues nor ends a row.
    pub(crate) fn after(before: Option<Self>, failure: Failure) -> Option<Self> {
        if !failure.may_count() {
            return before;
        }
        let same = before.filter(|row| row.failure == failure);
        let times = same.map_or(0, |row| row.times).saturating_add(1);
        Some(Self { failure, times })
    }
}

/// Returns the number of failures of this kind in the row.
pub(crate) fn times(row: Option<Row>, failure: Failure) -> u32 {
    row.filter(|row| row.failure == failure)
        .map_or(0, |row| row.times)
}

/// Returns whether the reply is an empty 4xx. Some servers reject a secret or a refresh token that
/// way.
fn is_wordless(error: &Error) -> bool {
    let client_error = error
        .status()
        .is_some_and(|status| status.is_client_error());
    client_error && error.kind() == ErrorKind::Protocol && error.code().is_none()
}

/// The facts that determine a back-off.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Situation {
    pub(crate) failure: Failure,
    /// The authorization server's `Retry-After`.
    pub(crate) retry_after: Option<Duration>,
    /// The time since token requests began to fail.
    pub(crate) failing_for: Duration,
    /// The number of failures of this kind in a row, including this one.
    pub(crate) row: u32,
    /// The remaining time of the valid token, and its lifetime.
    pub(crate) valid: Option<(Duration, Duration)>,
    /// The average distance of two token requests under the quota.
    pub(crate) spacing: Option<Duration>,
    /// The time until a slot of the quota is free, by this process's count.
    pub(crate) slot: Duration,
    /// Whether the vendor may lock the account after a few rejected logins.
    pub(crate) lockable: bool,
    pub(crate) jitter: Jitter,
}

/// Returns how long no token request is sent.
pub(crate) fn after(policy: &RefreshPolicy, situation: Situation) -> Duration {
    let Situation {
        failure,
        retry_after,
        row,
        valid,
        spacing,
        slot,
        lockable,
        jitter,
        ..
    } = situation;
    let probe = || policy.probe_after(jitter);
    let wait = match (failure, retry_after) {
        // A person types each code, so a few may be wrong.
        (Failure::Rejected(RejectedPart::SecondFactor), None) if row <= ENOUGH => {
            return transient(policy, situation);
        }
        (Failure::Rejected(RejectedPart::SecondFactor), Some(asked)) if row <= ENOUGH => {
            policy.retry_after(asked)
        }
        (Failure::Rejected(_), None) => probe(),
        (Failure::Rejected(_), Some(asked)) => probe().max(policy.retry_after(asked)),
        (Failure::OwnQuota, asked) => {
            let wait = policy.interval().max(asked.unwrap_or(slot));
            // Slots that are reserved for an expired token may be used once the token has expired.
            return valid.map_or(wait, |(left, _)| wait.min(left));
        }
        (_, Some(asked)) => policy.retry_after(asked),
        (Failure::Quota, None) => slot.max(spacing.unwrap_or(policy.backoff_range().1)),
        // The vendor may have counted a rejected login: its reply was empty, or came too late.
        (Failure::Wordless | Failure::Unknown, None) if lockable && row >= ENOUGH => {
            let factor = 1_u32.checked_shl(row - ENOUGH).unwrap_or(u32::MAX);
            probe().saturating_mul(factor).min(LONGEST_UNKNOWN)
        }
        (Failure::Wordless, None) if row > ENOUGH => probe(),
        (_, None) => return transient(policy, situation),
    };
    wait.max(policy.interval())
}

/// Returns an eighth of the time since token requests began to fail, with jitter. While a token is
/// valid, the next attempt follows within a quarter of the token's remaining time, at the latest
/// when the token expires.
fn transient(policy: &RefreshPolicy, situation: Situation) -> Duration {
    let (first, longest) = policy.backoff_range();
    let base = (situation.failing_for / 8).clamp(first, longest);
    let drawn = base.saturating_sub(situation.jitter.of(base / 2));
    let Some((left, lifetime)) = situation.valid else {
        return drawn.max(policy.interval());
    };
    let floor = policy.interval().min(lifetime / 10);
    drawn.min(left / 4).max(floor).min(left)
}

/// Returns the refusal back-off after the `times`-th renewal in a row that followed a refusal.
pub(crate) fn of_refusals(policy: &RefreshPolicy, times: u32) -> Duration {
    let (first, longest) = policy.backoff_range();
    let factor = 1_u32
        .checked_shl(times.saturating_sub(1))
        .unwrap_or(u32::MAX);
    first.checked_mul(factor).unwrap_or(longest).min(longest)
}

/// The number of equal failures in a row from which the long back-off applies.
const ENOUGH: u32 = 2;
/// The longest back-off after logins with unknown outcome.
pub(super) const LONGEST_UNKNOWN: Duration = Duration::from_secs(3600);

#[cfg(test)]
mod tests;
