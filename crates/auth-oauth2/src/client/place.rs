use std::borrow::Cow;

use auth_core::{Error, TokenRequestOutcome};

use crate::{Discovery, Metadata, TokenEndpoint, discovery::Issuer, token_url};

/// Where a client sends its token requests.
pub(super) enum Place {
    Fixed(TokenEndpoint),
    Discovered(Discovered),
}

/// A token endpoint from the issuer's metadata.
pub(super) struct Discovered {
    pub(super) vendor: String,
    pub(super) issuer: Issuer,
    pub(super) discovery: Discovery,
    /// Maximum size of the token endpoint's reply, in bytes.
    pub(super) max_reply: usize,
}

impl Place {
    pub(super) fn vendor(&self) -> &str {
        match self {
            Self::Fixed(endpoint) => endpoint.vendor(),
            Self::Discovered(discovered) => &discovered.vendor,
        }
    }

    /// Returns the text that identifies the authorization server in the account of credentials.
    /// With discovery it is the issuer: credentials are identified before the discovery, and keep
    /// their identity when the token endpoint moves.
    pub(super) fn account(&self) -> String {
        match self {
            Self::Fixed(endpoint) => endpoint.normalized_url(),
            Self::Discovered(discovered) => discovered.issuer.as_str().to_owned(),
        }
    }

    /// Returns the token endpoint if it is known without a request, and an empty text before a
    /// discovery.
    pub(super) fn known_url(&self) -> String {
        match self {
            Self::Fixed(endpoint) => endpoint.url().to_string(),
            Self::Discovered(_) => String::new(),
        }
    }

    pub(super) fn issuer(&self) -> Option<&str> {
        match self {
            Self::Fixed(_) => None,
            Self::Discovered(discovered) => Some(discovered.issuer.as_str()),
        }
    }

    /// Adds vendor and host to an error about a token request that was not sent.
    pub(super) fn located(&self, error: Error) -> Error {
        match self {
            Self::Fixed(endpoint) => endpoint.located(error),
            Self::Discovered(discovered) => error.with_host(discovered.issuer.host().to_owned()),
        }
    }

    /// Returns the token endpoint. Checks that its query has none of these parameters.
    pub(super) async fn endpoint<'n>(
        &self,
        parameters: impl Iterator<Item = &'n str> + Clone,
    ) -> Result<Cow<'_, TokenEndpoint>, Error> {
        let discovered = match self {
            Self::Fixed(endpoint) => return Ok(Cow::Borrowed(endpoint)),
            Self::Discovered(discovered) => discovered,
        };
        let metadata = discovered.metadata().await?;
        let url = metadata.token_endpoint();
        token_url::check_query("token_endpoint", url, parameters)?;
        let transport = discovered.discovery.transport().clone();
        let endpoint = TokenEndpoint::of(discovered.vendor.clone(), url.clone(), transport);
        Ok(Cow::Owned(endpoint.max_reply(discovered.max_reply)))
    }

    /// Tells the discovery about a token request that failed.
    pub(super) fn failed(&self, error: &Error) {
        let Self::Discovered(discovered) = self else {
            return;
        };
        if matches!(
            error.outcome(),
            TokenRequestOutcome::NotSent | TokenRequestOutcome::NotUnderstood
        ) {
            discovered.discovery.doubt(&discovered.issuer);
        }
    }

    pub(super) async fn metadata(&self) -> Result<Metadata, Error> {
        match self {
            Self::Fixed(_) => {
                let problem = "is not set, so there are no metadata to read; start with \
                               `Client::discover` in place of `Client::builder`";
                Err(Error::config("issuer", problem))
            }
            Self::Discovered(discovered) => discovered.metadata().await,
        }
    }
}

impl Discovered {
    async fn metadata(&self) -> Result<Metadata, Error> {
        let metadata = self.discovery.metadata_of(&self.issuer).await;
        metadata.map_err(|error| error.with_vendor(self.vendor.clone()))
    }
}
