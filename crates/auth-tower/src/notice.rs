//! Log lines and events about requests that were not signed or not sent again. They contain no path
//! and no query.

use auth_core::{Authenticator, Generation, Refusal};
use http::Uri;

use crate::{NotReplayed, Unsigned};

/// The target of all log lines.
const REQUEST: &str = "auth::request";

/// Logs at WARN if the condition holds, otherwise at DEBUG.
macro_rules! warn_if {
    ($first:expr, $($line:tt)+) => {
        match $first {
            true => tracing::warn!(target: REQUEST, $($line)+),
            false => tracing::debug!(target: REQUEST, $($line)+),
        }
    };
}

/// Reports that a request is sent without a credential.
pub(crate) fn unsigned(authenticator: &Authenticator, uri: &Uri, why: &Unsigned) {
    let host = host(uri);
    // The caller chose its own credentials, so this is not worth a warning.
    let notable = !matches!(why, Unsigned::OwnCredentials);
    let first = notable && authenticator.origins().is_first_warning(why.as_str(), host);
    let (vendor, label) = names(authenticator);
    warn_if!(first, vendor, label, host, cause = %why, "request sent unsigned");
    let error = match why {
        Unsigned::NoToken(error) => Some(error),
        _ => None,
    };
    authenticator.observe_unsigned(why.as_str(), host, error);
}

/// Reports that a request is sent to another origin.
pub(crate) fn elsewhere(authenticator: &Authenticator, uri: &Uri) {
    let why = Unsigned::OtherOrigin;
    unsigned(authenticator, uri, &why);
    let origins = authenticator.origins();
    origins.remember_other(uri, why.as_str(), host(uri));
}

/// Reports that a request is sent to another origin, the same as the thread's last one. The number
/// is that of [`Destination::SameOtherOrigin`](auth_core::Destination::SameOtherOrigin).
pub(crate) fn same_elsewhere(authenticator: &Authenticator, uri: &Uri, number: u64) {
    let why = Unsigned::OtherOrigin;
    tracing::debug!(
        target: REQUEST,
        vendor = authenticator.vendor(),
        label = authenticator.label(),
        host = host(uri),
        cause = %why,
        "request sent unsigned"
    );
    authenticator.observe_same_unsigned(number, why.as_str(), || host(uri));
}

/// Reports that the API refused the token and the caller gets that response.
pub(crate) fn not_replayed(authenticator: &Authenticator, sent: Option<&Uri>, why: &NotReplayed) {
    let origins = authenticator.origins();
    let described;
    let host = match sent {
        Some(uri) => host(uri),
        // Nothing was kept of the request, so its host is unknown.
        None => {
            described = origins.describe();
            &described
        }
    };
    let notable = !matches!(why, NotReplayed::Off);
    let first = notable && origins.is_first_warning(why.as_str(), host);
    let (vendor, label) = names(authenticator);
    warn_if!(first, vendor, label, host, cause = %why, "token refused, and the request not sent again");
    let error = match why {
        NotReplayed::NoToken(error) => Some(error),
        _ => None,
    };
    authenticator.observe_not_replayed(why.as_str(), host, error);
}

/// Reports that the API refused the token and the request is about to be sent once more.
pub(crate) fn replayed(authenticator: &Authenticator, uri: &Uri, refused: Generation) {
    let (vendor, label) = names(authenticator);
    let host = host(uri);
    tracing::debug!(target: REQUEST, vendor, label, host, %refused, "token refused, the request is sent again");
    authenticator.observe_replayed(host, refused);
}

/// Reports that the guard removed a credential from a request.
pub(crate) fn removed(authenticator: &Authenticator, uri: &Uri) {
    let host = host(uri);
    let first = authenticator.origins().is_first_warning("removed", host);
    let (vendor, label) = names(authenticator);
    warn_if!(
        first,
        vendor,
        label,
        host,
        "credential removed: the destination is not in `origins`"
    );
    authenticator.observe_removed(host);
}

/// Reports to the authenticator that the API refused the token, with the host if the request was
/// kept.
pub(crate) fn report_refused(
    authenticator: &Authenticator,
    sent: Option<&Uri>,
    refused: Generation,
) -> Refusal {
    authenticator.report_refused_by(refused, sent.map(host))
}

/// Returns the vendor and the label.
fn names(authenticator: &Authenticator) -> (&str, Option<&str>) {
    (authenticator.vendor(), authenticator.label())
}

/// Returns host and port without user information.
fn host(uri: &Uri) -> &str {
    let authority = uri.authority().map(|authority| authority.as_str());
    let Some(authority) = authority else {
        return "(none: the URI has no scheme and host)";
    };
    if !authority.as_bytes().contains(&b'@') {
        return authority;
    }
    authority.rsplit('@').next().unwrap_or(authority)
}
