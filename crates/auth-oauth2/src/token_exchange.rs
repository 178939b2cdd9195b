use std::{fmt, time::Duration};

use auth_core::{
    AccessToken, Credentials, Error, ErrorKind, Exchange, Moment, RequestOutcome, Secret,
    SecretSource, SharedSecretSource, SharedTransport, TokenSource, Transport,
};

use crate::{
    GrantBuilder,
    grant::{Client, sealed},
};

/// The token exchange grant (RFC 8693): somebody's token for another one that acts on their behalf.
///
/// For services that call out as the user who called them: the user's token goes in, and a token
/// for the API behind comes out. One source is for one subject token. When that expires, so does
/// what was had for it: nothing is asked for any more, and no token outlives it.
///
/// # Example
///
/// ```
/// # use auth_core::{Error, Transport};
/// use std::time::Duration;
///
/// use auth_core::Secret;
/// use auth_oauth2::TokenExchange;
///
/// # fn source(transport: impl Transport) -> Result<TokenExchange, Error> {
/// let source = TokenExchange::builder(
///     "https://login.example.com/oauth2/token",
///     "my-service",
///     Secret::new("fake-secret"),
///     Secret::new("fake-token-of-a-user"),
///     transport,
/// )
/// .subject_expires_in(Duration::from_secs(300))
/// .audience("https://reports.example.com")
/// .build()?;
/// # Ok(source)
/// # }
/// ```
///
/// # Cancel safety
///
/// Dropping an exchange drops the request. Nothing is kept of it, and nothing goes on.
///
/// # Security
///
/// The subject token is kept as long as the source: it is needed for each renewal. What the vendor
/// says is scrubbed of it.
pub struct TokenExchange {
    client: Client,
    subject: Subject,
    expires: Option<Moment>,
}

/// On whose behalf.
#[derive(Debug)]
#[allow(unnameable_types, reason = "of the sealed trait's")]
pub struct Subject {
    token: Secret,
    token_type: String,
    expires_in: Option<Duration>,
    actor: Option<(Secret, String)>,
    requested_type: String,
    refresh_tokens: bool,
}

/// An OAuth 2.0 access token (RFC 8693 section 3).
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
const GRANT: &str = "urn:ietf:params:oauth:grant-type:token-exchange";

impl TokenExchange {
    /// Starts with what every vendor needs: the token endpoint's URL, the client's identifier and
    /// secret, the subject's token, and the way to send requests.
    pub fn builder(
        token_url: impl Into<String>,
        client_id: impl Into<String>,
        client_secret: impl SecretSource,
        subject_token: impl Into<Secret>,
        transport: impl Transport,
    ) -> GrantBuilder<Self> {
        GrantBuilder::new(
            token_url.into(),
            client_id.into(),
            Some(SharedSecretSource::new(client_secret)),
            SharedTransport::new(transport),
            Subject {
                token: subject_token.into(),
                token_type: ACCESS_TOKEN.into(),
                expires_in: None,
                actor: None,
                requested_type: String::new(),
                refresh_tokens: false,
            },
        )
    }

    fn left(&self) -> Option<Duration> {
        self.expires.map(|end| self.client.now().until(end))
    }

    async fn exchange(&self, secret: Option<&Secret>) -> Result<AccessToken, Error> {
        let Subject {
            token,
            token_type,
            actor,
            requested_type,
            ..
        } = &self.subject;
        let mut own = vec![
            ("subject_token", token.expose()),
            ("subject_token_type", token_type),
        ];
        let mut secrets = vec![token];
        if let Some((actor, actor_type)) = actor {
            own.extend([
                ("actor_token", actor.expose()),
                ("actor_token_type", actor_type),
            ]);
            secrets.push(actor);
        }
        if !requested_type.is_empty() {
            own.push(("requested_token_type", requested_type));
        }
        self.client.exchange(secret, GRANT, &own, &secrets).await
    }
}

impl GrantBuilder<TokenExchange> {
    /// Sets the type of the subject token, a URI of RFC 8693 section 3; default an access token.
    pub fn subject_token_type(mut self, uri: impl Into<String>) -> Self {
        self.own.token_type = uri.into();
        self
    }

    /// Sets how long the subject token lives from now on. Without it, what is had for the subject
    /// token may outlive it by its own lifetime.
    pub fn subject_expires_in(mut self, lifetime: Duration) -> Self {
        self.own.expires_in = Some(lifetime);
        self
    }

    /// Sets who acts for the subject, by a token of a type of RFC 8693 section 3.
    pub fn actor_token(mut self, token: impl Into<Secret>, token_type: impl Into<String>) -> Self {
        self.own.actor = Some((token.into(), token_type.into()));
        self
    }

    /// Asks for a token of this type, a URI of RFC 8693 section 3; by default the vendor chooses.
    pub fn requested_token_type(mut self, uri: impl Into<String>) -> Self {
        self.own.requested_type = uri.into();
        self
    }

    /// Sets whether refresh tokens are kept, in the authenticator's store if it has one, and spent
    /// in place of the subject token; default no: the token of somebody else is to be had again as
    /// long as they are there, and not longer (RFC 8693 section 2.2.1).
    ///
    /// With [`subject_expires_in`](Self::subject_expires_in) nothing outlives the subject token even
    /// so. A refresh asks for the scope that was granted; audience, resources and extra parameters
    /// are sent with it.
    pub fn refresh_tokens(mut self, keep: bool) -> Self {
        self.own.refresh_tokens = keep;
        self
    }
}

impl sealed::Grant for TokenExchange {
    type Own = Subject;
    const PARAMETERS: &'static [&'static str] = &[
        "subject_token",
        "subject_token_type",
        "actor_token",
        "actor_token_type",
        "requested_token_type",
    ];

    fn new(client: Client, subject: Subject) -> Result<Self, Error> {
        let empty = |field| Err(Error::config(field, "must not be empty"));
        if subject.token.is_empty() {
            return empty("subject_token");
        }
        if subject.token_type.is_empty() {
            return empty("subject_token_type");
        }
        match &subject.actor {
            Some((token, _)) if token.is_empty() => return empty("actor_token"),
            // RFC 8693 section 2.1: required with it.
            Some((_, token_type)) if token_type.is_empty() => return empty("actor_token_type"),
            _ => {}
        }
        Ok(Self {
            expires: subject.expires_in.map(|lifetime| client.now() + lifetime),
            client: client.keep_refresh_tokens(subject.refresh_tokens),
            subject,
        })
    }
}

impl TokenSource for TokenExchange {
    async fn fetch(&self, exchange: Exchange) -> Result<AccessToken, Error> {
        let left = self.left();
        if left.is_some_and(|left| left.is_zero()) {
            let vendor = self.client.vendor();
            let message = format!("{vendor}: the subject token has expired");
            let error = Error::new(ErrorKind::Rejected, message);
            return Err(error.with_outcome(RequestOutcome::NotSent));
        }
        let secret = self.client.secret_of(&exchange.credentials)?;
        let token = match self.client.to_spend(&exchange) {
            Some(token) => self.client.refresh(secret, token).await?,
            None => self.exchange(secret).await?,
        };
        // Dies with the subject token, whatever the vendor says.
        Ok(match (token.lifetime(), left) {
            (stated, Some(left)) if stated.is_none_or(|stated| left < stated) => {
                token.expires_in(left)
            }
            _ => token,
        })
    }

    async fn credentials(&self) -> Result<Credentials, Error> {
        let Subject { token, actor, .. } = &self.subject;
        let mut secrets = self.client.read_secrets().await?;
        secrets.push(token.clone());
        secrets.extend(actor.iter().map(|(token, _)| token.clone()));
        Ok(self.client.credentials(secrets))
    }

    fn keeps_refresh_tokens(&self) -> bool {
        self.client.keeps_refresh_tokens()
    }
}

impl fmt::Debug for TokenExchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.client.debug("TokenExchange", f)
    }
}

#[cfg(test)]
mod tests;
