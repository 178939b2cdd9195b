//! Replies of the vendor that no other parser knows.

use auth_core::Secret;
use auth_oauth2::Scrubber;
use serde::Deserialize;

/// The login's 403: the password is right, and the user has been sent a code.
pub(crate) struct SecondFactor {
    pub(crate) token: Secret,
    pub(crate) authenticator_code: Secret,
    authenticator: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Body {
    token: String,
    authenticator_code: String,
    #[serde(default)]
    authenticator: Option<String>,
}

impl SecondFactor {
    /// `None` for a 403 with other content.
    pub(crate) fn parse(body: &[u8]) -> Option<Self> {
        let body: Body = serde_json::from_slice(body).ok()?;
        Some(Self {
            token: body.token.into(),
            authenticator_code: body.authenticator_code.into(),
            authenticator: body.authenticator.unwrap_or_default(),
        })
    }

    /// The vendor's word for how the code is sent, cleaned for display.
    pub(crate) fn authenticator(&self, scrubber: &Scrubber) -> String {
        scrubber.clean(&self.authenticator, 64)
    }
}
