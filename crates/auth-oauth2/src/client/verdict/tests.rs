use auth_core::ErrorKind;

use super::*;
use crate::grant_type::{CLIENT_CREDENTIALS, TOKEN_EXCHANGE};

const GRANTS: [&str; 4] = [CLIENT_CREDENTIALS, PASSWORD, REFRESH_TOKEN, TOKEN_EXCHANGE];

fn part(grant: &str, status: u16, code: &'static str) -> Option<RejectedPart> {
    let error = Error::new(ErrorKind::Rejected, "example: no");
    let error = error.with_status(StatusCode::from_u16(status).unwrap());
    let error = match code {
        "" => error,
        code => error.with_code(code),
    };
    judged(grant, error).rejected_part()
}

#[test]
fn invalid_client_and_a_bare_401_reject_the_client() {
    for grant in GRANTS {
        for (status, code) in [
            (400, "invalid_client"),
            (401, "invalid_client"),
            (401, ""),
            (401, "vendor_code"),
            (401, "unauthorized_client"),
            (401, "access_denied"),
        ] {
            let expected = Some(RejectedPart::Credentials);
            assert_eq!(
                part(grant, status, code),
                expected,
                "{grant} {status} {code}"
            );
        }
    }
}

#[test]
fn invalid_grant_rejects_what_the_grant_sends() {
    for status in [400, 401, 403] {
        let parts = GRANTS.map(|grant| part(grant, status, "invalid_grant").unwrap());
        let expected = [
            RejectedPart::Request,
            RejectedPart::Credentials,
            RejectedPart::RefreshToken,
            RejectedPart::Request,
        ];
        assert_eq!(parts, expected);
    }
}

#[test]
fn t26_an_error_about_the_request_does_not_count_against_a_password() {
    for grant in GRANTS {
        for code in [
            "access_denied",
            "invalid_request",
            "invalid_scope",
            "invalid_target",
            "unauthorized_client",
            "unsupported_grant_type",
        ] {
            assert_eq!(
                part(grant, 400, code),
                Some(RejectedPart::Request),
                "{code}"
            );
        }
        for status in [302, 307, 404, 405, 413, 418] {
            assert_eq!(
                part(grant, status, ""),
                Some(RejectedPart::Request),
                "{status}"
            );
        }
    }
}

#[test]
fn t26_a_vendor_specific_code_counts_against_a_password_only() {
    for status in [200, 400, 403] {
        for code in ["", "bad_password"] {
            let parts = GRANTS.map(|grant| part(grant, status, code).unwrap());
            let expected = [
                RejectedPart::Request,
                RejectedPart::Credentials,
                RejectedPart::Request,
                RejectedPart::Request,
            ];
            assert_eq!(parts, expected, "{status} {code}");
        }
    }
}

#[test]
fn an_answer_that_rejects_nothing_stays_so() {
    for kind in [
        ErrorKind::Unavailable,
        ErrorKind::Throttled,
        ErrorKind::Protocol,
    ] {
        let error = Error::new(kind, "example: no").with_status(StatusCode::BAD_REQUEST);
        assert_eq!(judged(PASSWORD, error).rejected_part(), None);
    }
    let not_sent =
        Error::new(ErrorKind::Rejected, "vault: sealed").with_outcome(TokenRequestOutcome::NotSent);
    assert_eq!(judged(PASSWORD, not_sent).rejected_part(), None);
}
