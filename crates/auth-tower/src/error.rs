use std::{error::Error as StdError, fmt};

use crate::bounds::InnerError;

/// The error of a request without a response: no token could be had, or the service below failed.
///
/// # Example
///
/// ```
/// use auth_tower::Error;
///
/// fn worth_another_try(error: &Error<std::io::Error>) -> bool {
///     match error {
///         Error::Auth(error) => error.is_transient(),
///         Error::Inner(error) => error.kind() == std::io::ErrorKind::ConnectionReset,
///     }
/// }
/// ```
#[derive(Debug)]
#[allow(
    clippy::exhaustive_enums,
    reason = "an error comes from the layer or from the service below"
)]
pub enum Error<E> {
    /// No token could be had, so the request was not sent.
    Auth(auth_core::Error),
    /// The service below failed. Its error is unchanged.
    Inner(E),
}

impl<E: Into<Box<dyn StdError + Send + Sync>>> Error<E> {
    /// Converts the error into a boxed one, for layers above that need boxed errors while a layer
    /// below boxes errors too. A boxed error does not implement [`std::error::Error`], so neither
    /// does this type around one. In other stacks, `?` and `into` are sufficient.
    ///
    /// # Example
    ///
    /// A timeout for the whole call, and one for each send:
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use auth_tower::{AuthLayer, Error};
    /// use tower::ServiceBuilder;
    ///
    /// # fn build<S>(auth: AuthLayer, client: S)
    /// # where
    /// #     S: tower::Service<http::Request<http_body_util::Empty<bytes::Bytes>>, Error = std::io::Error, Response = http::Response<()>> + Clone,
    /// # {
    /// let client = ServiceBuilder::new()
    ///     .timeout(Duration::from_secs(30))
    ///     .map_err(Error::into_boxed)
    ///     .layer(auth)
    ///     .timeout(Duration::from_secs(10))
    ///     .service(client);
    /// # fn is_service<S: tower::Service<R>, R>(_: S) {}
    /// # is_service(client);
    /// # }
    /// ```
    #[must_use]
    pub fn into_boxed(self) -> Box<dyn StdError + Send + Sync> {
        match self {
            Self::Auth(error) => error.into(),
            Self::Inner(error) => error.into(),
        }
    }
}

impl<E: fmt::Display> fmt::Display for Error<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auth(error) => error.fmt(f),
            Self::Inner(error) => error.fmt(f),
        }
    }
}

impl<E: InnerError> StdError for Error<E> {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Auth(error) => error.source(),
            Self::Inner(error) => error.source(),
        }
    }
}
