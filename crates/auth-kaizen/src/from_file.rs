use auth_core::{AuthenticatorOptions, Error, SharedSecretSource, Transport};
use serde::Deserialize;

use crate::{Kaizen, KaizenBuilder, Region, RegionName};

/// The settings of [`Kaizen`] in a file (feature `serde`).
///
/// | field | required | meaning |
/// |---|---|---|
/// | `region` | yes | `central` or `east` |
/// | `client_id` | yes | |
/// | `client_secret` | yes | reference to the secret, `"file:/run/secrets/kaizen"` or `"env:KAIZEN_SECRET"` |
/// | `token_url`, `base_url` | | text |
/// | `options` | | [`AuthenticatorOptions`] |
/// | `danger_allow_http` | | list of origins to which secrets may go in plain text |
///
/// Defaults are those of the setters of [`KaizenBuilder`]. Unknown fields are errors. The forms of
/// references and durations are described in `auth_core::settings`.
///
/// # Example
///
/// ```
/// use auth_core::settings;
/// use auth_kaizen::{East, KaizenSettings};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let text = r#"
///     region = "east"
///     client_id = "my-client"
///     client_secret = "file:/run/secrets/kaizen-east"
/// "#;
/// let kaizen: KaizenSettings = settings::read(text.parse::<toml::Table>()?)?;
/// # let transport = auth_testkit::TestServer::builder().in_memory().transport();
/// let kaizen = kaizen.builder::<East>(transport)?.build()?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KaizenSettings {
    region: RegionSetting,
    client_id: String,
    client_secret: SharedSecretSource,
    token_url: Option<String>,
    base_url: Option<String>,
    #[serde(default)]
    options: AuthenticatorOptions,
    #[serde(default)]
    danger_allow_http: Vec<String>,
}

impl KaizenSettings {
    /// Returns the server that the settings are for.
    #[must_use]
    pub fn region(&self) -> RegionName {
        self.region.into()
    }

    /// Starts with these settings and the transport that sends the token requests. `R` is the server
    /// that the program calls.
    ///
    /// # Errors
    ///
    /// [`Config`](auth_core::ErrorKind::Config) on field `region` if the settings are for the other
    /// server, on field `danger_allow_http` for a text that is not an origin.
    /// [`KaizenBuilder::build`] checks the other fields.
    pub fn builder<R: Region>(self, transport: impl Transport) -> Result<KaizenBuilder<R>, Error> {
        if self.region() != R::NAME {
            let problem = format_args!(
                "is `{}`, and the program calls the server `{}`; correct the setting, or use the \
                 other type",
                self.region(),
                R::NAME
            );
            return Err(Error::config("region", problem));
        }
        let mut builder = Kaizen::<R>::builder(self.client_id, self.client_secret, transport);
        builder = builder.options(self.options);
        if let Some(url) = self.token_url {
            builder = builder.token_url(url);
        }
        if let Some(url) = self.base_url {
            builder = builder.base_url(url);
        }
        self.danger_allow_http
            .iter()
            .try_fold(builder, |builder, origin| builder.danger_allow_http(origin))
    }
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum RegionSetting {
    Central,
    East,
}

impl From<RegionSetting> for RegionName {
    fn from(region: RegionSetting) -> Self {
        match region {
            RegionSetting::Central => Self::Central,
            RegionSetting::East => Self::East,
        }
    }
}
