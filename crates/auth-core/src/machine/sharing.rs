//! What a process takes from the shared record, and what it writes into the record.

use std::time::Duration;

use super::{
    backoff::{self, Failure, Row, Situation},
    context::Cx,
    memory::YIELD,
    orders::Own,
    prints::{Print, Prints},
    record::{self, Kept, Pause, Record, Refresh, SharedRefusals},
    serving::Start,
};
use crate::{
    AccessToken, CredentialsId, Error, ErrorKind, Moment, Quota, RefreshPolicy, Secret,
    TokenRequestReason,
};

/// Takes the record's token if it is valid for this flight.
pub(super) fn adopt(
    cx: &Cx<'_>,
    record: &Record,
    start: &Start,
) -> Option<(AccessToken, Duration)> {
    let kept = record.token.as_ref()?;
    let print = Print::of(&kept.secret);
    if cx.memory.refused.contains(print) || record.refused.contains(print) {
        return None;
    }
    // The flight needs another token than the cached one.
    if start.reason != TokenRequestReason::Needed && cx.memory.current == Some(print) {
        return None;
    }
    let left = usable(&cx.rules.policy, kept);
    if left <= start.beyond {
        return None;
    }
    let token = AccessToken::new(kept.secret.clone()).expires_in(kept.lifetime);
    let token = match &kept.scope {
        Some(scope) => token.scope(scope),
        None => token,
    };
    Some((token, kept.lifetime.saturating_sub(kept.left)))
}

/// Obeys the back-off of other processes.
pub(super) fn obey(
    cx: &mut Cx<'_>,
    record: &Record,
    own: Option<&Own>,
    start: &Start,
) -> Option<(Error, Duration)> {
    if start.reason == TokenRequestReason::Refused {
        if let Some(refusals) = record.refusals.filter(|refusals| !refusals.left.is_zero()) {
            let message = "the API refused the tokens of other processes too";
            let error = Error::new(ErrorKind::Refused, message);
            return Some((error, refusals.left));
        }
    }
    // This process knows by itself what the vendor told it.
    let known = |pause: &&Pause| *pause.owner == *cx.rules.owner && pause.is_from_vendor();
    let pause = record.pause.as_ref().filter(|pause| !known(pause))?;
    if pause.credentials.is_some() && cx.memory.ignores_rejections() {
        return None;
    }
    if let Some(mark) = pause.credentials {
        // Whether the rejection concerns this process is known once the credentials are read.
        if own?.id.map(CredentialsId::mark) != Some(mark) {
            return None;
        }
    }
    let wait = cx.memory.obeys(cx.rules, record, pause, cx.now)?;
    Some((pause.error().with_retry_after(wait), wait))
}

/// Returns the refresh token to send, if one may be sent.
pub(super) fn next_refresh_token(
    cx: &Cx<'_>,
    record: &Record,
    own: Option<&Own>,
) -> Option<Refresh> {
    if !cx.rules.keeps_refresh_tokens {
        return None;
    }
    let is_spent = |secret: &Secret| {
        let print = Print::of(secret);
        cx.memory.has_spent(print) || record.spent.contains(print)
    };
    if let Some(refresh) = record
        .refresh
        .clone()
        .filter(|refresh| !is_spent(&refresh.secret))
    {
        // A refresh token that was sent once with an unknown outcome is sent once more. After that
        // it is given up only if a token can be requested without it.
        let given_up = refresh.uncertain >= MOST_UNCERTAIN && !cx.rules.needs_refresh_token;
        return Some(refresh).filter(|_| !given_up);
    }
    let first = own.and_then(|own| own.first.clone().ok().flatten());
    first
        .filter(|first| !is_spent(first))
        .map(|secret| Refresh {
            secret,
            uncertain: 0,
            is_first: true,
        })
}

/// Returns the record after a token request that brought a token.
pub(super) fn after(cx: &mut Cx<'_>, seen: &Record, token: &AccessToken, sent: Sent<'_>) -> Record {
    let lifetime = token.lifetime().filter(|_| !token.is_permanent());
    let print = Print::of(token.secret());
    let kept = lifetime.map(|lifetime| Kept {
        number: cx.draw.number,
        secret: token.secret().clone(),
        scope: token.granted_scope().and_then(record::kept_scope),
        left: lifetime.saturating_sub(cx.now.wait_since(sent.at)),
        lifetime,
    });
    // The same text is still the token that the API refused.
    let is_refused = cx.memory.refused.contains(print) || seen.refused.contains(print);
    let kept = kept.filter(|kept| !kept.left.is_zero() && !is_refused);
    let brought = token
        .kept_refresh_token()
        .filter(|_| cx.rules.keeps_refresh_tokens);
    let refresh = match brought {
        Some(secret) => Some(Refresh {
            secret: secret.clone(),
            uncertain: 0,
            is_first: false,
        }),
        None => seen.refresh.clone().map(|refresh| Refresh {
            uncertain: 0,
            ..refresh
        }),
    };
    let mut spent = seen.spent.clone();
    // A first refresh token that was replaced is not sent again: neither when all its successors
    // are rejected, nor when the store forgets, nor when it is read again from its source.
    let first = sent.refresh.filter(|sent| sent.is_first);
    if let Some(first) = first.filter(|first| {
        refresh
            .as_ref()
            .is_some_and(|next| next.secret != first.secret)
    }) {
        spent.add(Print::of(&first.secret));
        cx.memory.spend(Print::of(&first.secret));
    }
    let refusals = match sent.reason {
        TokenRequestReason::Refused => {
            let row = seen
                .refusals
                .map_or(0, |refusals| refusals.row)
                .saturating_add(1);
            let left = backoff::of_refusals(&cx.rules.policy, row);
            Some(SharedRefusals {
                row,
                left,
                forget: left.saturating_mul(2).max(Duration::from_secs(60)),
                // One refusal in a window may use the reserve, because the token may have been
                // revoked.
                repeats: cx.rules.quota.map_or(Duration::ZERO, Quota::window),
            })
        }
        _ => seen.refusals,
    };
    Record {
        token: kept,
        refused: seen.refused.clone(),
        refresh,
        spent,
        pause: None,
        failing_for: None,
        row: None,
        failed_by: Prints::default(),
        refusals,
        claim: None,
    }
}

/// Writes into the record that no process sends a token request for a while. `own` and `lockable`
/// are those of the token request that failed.
pub(super) fn tell(
    cx: &Cx<'_>,
    record: &mut Record,
    own: Option<&Own>,
    lockable: bool,
    error: &Error,
) -> Told {
    let failure = Failure::of(error);
    let kept = record.token.as_ref();
    let valid = kept.map(|kept| (usable(&cx.rules.policy, kept), kept.lifetime));
    let valid = valid.filter(|(left, _)| !left.is_zero());
    let failing_for = record.failing_for.unwrap_or_default();
    let row = Row::after(record.row, failure);
    let wait = backoff::after(
        &cx.rules.policy,
        Situation {
            failure,
            retry_after: error.retry_after(),
            failing_for,
            row: backoff::times(row, failure),
            valid,
            spacing: cx.rules.quota.map(Quota::spacing),
            slot: Duration::ZERO,
            lockable,
            jitter: cx.draw.jitter,
        },
    );
    let about = own.and_then(|own| own.id);
    let about = about.filter(|_| failure.is_rejection());
    let mut pause = Pause::new(
        cx.draw.number,
        &cx.rules.owner,
        wait,
        about.map(CredentialsId::mark),
        error,
    );
    if !pause.is_from_vendor() {
        // The other processes go first, because the problem may concern this process only.
        pause.yields = YIELD.min(wait);
        pause.left = pause.left.saturating_add(pause.yields);
        record.failed_by.add(Print::of_text(&cx.rules.owner));
    }
    let left = pause.left;
    record.failing_for = Some(failing_for);
    record.row = row;
    record.pause = Some(pause);
    Told {
        left,
        failing_for,
        row,
        // Callers get the time that holds for all processes.
        holds_for_callers: valid.is_none() && !failure.is_rejection(),
    }
}

/// A token request that was sent.
#[derive(Clone, Copy)]
pub(super) struct Sent<'a> {
    pub(super) at: Moment,
    pub(super) reason: TokenRequestReason,
    pub(super) refresh: Option<&'a Refresh>,
}

/// The record's content after a failure.
#[derive(Clone, Copy)]
pub(super) struct Told {
    /// How long no process sends a token request.
    pub(super) left: Duration,
    pub(super) failing_for: Duration,
    pub(super) row: Option<Row>,
    pub(super) holds_for_callers: bool,
}

/// Returns how long a token may be sent.
pub(super) fn usable(policy: &RefreshPolicy, kept: &Kept) -> Duration {
    let lifetime = policy.lifetime(Some(kept.lifetime));
    let age = kept.lifetime.saturating_sub(kept.left);
    policy.usable_for(lifetime).saturating_sub(age)
}

/// A refresh token that was sent this often with an unknown outcome is given up if a token can be
/// requested without it.
const MOST_UNCERTAIN: u32 = 2;

#[cfg(test)]
mod tests;
