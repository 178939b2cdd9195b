use std::sync::atomic::{AtomicBool, Ordering};

use auth_core::{AccessToken, Error, RejectedPart, Secret, TokenRequest, TokenRequestOutcome};
use http::StatusCode;

use crate::{
    client::{AskedScope, Client, GrantRequest},
    grant_type::REFRESH_TOKEN,
};

/// Spends the refresh tokens that another grant brings (RFC 6749 section 6), in place of that
/// grant's credentials.
#[derive(Debug)]
pub(crate) struct Refreshing {
    wanted: bool,
    /// The vendor issued a refresh token and does not let this client spend it.
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

    /// Returns the refresh token to spend, if there is one.
    pub(crate) fn to_spend<'e>(&self, token_request: &'e TokenRequest) -> Option<&'e Secret> {
        let token = token_request.refresh_token.as_ref();
        token.filter(|_| self.keeps_refresh_tokens())
    }

    /// Sends a token request with the refresh token. If the vendor rejects it, the grant's own
    /// credentials are tried next.
    ///
    /// No scope is sent. The vendor then grants the scope of the login, which may be narrower than
    /// the scope in the settings; a refresh must not request more (RFC 6749 section 6).
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

    /// Treats every rejection, except of the client, as a rejection of the refresh token, so that
    /// the grant's own credentials are tried next.
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
