use std::{future::Future, pin::Pin};

use crate::{AccessToken, Error};

/// Fetches a token: one call is one exchange with the vendor.
///
/// A source neither caches nor retries nor waits for its turn; the
/// [`Authenticator`](crate::Authenticator) does, for everybody. Its errors decide what happens
/// next: see [`ErrorKind`](crate::ErrorKind).
///
/// # Example
///
/// ```
/// use std::time::Duration;
///
/// use auth_core::{AccessToken, Error, Exchange, TokenSource};
///
/// struct FromAgent;
///
/// impl TokenSource for FromAgent {
///     async fn fetch(&self, _: Exchange) -> Result<AccessToken, Error> {
///         Ok(AccessToken::new("fake-token").expires_in(Duration::from_secs(600)))
///     }
/// }
/// ```
///
/// # Cancel safety
///
/// The future runs in a task of its own, so no caller's cancellation reaches it. It is dropped at
/// the exchange's deadline, and when its runtime shuts down.
pub trait TokenSource: Send + Sync + 'static {
    /// Performs one exchange.
    ///
    /// # Errors
    ///
    /// [`Rejected`](crate::ErrorKind::Rejected) and [`Config`](crate::ErrorKind::Config) stop the
    /// asking; [`Throttled`](crate::ErrorKind::Throttled) and [`Quota`](crate::ErrorKind::Quota)
    /// pause it for [`Error::retry_after`]; every other kind is tried again after a back-off.
    fn fetch(&self, exchange: Exchange) -> impl Future<Output = Result<AccessToken, Error>> + Send;

    /// Reads the long-lived credential anew and tells whether it is another one than the last
    /// exchange used. Called once after a terminal error, which is tried once more if it is.
    ///
    /// The default says that credentials never change.
    fn credential_changed(&self) -> impl Future<Output = bool> + Send {
        std::future::ready(false)
    }
}

/// Facts about the exchange that a [`TokenSource`] is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Exchange {
    /// Why a token is wanted.
    pub reason: Reason,
}

impl Exchange {
    /// Describes an exchange, to call a source by hand in its tests.
    #[must_use]
    pub const fn new(reason: Reason) -> Self {
        Self { reason }
    }
}

/// Why an exchange takes place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// There is no usable token, and somebody waits for one.
    Needed,
    /// The token at hand is usable but will expire soon.
    Ahead,
    /// The API refused the token.
    Refused,
}

impl Reason {
    /// Returns the reason in one lower-case word, for logs and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Needed => "needed",
            Self::Ahead => "ahead",
            Self::Refused => "refused",
        }
    }
}

/// [`TokenSource`] behind a pointer; every source is one.
pub(crate) trait DynSource: Send + Sync {
    fn fetch(&self, exchange: Exchange) -> BoxFuture<'_, Result<AccessToken, Error>>;
    fn credential_changed(&self) -> BoxFuture<'_, bool>;
}

pub(crate) type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

impl<S: TokenSource> DynSource for S {
    fn fetch(&self, exchange: Exchange) -> BoxFuture<'_, Result<AccessToken, Error>> {
        Box::pin(TokenSource::fetch(self, exchange))
    }

    fn credential_changed(&self) -> BoxFuture<'_, bool> {
        Box::pin(TokenSource::credential_changed(self))
    }
}
