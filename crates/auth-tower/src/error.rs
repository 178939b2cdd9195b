use std::{error::Error as StdError, fmt};

/// Why a request got no response: no token could be had, or the service below failed.
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
    reason = "either ours or theirs: there is no third"
)]
pub enum Error<E> {
    /// No token could be had, so the request was not sent.
    Auth(auth_core::Error),
    /// The service below failed; its error is untouched.
    Inner(E),
}

impl<E: fmt::Display> fmt::Display for Error<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auth(error) => error.fmt(f),
            Self::Inner(error) => error.fmt(f),
        }
    }
}

impl<E: StdError + 'static> StdError for Error<E> {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Auth(error) => error.source(),
            Self::Inner(error) => error.source(),
        }
    }
}
