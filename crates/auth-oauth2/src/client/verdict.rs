use auth_core::{Error, RejectedPart, TokenRequestOutcome};
use http::StatusCode;

use crate::grant_type::{JWT_BEARER, PASSWORD, REFRESH_TOKEN};

/// Adds to a rejection which part of the token request the vendor rejected. The meaning of
/// `invalid_grant` depends on the grant (RFC 6749 section 5.2).
pub(super) fn judged(grant_type: &str, error: Error) -> Error {
    if error.outcome() != TokenRequestOutcome::Rejected {
        return error;
    }
    let part = match (error.code(), error.rejected_part()) {
        // The reply rules recognised a vendor's code for wrong credentials.
        (code, Some(RejectedPart::Credentials)) if code != Some("invalid_grant") => {
            RejectedPart::Credentials
        }
        (code, _) => rejected_part(grant_type, code, error.status()),
    };
    error.with_rejected_part(part)
}

fn rejected_part(grant: &str, code: Option<&str>, status: Option<StatusCode>) -> RejectedPart {
    let unauthorized = status == Some(StatusCode::UNAUTHORIZED);
    match (code, grant) {
        // With the JWT bearer grant, `invalid_grant` means the assertion (RFC 7523 section 3.1).
        (Some("invalid_client"), _) | (Some("invalid_grant"), PASSWORD | JWT_BEARER) => {
            RejectedPart::Credentials
        }
        (Some("invalid_grant"), REFRESH_TOKEN) => RejectedPart::RefreshToken,
        // RFC 6749 section 5.2 uses 401 only for failed client authentication. Keycloak and Auth0
        // answer a wrong client secret with these codes.
        (Some("access_denied" | "unauthorized_client"), _) if unauthorized => {
            RejectedPart::Credentials
        }
        (
            Some(
                "access_denied"
                | "invalid_grant"
                | "invalid_request"
                | "invalid_scope"
                | "invalid_target"
                | "unauthorized_client"
                | "unsupported_grant_type",
            ),
            _,
        ) => RejectedPart::Request,
        _ if unauthorized => RejectedPart::Credentials,
        // A vendor-specific code may mean a wrong password. One rejection too many in the count
        // delays logins by a day at most; one too few may lock the account.
        (_, PASSWORD) if status.is_some_and(judges_logins) => RejectedPart::Credentials,
        _ => RejectedPart::Request,
    }
}

/// A redirect or a missing page is no answer about a password.
fn judges_logins(status: StatusCode) -> bool {
    status.is_success() || matches!(status, StatusCode::BAD_REQUEST | StatusCode::FORBIDDEN)
}

#[cfg(test)]
mod tests;
