use auth_core::{AuthenticatorOptions, Error, SharedSecretSource, Transport};
use auth_oauth2::{BodyFormat, ClientAuth};
use serde::Deserialize;

use crate::{Kayzen, KayzenBuilder};

/// The settings of [`Kayzen`] in a file (feature `serde`).
///
/// | field | required | meaning |
/// |---|---|---|
/// | `api_key`, `email` | yes | text |
/// | `api_secret`, `password` | yes | reference to the secret, `"file:/run/secrets/kayzen"` or `"env:KAYZEN_PASSWORD"` |
/// | `token_url`, `base_url` | | text |
/// | `client_auth` | | `basic_raw` or `basic` |
/// | `body_format` | | `form` or `json` |
/// | `options` | | [`AuthenticatorOptions`] |
/// | `danger_allow_http` | | list of origins to which secrets may go in plain text |
///
/// Defaults are those of the setters of [`KayzenBuilder`]. Unknown fields are errors. The forms
/// of references and durations are described in `auth_core::settings`.
///
/// # Example
///
/// ```
/// use auth_core::settings;
/// use auth_kayzen::KayzenSettings;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let text = r#"
///     api_key = "my-api-key"
///     api_secret = "file:/run/secrets/kayzen-api-secret"
///     email = "api+reporting@example.com"
///     password = "file:/run/secrets/kayzen-password"
///     options.policy = { deadline = "5s" }
/// "#;
/// let kayzen: KayzenSettings = settings::read(text.parse::<toml::Table>()?)?;
/// # let transport = auth_testkit::TestServer::builder().in_memory().transport();
/// let authenticator = kayzen.builder(transport)?.build()?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KayzenSettings {
    api_key: String,
    api_secret: SharedSecretSource,
    email: String,
    password: SharedSecretSource,
    token_url: Option<String>,
    base_url: Option<String>,
    client_auth: Option<ClientAuth>,
    body_format: Option<BodyFormat>,
    #[serde(default)]
    options: AuthenticatorOptions,
    #[serde(default)]
    danger_allow_http: Vec<String>,
}

impl KayzenSettings {
    /// Starts with these settings and the transport that sends the token requests.
    ///
    /// # Errors
    ///
    /// [`Config`](auth_core::ErrorKind::Config) on field `danger_allow_http` for a text that is not
    /// an origin. [`KayzenBuilder::build`] checks the other fields.
    pub fn builder(self, transport: impl Transport) -> Result<KayzenBuilder, Error> {
        let mut builder = Kayzen::builder(
            self.api_key,
            self.api_secret,
            self.email,
            self.password,
            transport,
        );
        builder = builder.options(self.options);
        if let Some(url) = self.token_url {
            builder = builder.token_url(url);
        }
        if let Some(url) = self.base_url {
            builder = builder.base_url(url);
        }
        if let Some(method) = self.client_auth {
            builder = builder.client_auth(method);
        }
        if let Some(format) = self.body_format {
            builder = builder.body_format(format);
        }
        self.danger_allow_http
            .iter()
            .try_fold(builder, |builder, origin| builder.danger_allow_http(origin))
    }
}
