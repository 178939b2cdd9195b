//! Log lines: what was not signed, and what was not sent again. Never a path or a query.

use auth_core::{Authenticator, Generation};
use http::Uri;

use crate::{NotReplayed, Unsigned};

/// WARN if the condition holds, otherwise DEBUG.
macro_rules! warn_if {
    ($first:expr, $($line:tt)+) => {
        match $first {
            true => tracing::warn!($($line)+),
            false => tracing::debug!($($line)+),
        }
    };
}

/// A request leaves without a credential.
pub(crate) fn unsigned(authenticator: &Authenticator, uri: &Uri, why: &Unsigned) {
    let host = host(uri);
    // The caller's own credentials are the caller's choice.
    let notable = !matches!(why, Unsigned::OwnCredentials);
    let first = notable && authenticator.origins().is_first_warning(why.as_str(), host);
    let vendor = authenticator.vendor();
    warn_if!(first, vendor, host, cause = %why, "request sent unsigned");
}

/// The API refused the token, and the caller gets that answer.
pub(crate) fn not_replayed(authenticator: &Authenticator, sent: Option<&Uri>, why: &NotReplayed) {
    let origins = authenticator.origins();
    let described;
    let host = match sent {
        Some(uri) => host(uri),
        // Nothing was kept of the request, for the sake of requests that are not refused.
        None => {
            described = origins.describe();
            &described
        }
    };
    let notable = !matches!(why, NotReplayed::Off);
    let first = notable && origins.is_first_warning(why.as_str(), host);
    let vendor = authenticator.vendor();
    warn_if!(first, vendor, host, cause = %why, "token refused, and the request not sent again");
}

/// The API refused the token, and the request is about to be sent once more.
pub(crate) fn replayed(authenticator: &Authenticator, uri: &Uri, refused: Generation) {
    let (vendor, host) = (authenticator.vendor(), host(uri));
    tracing::debug!(vendor, host, %refused, "token refused, the request is sent again");
}

/// The guard took a credential off a request.
pub(crate) fn removed(authenticator: &Authenticator, uri: &Uri) {
    let host = host(uri);
    let first = authenticator.origins().is_first_warning("removed", host);
    let vendor = authenticator.vendor();
    warn_if!(
        first,
        vendor,
        host,
        "credential removed: the destination is not in `origins`"
    );
}

/// Host and port without user information.
fn host(uri: &Uri) -> &str {
    let authority = uri.authority().map(|authority| authority.as_str());
    let Some(authority) = authority else {
        return "(none: the URI has no scheme and host)";
    };
    // A byte of ASCII is no part of another character.
    let user_info = authority.bytes().rposition(|byte| byte == b'@');
    user_info.map_or(authority, |at| &authority[at + 1..])
}
