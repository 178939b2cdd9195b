use auth_core::{AuthenticatorOptions, Error, SharedSecretSource, Transport};
use auth_oauth2::BodyFormat;
use serde::Deserialize;

use crate::{Verdigris, VerdigrisBuilder};

/// The settings of [`Verdigris`] in a file (feature `serde`).
///
/// | field | required | meaning |
/// |---|---|---|
/// | `client_id` | yes | |
/// | `client_secret` | yes | reference to the secret, `"file:/run/secrets/verdigris"` or `"env:VERDIGRIS_SECRET"` |
/// | `token_url`, `base_url`, `audience` | | text |
/// | `body_format` | | `form` or `json` |
/// | `options` | | [`AuthenticatorOptions`] |
/// | `danger_allow_http` | | list of origins to which secrets may go in plain text |
///
/// Defaults are those of the setters of [`VerdigrisBuilder`]. Unknown fields are errors. The forms
/// of references and durations are described in `auth_core::settings`.
///
/// # Example
///
/// ```
/// use auth_core::settings;
/// use auth_verdigris::VerdigrisSettings;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let text = r#"
///     client_id = "my-client"
///     client_secret = "file:/run/secrets/verdigris"
///     options.policy = { deadline = "5s" }
/// "#;
/// let verdigris: VerdigrisSettings = settings::read(text.parse::<toml::Table>()?)?;
/// # let transport = auth_testkit::TestServer::builder().in_memory().transport();
/// let authenticator = verdigris.builder(transport)?.build()?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VerdigrisSettings {
    client_id: String,
    client_secret: SharedSecretSource,
    token_url: Option<String>,
    base_url: Option<String>,
    audience: Option<String>,
    body_format: Option<BodyFormat>,
    #[serde(default)]
    options: AuthenticatorOptions,
    #[serde(default)]
    danger_allow_http: Vec<String>,
}

impl VerdigrisSettings {
    /// Starts with these settings and the transport that sends the token requests.
    ///
    /// # Errors
    ///
    /// [`Config`](auth_core::ErrorKind::Config) on field `danger_allow_http` for a text that is not
    /// an origin. [`VerdigrisBuilder::build`] checks the other fields.
    pub fn builder(self, transport: impl Transport) -> Result<VerdigrisBuilder, Error> {
        let mut builder = Verdigris::builder(self.client_id, self.client_secret, transport);
        builder = builder.options(self.options);
        if let Some(url) = self.token_url {
            builder = builder.token_url(url);
        }
        if let Some(url) = self.base_url {
            builder = builder.base_url(url);
        }
        if let Some(audience) = self.audience {
            builder = builder.audience(audience);
        }
        if let Some(format) = self.body_format {
            builder = builder.body_format(format);
        }
        self.danger_allow_http
            .iter()
            .try_fold(builder, |builder, origin| builder.danger_allow_http(origin))
    }
}
