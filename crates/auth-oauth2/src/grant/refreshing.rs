use std::sync::atomic::{AtomicBool, Ordering};

use auth_core::{AccessToken, Error, Exchange, RejectedPart, RequestOutcome, Secret};
use http::StatusCode;

use super::Client;

/// What a grant does with refresh tokens (RFC 6749 section 6).
#[derive(Debug, Default)]
pub(crate) struct Refreshing {
    wanted: bool,
    /// The vendor handed one out, and does not let this client spend it.
    refused: AtomicBool,
}

impl Client {
    pub(crate) fn keep_refresh_tokens(mut self, wanted: bool) -> Self {
        self.refreshing.wanted = wanted;
        self
    }

    pub(crate) fn keeps_refresh_tokens(&self) -> bool {
        self.refreshing.wanted && !self.refreshing.refused.load(Ordering::Relaxed)
    }

    /// Returns the refresh token that an exchange is to spend in place of the grant's credentials.
    pub(crate) fn to_spend<'e>(&self, exchange: &'e Exchange) -> Option<&'e Secret> {
        let token = exchange.refresh_token.as_ref();
        token.filter(|_| self.keeps_refresh_tokens())
    }

    /// Spends a refresh token that a grant brought, which stays the way out when that fails.
    ///
    /// Without a scope: that asks for the one that was granted, which may be narrower than the one
    /// in the settings, and a refresh must not ask for more.
    pub(crate) async fn refresh(
        &self,
        secret: Option<&Secret>,
        token: &Secret,
    ) -> Result<AccessToken, Error> {
        let own = [("refresh_token", token.expose())];
        let others = self.parameters.iter().filter(|(name, _)| name != "scope");
        let result = self
            .send(secret, REFRESH_TOKEN, &own, others, &[token])
            .await;
        result.map_err(|error| self.refused(error))
    }

    /// Whatever a vendor has against a refresh, but for what it has against the client: the grant
    /// itself is still to be tried, so the refresh token is called worthless.
    fn refused(&self, error: Error) -> Error {
        let looked = matches!(
            error.status(),
            Some(StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN)
        );
        let of_the_client = error.code() == Some("invalid_client");
        if error.outcome() != RequestOutcome::Rejected || !looked || of_the_client {
            return error;
        }
        if let Some("unauthorized_client" | "unsupported_grant_type") = error.code() {
            self.refreshing.refused.store(true, Ordering::Relaxed);
        }
        error
            .with_code("invalid_grant")
            .with_rejected_part(RejectedPart::RefreshToken)
    }
}

/// The name of the grant, and of its parameter.
pub(crate) const REFRESH_TOKEN: &str = "refresh_token";
