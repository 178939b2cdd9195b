use std::{fmt, time::Duration};

use crate::Error;

/// How an authenticator is doing, without a word about its secrets; made by
/// [`Authenticator::health`](crate::Authenticator::health).
///
/// Its `Display` is one line, fit for a health page or a log.
///
/// # Example
///
/// ```
/// use auth_core::{ApiKey, Authenticator, Origins, Secret};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), auth_core::Error> {
/// let source = ApiKey::new(Secret::new("fake-key"));
/// let authenticator = Authenticator::builder(source, Origins::new(["https://api.example.com"])?)
///     .vendor("example")
///     .build()?;
/// assert_eq!(authenticator.health().to_string(), "example: no token yet");
/// authenticator.warm_up().await?;
/// assert!(authenticator.health().is_usable());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Health {
    pub(crate) vendor: String,
    pub(crate) usable_for: Option<Duration>,
    pub(crate) is_renewing: bool,
    pub(crate) last_error: Option<Error>,
}

impl Health {
    /// Tells whether there is a token that can be sent.
    #[must_use]
    pub fn is_usable(&self) -> bool {
        self.usable_for.is_some()
    }

    /// Returns how much longer the token at hand can be sent, if there is one.
    #[must_use]
    pub fn usable_for(&self) -> Option<Duration> {
        self.usable_for
    }

    /// Tells whether a token request is under way.
    #[must_use]
    pub fn is_renewing(&self) -> bool {
        self.is_renewing
    }

    /// Returns why the last token request failed, if it did, with the time until the next try.
    #[must_use]
    pub fn last_error(&self) -> Option<&Error> {
        self.last_error.as_ref()
    }
}

impl fmt::Display for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            vendor,
            usable_for,
            is_renewing,
            last_error,
        } = self;
        match (usable_for, last_error) {
            // Errors name the vendor by themselves.
            (None, Some(error)) => write!(f, "{error}")?,
            (None, None) => write!(f, "{vendor}: no token yet")?,
            (Some(left), None) => write!(f, "{vendor}: token usable for {} s", left.as_secs())?,
            (Some(left), Some(error)) => {
                write!(
                    f,
                    "{vendor}: token usable for {} s; {error}",
                    left.as_secs()
                )?;
            }
        }
        match is_renewing {
            true => f.write_str("; a token request is under way"),
            false => Ok(()),
        }
    }
}
