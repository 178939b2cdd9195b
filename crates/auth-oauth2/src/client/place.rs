use std::borrow::Cow;

use auth_core::{Error, TokenRequestOutcome};

use crate::{Discovery, Metadata, TokenEndpoint, discovery::Issuer, token_url};

/// Where a client's token requests go.
pub(super) enum Place {
    Fixed(TokenEndpoint),
    Discovered(Discovered),
}

/// A token endpoint that the issuer's metadata name.
pub(super) struct Discovered {
    pub(super) vendor: String,
    pub(super) issuer: Issuer,
    pub(super) discovery: Discovery,
    /// Of the token endpoint, in bytes.
    pub(super) max_reply: usize,
}

impl Place {
    pub(super) fn vendor(&self) -> &str {
        match self {
            Self::Fixed(endpoint) => endpoint.vendor(),
            Self::Discovered(discovered) => &discovered.vendor,
        }
    }

    /// Returns what stands for the authorization server in the account of credentials. The issuer
    /// does not depend on what is discovered, so credentials have their identity before that, and
    /// keep it when the token endpoint moves.
    pub(super) fn account(&self) -> String {
        match self {
            Self::Fixed(endpoint) => endpoint.normalized_url(),
            Self::Discovered(discovered) => discovered.issuer.as_str().to_owned(),
        }
    }

    /// Returns the token endpoint as far as it is known without a request: empty before a discovery.
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

    /// Makes an error about this place that no request was sent for.
    pub(super) fn located(&self, error: Error) -> Error {
        match self {
            Self::Fixed(endpoint) => endpoint.located(error),
            Self::Discovered(discovered) => error.with_host(discovered.issuer.host().to_owned()),
        }
    }

    /// Returns the token endpoint, whose query has none of these parameters.
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

    /// Takes note of a token request that failed.
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
