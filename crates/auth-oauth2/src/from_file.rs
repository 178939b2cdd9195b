use std::collections::BTreeMap;

use auth_core::{Error, SharedSecretSource, Transport};
use serde::Deserialize;

use crate::{BodyFormat, Client, ClientAuth, ClientBuilder};

/// Settings of a [`Client`] that are read from a file. Needs the feature `serde`.
///
/// | field | required | meaning |
/// |---|---|---|
/// | `token_url` | yes | the token endpoint |
/// | `client_id` | yes | |
/// | `secret` | | reference to the client secret, `"file:/run/secrets/client"` or `"env:CLIENT_SECRET"` |
/// | `client_assertion` | | reference to an assertion that another program issues, read for each token request |
/// | `issuer` | | the `iss` URL of the authorization server, the default audience of assertions |
/// | `client_auth` | | `basic` (`client_secret_basic`), `basic_raw`, `post` (`client_secret_post`), `basic_with_id`, `basic_raw_with_id`, `basic_empty_secret`, `none` |
/// | `body_format` | | `form` or `json` |
/// | `scope`, `audience` | | text |
/// | `resources` | | list of URIs (RFC 8707) |
/// | `extra` | | table of further parameters, which are not secret |
/// | `vendor` | | the name in errors and logs |
/// | `max_reply` | | bytes |
/// | `danger_allow_http` | | list of origins to which token requests may go in plain text |
///
/// The other defaults are those of the setters of [`ClientBuilder`]. An unknown field is an error.
/// [`auth_core::settings`] describes the forms of references and durations.
///
/// # Example
///
/// ```
/// # use auth_core::Transport;
/// use auth_core::{Authenticator, AuthenticatorOptions, Origins, settings};
/// use auth_oauth2::ClientSettings;
///
/// #[derive(serde::Deserialize)]
/// #[serde(deny_unknown_fields)]
/// struct Api {
///     client: ClientSettings,
///     origins: Origins,
///     options: AuthenticatorOptions,
/// }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let text = r#"
///     origins = ["https://api.example.com"]
///     options.quota = { limit = 20, window = "1h" }
///
///     [client]
///     token_url = "https://login.example.com/oauth/token"
///     client_id = "my-client"
///     secret = "file:/run/secrets/client"
///     scope = "read write"
/// "#;
/// # fn build(api: Api, transport: impl Transport) -> Result<Authenticator, auth_core::Error> {
/// let client = api.client.builder(transport)?.build()?;
/// Authenticator::builder(client.client_credentials(), api.origins)
///     .options(api.options)
///     .build()
/// # }
/// # let text = text.replace("file:/run/secrets/client", "env:PATH");
/// # let api: Api = settings::read(text.parse::<toml::Table>()?)?;
/// # build(api, auth_testkit::TestServer::builder().in_memory().transport())?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClientSettings {
    token_url: String,
    client_id: String,
    secret: Option<SharedSecretSource>,
    client_assertion: Option<SharedSecretSource>,
    issuer: Option<String>,
    client_auth: Option<ClientAuth>,
    body_format: Option<BodyFormat>,
    scope: Option<String>,
    audience: Option<String>,
    #[serde(default)]
    resources: Vec<String>,
    #[serde(default)]
    extra: BTreeMap<String, String>,
    vendor: Option<String>,
    max_reply: Option<usize>,
    #[serde(default)]
    danger_allow_http: Vec<String>,
}

impl ClientSettings {
    /// Makes a [`ClientBuilder`] from these settings and the transport that sends the token
    /// requests.
    ///
    /// # Errors
    ///
    /// [`Config`](auth_core::ErrorKind::Config) on field `danger_allow_http` if a text is not an
    /// origin. [`ClientBuilder::build`] checks the other fields.
    pub fn builder(self, transport: impl Transport) -> Result<ClientBuilder, Error> {
        let mut builder = Client::builder(self.token_url, self.client_id, transport);
        if let Some(secret) = self.secret {
            builder = builder.secret(secret);
        }
        if let Some(method) = self.client_auth {
            builder = builder.client_auth(method);
        }
        if let Some(assertion) = self.client_assertion {
            builder = builder.client_assertion(assertion);
        }
        if let Some(issuer) = self.issuer {
            builder = builder.issuer(issuer);
        }
        if let Some(format) = self.body_format {
            builder = builder.body_format(format);
        }
        if let Some(scope) = self.scope {
            builder = builder.scope(scope);
        }
        if let Some(audience) = self.audience {
            builder = builder.audience(audience);
        }
        for uri in self.resources {
            builder = builder.resource(uri);
        }
        for (name, value) in self.extra {
            builder = builder.extra(name, value);
        }
        if let Some(vendor) = self.vendor {
            builder = builder.vendor(vendor);
        }
        if let Some(bytes) = self.max_reply {
            builder = builder.max_reply(bytes);
        }
        self.danger_allow_http
            .iter()
            .try_fold(builder, |builder, origin| builder.danger_allow_http(origin))
    }
}
