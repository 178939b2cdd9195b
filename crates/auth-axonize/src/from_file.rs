use auth_core::{AuthenticatorOptions, Error, SharedSecretSource, Transport, settings::Span};
use serde::Deserialize;

use crate::{ApiKeysBuilder, Axonize, LoginBuilder};

/// The settings of a login at [`Axonize`] in a file (feature `serde`).
///
/// | field | required | meaning |
/// |---|---|---|
/// | `base_url`, `app_id`, `email` | yes | text |
/// | `password` | yes | reference to the password, `"file:/run/secrets/axonize"` or `"env:AXONIZE_PASSWORD"` |
/// | `application_url` | | text |
/// | `mfa_deadline` | | duration, `"5m"` |
/// | `options` | | [`AuthenticatorOptions`] |
/// | `danger_allow_http` | | list of origins to which secrets may go in plain text |
///
/// Defaults are those of the setters of [`LoginBuilder`]. Unknown fields are errors. The forms of
/// references and durations are described in [`auth_core::settings`]. The program sets the callback
/// for a second factor on the builder.
///
/// # Example
///
/// ```
/// use auth_axonize::LoginSettings;
/// use auth_core::settings;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let text = r#"
///     base_url = "https://api.axonize.com"
///     app_id = "my-app"
///     email = "me@example.com"
///     password = "file:/run/secrets/axonize"
/// "#;
/// let login: LoginSettings = settings::read(text.parse::<toml::Table>()?)?;
/// # let transport = auth_testkit::TestServer::builder().in_memory().transport();
/// let authenticator = login.builder(transport)?.build()?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoginSettings {
    base_url: String,
    app_id: String,
    email: String,
    password: SharedSecretSource,
    application_url: Option<String>,
    mfa_deadline: Option<Span>,
    #[serde(default)]
    options: AuthenticatorOptions,
    #[serde(default)]
    danger_allow_http: Vec<String>,
}

impl LoginSettings {
    /// Starts with these settings and the transport that sends the logins.
    ///
    /// # Errors
    ///
    /// [`Config`](auth_core::ErrorKind::Config) on field `danger_allow_http` for a text that is not
    /// an origin. [`LoginBuilder::build`] checks the other fields.
    pub fn builder(self, transport: impl Transport) -> Result<LoginBuilder, Error> {
        let (email, password) = (self.email, self.password);
        let mut builder = Axonize::login(self.base_url, self.app_id, email, password, transport);
        builder = builder.options(self.options);
        if let Some(url) = self.application_url {
            builder = builder.application_url(url);
        }
        if let Some(deadline) = self.mfa_deadline {
            builder = builder.mfa_deadline(deadline.into());
        }
        self.danger_allow_http
            .iter()
            .try_fold(builder, |builder, origin| builder.danger_allow_http(origin))
    }
}

/// The settings of API keys for [`Axonize`] in a file (feature `serde`).
///
/// | field | required | meaning |
/// |---|---|---|
/// | `base_url`, `client_id` | yes | text |
/// | `client_secret` | yes | reference to the secret, `"file:/run/secrets/axonize"` or `"env:AXONIZE_SECRET"` |
/// | `options` | | [`AuthenticatorOptions`] |
/// | `danger_allow_http` | | list of origins to which secrets may go in plain text |
///
/// # Example
///
/// ```
/// use auth_axonize::ApiKeysSettings;
/// use auth_core::settings;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let text = r#"
///     base_url = "https://api.axonize.com"
///     client_id = "my-app"
///     client_secret = "file:/run/secrets/axonize"
/// "#;
/// let keys: ApiKeysSettings = settings::read(text.parse::<toml::Table>()?)?;
/// let authenticator = keys.builder()?.build()?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApiKeysSettings {
    base_url: String,
    client_id: String,
    client_secret: SharedSecretSource,
    #[serde(default)]
    options: AuthenticatorOptions,
    #[serde(default)]
    danger_allow_http: Vec<String>,
}

impl ApiKeysSettings {
    /// Starts with these settings.
    ///
    /// # Errors
    ///
    /// [`Config`](auth_core::ErrorKind::Config) on field `danger_allow_http` for a text that is not
    /// an origin. [`ApiKeysBuilder::build`] checks the other fields.
    pub fn builder(self) -> Result<ApiKeysBuilder, Error> {
        let builder = Axonize::api_keys(self.base_url, self.client_id, self.client_secret);
        self.danger_allow_http
            .iter()
            .try_fold(builder.options(self.options), |builder, origin| {
                builder.danger_allow_http(origin)
            })
    }
}
