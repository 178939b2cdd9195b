use std::{borrow::Cow, time::Duration};

use auth_core::{
    AccessToken, Credentials, Error, ErrorKind, Moment, Secret, TokenRequest, TokenRequestOutcome,
    TokenSource,
};

use crate::{
    client::{AskedScope, Client, GrantRequest},
    grant_type,
    refreshing::Refreshing,
};

/// The token exchange grant (RFC 8693): exchanges a user's token for a token that acts for the
/// user.
///
/// Made by [`Client::token_exchange`]. For a service that calls another API on behalf of its
/// callers: it sends the user's token and receives a token for that API. One source serves one
/// subject token. After the subject token expires, no token request is sent, and no token that was
/// issued for it is used.
///
/// # Cancel safety
///
/// Dropping the future cancels the HTTP request. No state is kept and no task continues.
///
/// # Security
///
/// The source holds the subject token for its whole life, because each renewal needs it. The
/// subject token is scrubbed from the vendor's texts.
#[derive(Debug)]
pub struct TokenExchange {
    client: Client,
    subject: Secret,
    subject_type: Cow<'static, str>,
    expires: Option<Moment>,
    actor: Option<Actor>,
    /// Empty if the vendor chooses.
    requested_type: Cow<'static, str>,
    refreshing: Refreshing,
}

/// The actor of RFC 8693 section 2.1: who acts for the subject.
#[derive(Debug)]
struct Actor {
    token: Secret,
    token_type: String,
}

/// An OAuth 2.0 access token (RFC 8693 section 3).
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";

impl Client {
    /// Makes a source of tokens that act for the owner of a subject token (RFC 8693).
    ///
    /// The source shares the client's settings, so that a service can make one source for each of
    /// its users.
    ///
    /// # Example
    ///
    /// ```
    /// # use auth_core::{Error, Secret};
    /// use std::time::Duration;
    ///
    /// use auth_oauth2::{Client, TokenExchange};
    ///
    /// fn source_for(client: &Client, user_token: Secret) -> Result<TokenExchange, Error> {
    ///     let source = client.token_exchange(user_token)?;
    ///     Ok(source.subject_expires_in(Duration::from_secs(300)))
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Config`](auth_core::ErrorKind::Config), and [`Error::field`] names the setting:
    ///
    /// - `subject_token`: empty.
    /// - `extra`: the client has an extra parameter that this grant sets itself, for example
    ///   `subject_token`.
    pub fn token_exchange(&self, subject_token: impl Into<Secret>) -> Result<TokenExchange, Error> {
        let subject = subject_token.into();
        check_filled("subject_token", subject.expose())?;
        self.check_own_parameters(&PARAMETERS)?;
        Ok(TokenExchange {
            client: self.clone(),
            subject,
            subject_type: ACCESS_TOKEN.into(),
            expires: None,
            actor: None,
            requested_type: "".into(),
            refreshing: Refreshing::new(false),
        })
    }
}

impl TokenExchange {
    /// Sets the type of the subject token, a URI of RFC 8693 section 3. Default:
    /// `urn:ietf:params:oauth:token-type:access_token`.
    ///
    /// # Errors
    ///
    /// [`Config`](auth_core::ErrorKind::Config) on field `subject_token_type`: empty.
    pub fn subject_token_type(mut self, uri: impl Into<String>) -> Result<Self, Error> {
        let uri = uri.into();
        check_filled("subject_token_type", &uri)?;
        self.subject_type = uri.into();
        Ok(self)
    }

    /// Sets the remaining lifetime of the subject token, for example 5 minutes. Tokens that were
    /// issued for the subject token then expire no later than the subject token. Default: unknown;
    /// a token may outlive the subject token by its own lifetime.
    #[must_use]
    pub fn subject_expires_in(mut self, lifetime: Duration) -> Self {
        self.expires = Some(self.client.now() + lifetime);
        self
    }

    /// Sets who acts for the subject: an actor token, and its type from RFC 8693 section 3.
    /// Default: the client.
    ///
    /// # Errors
    ///
    /// [`Config`](auth_core::ErrorKind::Config) on field `actor_token` or `actor_token_type`:
    /// empty.
    pub fn actor_token(
        mut self,
        token: impl Into<Secret>,
        token_type: impl Into<String>,
    ) -> Result<Self, Error> {
        let (token, token_type) = (token.into(), token_type.into());
        check_filled("actor_token", token.expose())?;
        // RFC 8693 section 2.1 requires the type with the token.
        check_filled("actor_token_type", &token_type)?;
        self.actor = Some(Actor { token, token_type });
        Ok(self)
    }

    /// Sets the type of the requested token, a URI of RFC 8693 section 3. Default: the vendor
    /// chooses.
    #[must_use]
    pub fn requested_token_type(mut self, uri: impl Into<String>) -> Self {
        self.requested_type = uri.into().into();
        self
    }

    /// Sets whether refresh tokens are kept (in the authenticator's store if it has one) and spent
    /// in place of the subject token. Default: `false`, because access for a user should end with
    /// the user's own token (RFC 8693 section 2.2.1).
    ///
    /// With [`subject_expires_in`](Self::subject_expires_in), no token outlives the subject token
    /// in either case. A request with a refresh token has no scope: the vendor grants the same
    /// scope again. It has the audience, resources and extra parameters of the client.
    #[must_use]
    pub fn refresh_tokens(mut self, keep: bool) -> Self {
        self.refreshing = Refreshing::new(keep);
        self
    }

    fn left(&self) -> Option<Duration> {
        self.expires.map(|end| self.client.now().until(end))
    }

    async fn token_request(&self, credentials: &Credentials) -> Result<AccessToken, Error> {
        let mut parameters = vec![
            ("subject_token", self.subject.expose()),
            ("subject_token_type", &*self.subject_type),
        ];
        let mut secrets = vec![&self.subject];
        if let Some(Actor { token, token_type }) = &self.actor {
            parameters.push(("actor_token", token.expose()));
            parameters.push(("actor_token_type", token_type));
            secrets.push(token);
        }
        if !self.requested_type.is_empty() {
            parameters.push(("requested_token_type", &self.requested_type));
        }
        let request = GrantRequest {
            grant_type: grant_type::TOKEN_EXCHANGE,
            parameters: &parameters,
            secrets: &secrets,
            scope: AskedScope::OfTheClient,
            keeps_refresh_token: self.keeps_refresh_tokens(),
        };
        self.client.send(credentials, request).await
    }
}

impl TokenSource for TokenExchange {
    async fn fetch(&self, token_request: TokenRequest) -> Result<AccessToken, Error> {
        let left = self.left();
        if left.is_some_and(|left| left.is_zero()) {
            let error = Error::new(
                ErrorKind::Rejected,
                "the subject token has expired; make a source for the user's current token",
            );
            return Err(self
                .client
                .named(error)
                .with_outcome(TokenRequestOutcome::NotSent));
        }
        let token = match self.refreshing.to_spend(&token_request) {
            Some(token) => {
                let refreshing = &self.refreshing;
                refreshing
                    .refresh(&self.client, &token_request, token)
                    .await?
            }
            None => self.token_request(&token_request.credentials).await?,
        };
        // The token expires no later than the subject token, also if the vendor states a longer
        // lifetime.
        Ok(match (token.lifetime(), left) {
            (stated, Some(left)) if stated.is_none_or(|stated| left < stated) => {
                token.expires_in(left)
            }
            _ => token,
        })
    }

    async fn credentials(&self) -> Result<Credentials, Error> {
        let mut secrets = self.client.read_secrets().await?;
        secrets.push(self.subject.clone());
        secrets.extend(self.actor.iter().map(|actor| actor.token.clone()));
        Ok(self.client.credentials(secrets))
    }

    fn keeps_refresh_tokens(&self) -> bool {
        self.refreshing.keeps_refresh_tokens()
    }
}

fn check_filled(field: &'static str, text: &str) -> Result<(), Error> {
    if text.is_empty() {
        return Err(Error::config(field, "must not be empty"));
    }
    Ok(())
}

/// The parameters that the grant sets itself.
const PARAMETERS: [&str; 5] = [
    "subject_token",
    "subject_token_type",
    "actor_token",
    "actor_token_type",
    "requested_token_type",
];

#[cfg(test)]
mod tests;
