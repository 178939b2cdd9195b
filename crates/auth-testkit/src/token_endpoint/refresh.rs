//! Refresh tokens: RFC 6749 section 6, RFC 9700 section 4.14.2.

use super::{OAuthParams, OAuthRefusal, issue_beside};
use crate::{Answer, RefreshTokens, VendorRequest, refresh::Shown};

/// Somebody has logged in: a token, and the first refresh token.
pub(crate) fn first(request: &VendorRequest<'_>, scope: &str) -> Answer {
    let (family, token) = request.state.refreshes(|refreshes| refreshes.log_in(scope));
    brings(request, family, scope, Some(token))
}

pub(crate) fn answer(
    request: &VendorRequest<'_>,
    params: &OAuthParams,
    rule: RefreshTokens,
) -> Result<Answer, OAuthRefusal> {
    let Some(token) = params.get("refresh_token") else {
        return request.refuse("invalid_request", "refresh_token is missing");
    };
    let state = request.state;
    let scope = params.get("scope");
    match state.refreshes(|refreshes| refreshes.show(token, scope, rule)) {
        Shown::Good {
            family,
            scope,
            next,
        } => {
            state.tally.refreshed();
            Ok(brings(request, family, &scope, next))
        }
        Shown::TooWide => request.refuse("invalid_scope", "more than was granted"),
        Shown::Worthless => request.refuse("invalid_grant", "no such refresh token"),
        Shown::Again(revoked) => {
            state.tally.reused(revoked.is_some());
            for token in revoked.unwrap_or_default() {
                state.ledger(|ledger| ledger.revoke(&token));
            }
            request.refuse("invalid_grant", "the refresh token was replaced")
        }
    }
}

fn brings(
    request: &VendorRequest<'_>,
    family: u64,
    scope: &str,
    refresh_token: Option<String>,
) -> Answer {
    let issued = request.issue();
    let state = request.state;
    state.refreshes(|refreshes| refreshes.brought(family, issued.token()));
    issue_beside(request, &issued, scope, refresh_token)
}
