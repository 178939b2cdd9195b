//! Refresh tokens: RFC 6749 section 6, RFC 9700 section 4.14.2.

use super::{OAuthParams, OAuthRefusal, issue_beside, mint, refuse};
use crate::{Answer, RefreshTokens, incoming::Incoming, refresh::Shown};

/// A person has logged in: a token, and the first refresh token.
pub(crate) fn first(incoming: &Incoming<'_>, scope: &str) -> Answer {
    let login = incoming
        .state
        .refreshes(|refreshes| refreshes.log_in(scope));
    brings(incoming, login.family, scope, Some(login.token))
}

pub(crate) fn answer(
    incoming: &Incoming<'_>,
    params: &OAuthParams,
    rule: RefreshTokens,
) -> Result<Answer, OAuthRefusal> {
    let Some(token) = params.get("refresh_token") else {
        return refuse(incoming, "invalid_request", "refresh_token is missing");
    };
    let state = incoming.state;
    let scope = params.get("scope");
    match state.refreshes(|refreshes| refreshes.show(token, scope, rule)) {
        Shown::Good {
            family,
            scope,
            next,
        } => {
            state.tally.refreshed();
            Ok(brings(incoming, family, &scope, next))
        }
        Shown::TooWide => refuse(incoming, "invalid_scope", "more than was granted"),
        Shown::Worthless => refuse(incoming, "invalid_grant", "unknown refresh token"),
        Shown::Again(revoked) => {
            state.tally.reused(revoked.is_some());
            for token in revoked.unwrap_or_default() {
                state.ledger(|ledger| ledger.revoke(&token));
            }
            refuse(incoming, "invalid_grant", "the refresh token was replaced")
        }
    }
}

fn brings(
    incoming: &Incoming<'_>,
    family: u64,
    scope: &str,
    refresh_token: Option<String>,
) -> Answer {
    let issued = mint(incoming);
    let state = incoming.state;
    state.refreshes(|refreshes| refreshes.brought(family, issued.token()));
    issue_beside(incoming, &issued, scope, refresh_token)
}
