//! Events as lines of the log. WARN: a person should look. ERROR: requests fail.

use tracing::{Span, field::Empty, span};

use crate::{
    Error,
    observer::{EventKind, SCOPE_DENIED},
};

/// Tokens, token requests, back-offs.
const TOKEN: &str = "auth::token";
/// The token store.
const STORE: &str = "auth::store";
/// Requests to the API.
const REQUEST: &str = "auth::request";

/// Returns whether a subscriber may take lines at DEBUG.
pub(super) fn is_enabled() -> bool {
    tracing::enabled!(target: TOKEN, tracing::Level::DEBUG)
}

/// Makes the span of a token request. The trace of the request that started it does not include it,
/// because other requests wait for the token request too.
pub(super) fn token_request_span(vendor: &str, label: Option<&str>, reason: &str) -> Span {
    let begun_by = Span::current();
    let span = tracing::info_span!(
        target: TOKEN,
        parent: None,
        "token_request",
        vendor,
        label,
        reason,
        outcome = Empty,
        host = Empty,
    );
    span.follows_from(begun_by);
    span
}

/// Makes the span of a caller that waits, so that the caller's trace shows the wait.
pub(super) fn wait_span(
    vendor: &str,
    label: Option<&str>,
    token_request: Option<span::Id>,
) -> Span {
    let span = tracing::info_span!(target: REQUEST, "token_wait", vendor, label);
    span.follows_from(token_request);
    span
}

/// Records in the span of a token request how it ended.
pub(super) fn end_span(outcome: &str, host: Option<&str>) {
    let span = Span::current();
    span.record("outcome", outcome);
    if let Some(host) = host {
        span.record("host", host);
    }
}

/// Logs an event. The layer that sends requests logs the events about single requests, and bounds
/// how many of these are warnings.
pub(super) fn write(vendor: &str, label: Option<&str>, event: &EventKind) {
    let error = event.error();
    let host = error.and_then(Error::host);
    let kind = error.map(|error| error.kind().as_str());
    match event {
        EventKind::TokenRequestStarted { reason } => {
            let reason = reason.as_str();
            tracing::debug!(target: TOKEN, vendor, label, reason, "token request sent");
        }
        EventKind::TokenRequestEnded {
            reason,
            duration,
            error,
            ..
        } => {
            let (reason, duration) = (reason.as_str(), duration.as_secs_f64());
            match error {
                None => {
                    tracing::debug!(target: TOKEN, vendor, label, reason, duration, "token request brought a token");
                }
                Some(error) => {
                    let outcome = error.outcome().as_str();
                    tracing::info!(target: TOKEN, vendor, label, reason, duration, outcome, kind, host, %error, "token request failed");
                }
            }
        }
        EventKind::TokenPublished {
            generation,
            lifetime,
            valid_for,
            renewal_in,
        } => {
            let lifetime = lifetime.map(|lifetime| lifetime.as_secs());
            let (valid_for, renewal_in) = (valid_for.as_secs(), renewal_in.as_secs());
            tracing::debug!(target: TOKEN, vendor, label, %generation, lifetime, valid_for, renewal_in, "new token");
        }
        EventKind::TokenAdopted { age } => {
            let age = age.as_secs();
            tracing::debug!(target: TOKEN, vendor, label, age, "token of another process taken from the token store");
        }
        EventKind::TokenAccepted { generation } => {
            tracing::debug!(target: TOKEN, vendor, label, %generation, "token accepted");
        }
        EventKind::TokenRefused { generation, host } => {
            tracing::debug!(target: TOKEN, vendor, label, %generation, %host, "token refused");
        }
        EventKind::TokenUnused { generation } => {
            tracing::debug!(target: TOKEN, vendor, label, %generation, "token never used");
        }
        EventKind::RenewalFailed { error, valid_for } => {
            let valid_for = valid_for.as_secs();
            tracing::warn!(target: TOKEN, vendor, label, kind, host, %error, valid_for, "renewal failed, the cached token serves");
        }
        EventKind::NoToken { error } => {
            tracing::error!(target: TOKEN, vendor, label, kind, host, %error, "no valid token, requests fail");
        }
        EventKind::Recovered {
            generation,
            failing_for,
        } => {
            let failing_for = failing_for.as_secs();
            tracing::info!(target: TOKEN, vendor, label, %generation, failing_for, "token requests succeed again");
        }
        EventKind::BackOff { wait, error } => {
            let wait = wait.as_secs_f64();
            tracing::debug!(target: TOKEN, vendor, label, kind, host, %error, wait, "no token request for a while");
        }
        EventKind::QuotaUsedUp { wait } => {
            let wait = wait.as_secs();
            tracing::warn!(target: TOKEN, vendor, label, wait, "the token quota is used up");
        }
        EventKind::RefusalBackOff { wait } => {
            let wait = wait.as_secs_f64();
            tracing::warn!(target: TOKEN, vendor, label, wait, "the API refuses renewed tokens, no token request follows a refusal for a while");
        }
        EventKind::Probe { error } => {
            tracing::info!(target: TOKEN, vendor, label, kind, host, %error, "token request tried again after a rejection");
        }
        EventKind::StoreFailed { error } => {
            tracing::warn!(target: STORE, vendor, label, kind, host, %error, "going on without the token store");
        }
        EventKind::StoreRecovered => {
            tracing::info!(target: STORE, vendor, label, "the token store answers again");
        }
        EventKind::LeaseLost => {
            tracing::info!(target: STORE, vendor, label, "lease lost to another process");
        }
        EventKind::AuthenticatorEvicted => {
            tracing::debug!(target: TOKEN, vendor, label, "authenticator evicted");
        }
        EventKind::RequestsWaiting { count } => {
            tracing::debug!(target: REQUEST, vendor, label, count, "requests wait for a token");
        }
        EventKind::RequestsWaited {
            count,
            failed,
            total,
            longest,
        } => {
            let (total, longest) = (total.as_secs_f64(), longest.as_secs_f64());
            tracing::debug!(target: REQUEST, vendor, label, count, failed, total, longest, "requests waited for a token");
        }
        EventKind::WiderScope {
            scopes,
            declined: None,
        } => {
            tracing::info!(target: TOKEN, vendor, label, scopes, "more scope granted");
        }
        // At most as many lines as token requests for more scope.
        EventKind::WiderScope {
            scopes,
            declined: Some(cause @ SCOPE_DENIED),
        } => {
            tracing::warn!(target: TOKEN, vendor, label, scopes, cause, "more scope not granted");
        }
        // Of each request. The layer that sent it warns.
        EventKind::WiderScope {
            scopes,
            declined: Some(cause),
        } => {
            tracing::debug!(target: TOKEN, vendor, label, scopes, cause, "more scope not asked for");
        }
        EventKind::RequestUnsigned { .. }
        | EventKind::RequestReplayed { .. }
        | EventKind::RequestNotReplayed { .. }
        | EventKind::CredentialRemoved { .. } => {}
    }
}

/// An observer panicked.
pub(super) fn panicked(vendor: &str, label: Option<&str>, event: &EventKind) {
    let event = event.name();
    tracing::error!(target: TOKEN, vendor, label, event, "the observer panicked");
}
