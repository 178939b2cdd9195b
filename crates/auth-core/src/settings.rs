//! Settings from files and the environment, through serde (feature `serde`).
//!
//! With the feature, these values implement [`serde::Deserialize`], for every format that has a
//! serde crate:
//!
//! | value | form | example, in TOML |
//! |---|---|---|
//! | [`AuthenticatorOptions`](crate::AuthenticatorOptions) | table of `policy`, `quota`, `limit`, `shards` | `quota = { limit = 20, window = "1h" }` |
//! | [`RefreshPolicy`](crate::RefreshPolicy) | table, one field per setter; `backoff = { first, longest }` | `policy = { deadline = "5s", margin = "30s" }` |
//! | [`Quota`](crate::Quota) | table of `limit`, `window`, `without_store` | `{ limit = 20, window = "1h", without_store = 2 }` |
//! | [`TokenRequestLimit`](crate::TokenRequestLimit) | table of `concurrent`, `per_second`, `max_wait` | `{ concurrent = 16, max_wait = "10s" }` |
//! | [`Origins`](crate::Origins) | list of https origins, or a table of `https`, `danger_allow_http`, `subdomains_of` | `["https://api.example.com"]` |
//! | [`SharedSecretSource`](crate::SharedSecretSource) | reference to a secret | `"file:/run/secrets/client"`, `"env:CLIENT_SECRET"` |
//! | [`Span`] | number and unit: `ms`, `s`, `m`, `h`, `days` | `"90s"`, `"1h 30m"` |
//!
//! Absent fields have the defaults that the setters document. Unknown fields are errors. Stores,
//! clocks and observers cannot be written in settings: set them on the options after reading.
//!
//! # Secrets
//!
//! Settings hold references, never secrets. `file:` makes a [`SecretFile`](crate::SecretFile), and
//! `env:` makes a [`SecretEnv`](crate::SecretEnv). Any other text is an error that does not repeat
//! the text. The file is read for each token request, so a rotated secret is used at the next
//! renewal, and at once after a rejection. No type of this crate serializes a secret.
//!
//! # Example
//!
//! ```
//! use auth_core::{AuthenticatorOptions, Origins, SharedSecretSource, settings};
//!
//! #[derive(Debug, serde::Deserialize)]
//! #[serde(deny_unknown_fields)]
//! struct Settings {
//!     origins: Origins,
//!     secret: SharedSecretSource,
//!     options: AuthenticatorOptions,
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let text = r#"
//!     origins = ["https://api.example.com"]
//!     secret = "file:/run/secrets/client"
//!     options.policy = { deadline = "5s", margin = "30s" }
//!     options.quota = { limit = 20, window = "1h" }
//! "#;
//! let settings: Settings = settings::read(text.parse::<toml::Table>()?)?;
//!
//! // The path of the field is part of the error.
//! let wrong = r#"
//!     origins = ["https://api.example.com"]
//!     secret = "fake-secret-1"
//!     options = {}
//! "#;
//! let error = settings::read::<Settings, _>(wrong.parse::<toml::Table>()?).unwrap_err();
//! assert_eq!(error.field(), Some("secret"));
//! assert!(!error.to_string().contains("fake-secret-1"));
//! # Ok(())
//! # }
//! ```

mod limits;
mod options;
mod origins;
mod secret;
mod span;

use serde::{Deserialize, Deserializer};

pub use span::Span;

use crate::Error;

/// Reads a value. An error names the path of the wrong field.
///
/// Only the first line of the format's own error is kept, because some formats quote lines of the
/// file after it. With TOML, pass a `toml::Table` instead of the text: the first line of its error
/// has the cause.
///
/// # Errors
///
/// [`Config`](crate::ErrorKind::Config): [`Error::field`] is the path from the top, for example
/// `vendors.example.options.quota`. The path is `settings` for an error at the top, such as a missing
/// table.
///
/// # Example
///
/// See [the module](self#example).
pub fn read<'de, T, D>(deserializer: D) -> Result<T, Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    serde_path_to_error::deserialize(deserializer).map_err(|error| {
        let path = match error.path().to_string() {
            path if path == "." => "settings".to_owned(),
            path => path,
        };
        let text = error.into_inner().to_string();
        Error::config(path, text.lines().next().unwrap_or_default())
    })
}

#[cfg(test)]
mod tests;
