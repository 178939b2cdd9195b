//! A retry policy that sees each response of a chain of redirects.

use std::error::Error;

use h2::Reason;
use reqwest::retry;

use crate::followed;

/// Makes a retry policy that notes each response, and retries the same requests as reqwest's
/// default.
///
/// Reqwest's default cannot be extended, because a classifier replaces it.
pub(crate) fn retries() -> retry::Builder {
    // As in reqwest's default: HTTP/2 itself limits these retries.
    retry::for_host(AnyHost).no_budget().classify_fn(|answer| {
        if let Some(status) = answer.status() {
            followed::note_answer(answer.method(), answer.uri(), status);
        }
        if answer.error().is_some_and(is_unprocessed) {
            answer.retryable()
        } else {
            answer.success()
        }
    })
}

struct AnyHost;

impl PartialEq<&str> for AnyHost {
    fn eq(&self, _: &&str) -> bool {
        true
    }
}

/// Returns whether an HTTP/2 server said that it did not process the request: it refused the stream
/// (RFC 9113 section 8.7), or closed the connection without an error.
fn is_unprocessed(error: &(dyn Error + 'static)) -> bool {
    let causes = std::iter::successors(Some(error), |&error| error.source());
    let http2 = causes.filter_map(|error| error.downcast_ref::<h2::Error>());
    let unprocessed = |error: &h2::Error| {
        let closes = error.is_go_away() && error.reason() == Some(Reason::NO_ERROR);
        let refused = error.is_reset() && error.reason() == Some(Reason::REFUSED_STREAM);
        error.is_remote() && (closes || refused)
    };
    http2.into_iter().any(unprocessed)
}
