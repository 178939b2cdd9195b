use std::sync::atomic::{AtomicBool, Ordering};

use auth_core::{AccessToken, Error, RejectedPart, Secret, TokenRequest, TokenRequestOutcome};
use http::StatusCode;

use crate::{
    client::{AskedScope, Client, GrantRequest},
    grant_type::REFRESH_TOKEN,
};

/// What a source with a grant of its own does with the refresh tokens that the grant brings (RFC
/// 6749 section 6).
#[derive(Debug)]
pub(crate) struct Refreshing {
    wanted: bool,
    /// The vendor handed one out, and does not let this client spend it.
    refused: AtomicBool,
}

impl Refreshing {
    pub(crate) fn new(wanted: bool) -> Self {
        Self {
            wanted,
            refused: AtomicBool::new(false),
        }
    }

    pub(crate) fn keeps_refresh_tokens(&self) -> bool {
        self.wanted && !self.refused.load(Ordering::Relaxed)
    }

    /// Returns the refresh token to spend in place of the grant's credentials.
    pub(crate) fn to_spend<'e>(&self, token_request: &'e TokenRequest) -> Option<&'e Secret> {
        let token = token_request.refresh_token.as_ref();
        token.filter(|_| self.keeps_refresh_tokens())
    }

    /// Spends a refresh token that the grant brought. If the vendor rejects it, the grant itself is
    /// still to be tried.
    ///
    /// Without a scope: that asks for the one that was granted, which may be narrower than the one
    /// in the settings, and a refresh must not ask for more.
    pub(crate) async fn refresh(
        &self,
        client: &Client,
        token_request: &TokenRequest,
        token: &Secret,
    ) -> Result<AccessToken, Error> {
        let request = GrantRequest {
            grant_type: REFRESH_TOKEN,
            parameters: &[(REFRESH_TOKEN, token.expose())],
            secrets: &[token],
            scope: AskedScope::None,
            keeps_refresh_token: self.keeps_refresh_tokens(),
        };
        let result = client.send(&token_request.credentials, request).await;
        result.map_err(|error| self.judged(error))
    }

    /// Takes every rejection for one of the refresh token, except a rejection of the client: the
    /// grant itself is still to be tried.
    fn judged(&self, error: Error) -> Error {
        let looked = matches!(
            error.status(),
            Some(StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN)
        );
        let of_the_client = error.code() == Some("invalid_client");
        if error.outcome() != TokenRequestOutcome::Rejected || !looked || of_the_client {
            return error;
        }
        if let Some("unauthorized_client" | "unsupported_grant_type") = error.code() {
            self.refused.store(true, Ordering::Relaxed);
        }
        error
            .with_code("invalid_grant")
            .with_rejected_part(RejectedPart::RefreshToken)
    }
}
