use std::{fmt, future::Future, time::Duration};

use auth_core::{
    Authenticator, AuthenticatorOptions, Error, Key, Scheme, Secret, SecretSource,
    SharedSecretSource, SharedTransport, Transport,
};
use auth_oauth2::ReplyRules;

use crate::{
    ApiKeysBuilder, MfaAnswer, MfaChallenge, VENDOR,
    base_url::BaseUrl,
    mfa::Callback,
    settings,
    source::{Application, Login, NoCallback},
};

/// Authentication for the Axonize API. Start with [`login`](Self::login) or
/// [`api_keys`](Self::api_keys).
///
/// Each customer has its own host, so the base URL is required, for example
/// `https://api.axonize.com`.
#[derive(Debug)]
#[non_exhaustive]
pub struct Axonize;

impl Axonize {
    /// The lifetime of a token; the login's reply does not state it.
    pub const TOKEN_LIFETIME: Duration = Duration::from_secs(10 * 60 * 60);

    /// Logs in as a user of an application: with the base URL, the application's id, the user's
    /// e-mail address, the source of the password, and the transport that sends the logins.
    ///
    /// # Example
    ///
    /// The transport is required:
    ///
    /// ```compile_fail,E0061
    /// use auth_axonize::Axonize;
    /// use auth_core::Secret;
    ///
    /// let password = Secret::new("fake-password");
    /// let settings = Axonize::login("https://api.axonize.com", "my-app", "me@example.com", password);
    /// ```
    pub fn login(
        base_url: impl Into<String>,
        app_id: impl Into<String>,
        email: impl Into<String>,
        password: impl SecretSource,
        transport: impl Transport,
    ) -> LoginBuilder {
        LoginBuilder {
            base_url: BaseUrl::new(base_url.into()),
            app_id: app_id.into(),
            email: email.into(),
            password: SharedSecretSource::new(password),
            transport: SharedTransport::new(transport),
            application_url: None,
            mfa: None,
            mfa_deadline: Duration::from_secs(5 * 60),
            options: AuthenticatorOptions::new(),
        }
    }

    /// Sends API keys: with the base URL, the client id (by the vendor's documentation, the
    /// application's id), and the source of the client secret.
    pub fn api_keys(
        base_url: impl Into<String>,
        client_id: impl Into<String>,
        client_secret: impl SecretSource,
    ) -> ApiKeysBuilder {
        ApiKeysBuilder::new(base_url.into(), client_id.into(), client_secret)
    }
}

/// Settings for a login at Axonize. Created by [`Axonize::login`].
#[must_use]
pub struct LoginBuilder {
    base_url: BaseUrl,
    app_id: String,
    email: String,
    password: SharedSecretSource,
    transport: SharedTransport,
    application_url: Option<String>,
    mfa: Option<Callback>,
    mfa_deadline: Duration,
    options: AuthenticatorOptions,
}

impl LoginBuilder {
    /// Names the application at login by its URL in the body, for example
    /// `myapp.example.com/mysubapp`. Default: by its id in a header. API requests carry the id in
    /// both cases.
    pub fn application_url(mut self, url: impl Into<String>) -> Self {
        self.application_url = Some(url.into());
        self
    }

    /// Answers multi-factor authentication: the callback returns the binding code that the vendor
    /// has just sent the user. Default: no callback; such a login is an error.
    ///
    /// Each login sends a code. After one rejected code, the next login is sent after the shortest
    /// back-off of the policy, 1 second by default. After two rejected codes in a row, the interval
    /// between logins is 10 minutes, then twice as long after each further rejection, up to a day.
    /// A changed password or [`Authenticator::clear_rejections`] ends the wait. Rejected codes are
    /// counted per account (login URL, application, e-mail), for all authenticators of a process
    /// and for all processes that share a store. They are never counted against the password.
    ///
    /// A callback that panics or does not answer in time causes an error of kind
    /// [`Config`](auth_core::ErrorKind::Config) on field `mfa`, which does not count as a rejected
    /// code.
    ///
    /// # Example
    ///
    /// ```
    /// # use auth_core::{Error, Transport};
    /// use auth_axonize::{Axonize, MfaAnswer, MfaChallenge};
    /// use auth_core::{ErrorKind, Secret};
    ///
    /// # async fn read_mailbox() -> Option<String> { None }
    /// # fn build(transport: impl Transport, password: Secret) -> Result<(), Error> {
    /// let url = "https://api.axonize.com";
    /// let authenticator =
    ///     Axonize::login(url, "my-app-id", "robot@example.com", password, transport)
    ///         .mfa(|challenge: MfaChallenge| async move {
    ///             match read_mailbox().await {
    ///                 Some(code) => Ok(MfaAnswer::Code(code.into())),
    ///                 None if challenge.resends() == 0 => Ok(MfaAnswer::Resend),
    ///                 None => Err(Error::new(ErrorKind::Unavailable, "no code has come")),
    ///             }
    ///         })
    ///         .build()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn mfa<F, R>(mut self, callback: F) -> Self
    where
        F: Fn(MfaChallenge) -> R + Send + Sync + 'static,
        R: Future<Output = Result<MfaAnswer, Error>> + Send + 'static,
    {
        self.mfa = Some(Callback::new(callback));
        self
    }

    /// Sets the time limit of the callback for one login, all its answers together. Default: 5
    /// minutes. The policy's deadline for a token request applies as well.
    pub fn mfa_deadline(mut self, deadline: Duration) -> Self {
        self.mfa_deadline = deadline;
        self
    }

    /// Sets the options of the authenticator: policy, quota, limit, store, clock and shards; see
    /// [`AuthenticatorOptions`]. Default: none are set.
    pub fn options(mut self, options: AuthenticatorOptions) -> Self {
        self.options = options;
        self
    }

    /// Permits plain `http` to one exact origin, for the base URL: a docker-compose or
    /// Kubernetes service (`http://payments:8080`), a mesh (`http://api.mesh.local`),
    /// `http://localhost:3000`. A path is ignored. May be called several times. Default: none.
    ///
    /// # Errors
    ///
    /// [`Config`](auth_core::ErrorKind::Config) on field `danger_allow_http` for a text that is not
    /// an absolute `http` URL, for user information and for a wildcard.
    ///
    /// # Security
    ///
    /// Anyone on the network path to this host can read credentials and tokens.
    pub fn danger_allow_http(mut self, origin: &str) -> Result<Self, Error> {
        self.base_url.http.allow(origin)?;
        Ok(self)
    }

    /// Checks the settings and creates the authenticator.
    ///
    /// # Errors
    ///
    /// [`Config`](auth_core::ErrorKind::Config), and [`Error::field`] names the setting: `base_url`
    /// if not an https URL, `app_id` if empty or not allowed in a header, `email`, `password` or
    /// `application_url` if empty, `mfa_deadline` if zero.
    pub fn build(self) -> Result<Authenticator, Error> {
        let origins = self.base_url.origins()?;
        settings::check_header("app_id", &self.app_id)?;
        settings::check_secret("password", &self.password)?;
        let empty = |text: &str| text.is_empty();
        for (field, wrong) in [
            ("email", empty(&self.email)),
            (
                "application_url",
                self.application_url.as_deref().is_some_and(empty),
            ),
        ] {
            if wrong {
                return Err(Error::config(field, "must not be empty"));
            }
        }
        if self.mfa_deadline.is_zero() {
            return Err(Error::config("mfa_deadline", "must be longer than zero"));
        }
        let clock = self.options.shared_clock();
        let options = match &self.mfa {
            Some(_) => self.options.extend_deadline(self.mfa_deadline),
            None => self.options,
        };
        // A login by URL may be for another application than the one whose id requests carry.
        let key = Key::builder(VENDOR)
            .issuer(&self.base_url.url)
            .grant("login")
            .client(&self.app_id)
            .subject(&Secret::new(self.email.as_str()));
        let key = match &self.application_url {
            Some(url) => key.audience(url),
            None => key,
        };
        let key = key.build();
        let app_id = Secret::new(self.app_id);
        let endpoint = |path| self.base_url.endpoint(path, &self.transport);
        let source = Login {
            login: endpoint("/api/auth/login")?,
            verify: endpoint("/api/auth/verifyMultifactorBindingCode")?,
            resend: endpoint("/api/auth/resendMultifactorBindingCode")?,
            application: match self.application_url {
                Some(url) => Application::Url(url),
                None => Application::Id(app_id.clone()),
            },
            email: self.email.into(),
            password: self.password,
            mfa: self.mfa,
            mfa_deadline: self.mfa_deadline,
            rules: ReplyRules::new()
                .token_member("token")
                .allow_missing_token_type()
                .description_member("message")
                .default_lifetime(Axonize::TOKEN_LIFETIME),
            no_callback: NoCallback::default(),
            clock,
        };
        // The vendor writes the scheme in lower case in all its examples.
        let scheme = Scheme::authorization("bearer ")?
            .and_header(settings::APP_ID, app_id)?
            .content_type(settings::CONTENT_TYPE)?;
        Authenticator::builder(source, origins)
            .vendor(VENDOR)
            .scheme(scheme)
            .key(key)
            .options(options)
            .build()
    }
}

impl fmt::Debug for LoginBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoginBuilder")
            .field("mfa", &self.mfa.is_some())
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}
