use std::{fmt, future::Future, pin::Pin, sync::Arc};

use crate::{Error, Secret};

mod env;
mod file;

pub use env::SecretEnv;
pub use file::SecretFile;

/// Returns a long-lived secret. It is read again for each token request.
///
/// A [`Secret`] is a source of a value that never changes. [`SecretEnv`] reads an environment
/// variable, [`SecretFile`] reads a file, and [`SecretFn`] calls an async closure, for example for
/// a vault or an agent.
///
/// # Example
///
/// ```
/// use auth_core::{Error, Secret, SecretFile, SecretSource};
///
/// /// A file that holds more than the secret.
/// struct Line(SecretFile, &'static str);
///
/// impl SecretSource for Line {
///     async fn read(&self) -> Result<Secret, Error> {
///         let file = self.0.read().await?;
///         let mut lines = file.expose().lines();
///         let line = lines.find_map(|line| line.strip_prefix(self.1)?.strip_prefix('='));
///         line.map(Secret::new)
///             .ok_or_else(|| Error::config(self.1, "the file has no such line"))
///     }
/// }
/// ```
///
/// # Cancel safety
///
/// The future is dropped at the token request's deadline.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a `SecretSource`: a secret is not passed as a plain string",
    label = "not a `SecretSource`",
    note = "use `Secret::new(text)` for a text that never changes, `SecretEnv::new(name)` for an environment variable, `SecretFile::new(path)` for a file, `SecretFn::new(..)` for a vault"
)]
pub trait SecretSource: Send + Sync + 'static {
    /// Reads the current secret.
    ///
    /// # Errors
    ///
    /// Any error; the token request fails with it. After
    /// [`Unavailable`](crate::ErrorKind::Unavailable) the secret is read again after a back-off.
    /// After [`Config`](crate::ErrorKind::Config) and [`Rejected`](crate::ErrorKind::Rejected) only
    /// a probe reads it again.
    fn read(&self) -> impl Future<Output = Result<Secret, Error>> + Send;

    /// Returns the secret if it never changes, so that a builder can check it before the first
    /// token request. Default: `None`, for a secret that may change.
    fn fixed(&self) -> Option<&Secret> {
        None
    }

    /// Checks what is known before the first read, for example the name of an environment variable.
    /// Builders call it, so that a wrong setting is found when the program starts. Default: returns
    /// `Ok`.
    ///
    /// # Errors
    ///
    /// [`Config`](crate::ErrorKind::Config) on the setting that is wrong. A temporary fault, for
    /// example a file that does not exist yet, is not an error of this method.
    fn check(&self) -> Result<(), Error> {
        Ok(())
    }
}

impl SecretSource for Secret {
    fn read(&self) -> impl Future<Output = Result<Secret, Error>> + Send {
        std::future::ready(Ok(self.clone()))
    }

    fn fixed(&self) -> Option<&Secret> {
        Some(self)
    }
}

/// A [`SecretSource`] that calls an async closure.
///
/// # Example
///
/// ```
/// use auth_core::{Error, ErrorKind, Secret, SecretFn};
///
/// # async fn ask(_: &str) -> Option<String> { None }
/// let source = SecretFn::new(|| async {
///     let answer = ask("vault: example-client").await;
///     answer
///         .map(Secret::new)
///         .ok_or_else(|| Error::new(ErrorKind::Unavailable, "the vault does not answer"))
/// });
/// ```
#[derive(Clone)]
pub struct SecretFn<F>(F);

impl<F, R> SecretFn<F>
where
    F: Fn() -> R + Send + Sync + 'static,
    R: Future<Output = Result<Secret, Error>> + Send,
{
    /// Makes a source from a closure. The closure is called once for each token request.
    pub fn new(read: F) -> Self {
        Self(read)
    }
}

impl<F, R> SecretSource for SecretFn<F>
where
    F: Fn() -> R + Send + Sync + 'static,
    R: Future<Output = Result<Secret, Error>> + Send,
{
    fn read(&self) -> impl Future<Output = Result<Secret, Error>> + Send {
        (self.0)()
    }
}

impl<F> fmt::Debug for SecretFn<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecretFn").finish_non_exhaustive()
    }
}

/// A [`SecretSource`] behind a shared pointer, for types that are not generic over the source.
#[derive(Clone)]
pub struct SharedSecretSource(Arc<dyn DynSecretSource>);

impl SharedSecretSource {
    /// Wraps a source.
    pub fn new(source: impl SecretSource) -> Self {
        Self(Arc::new(source))
    }
}

impl SecretSource for SharedSecretSource {
    fn read(&self) -> impl Future<Output = Result<Secret, Error>> + Send {
        self.0.read()
    }

    fn fixed(&self) -> Option<&Secret> {
        self.0.fixed()
    }

    fn check(&self) -> Result<(), Error> {
        self.0.check()
    }
}

impl fmt::Debug for SharedSecretSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedSecretSource").finish_non_exhaustive()
    }
}

trait DynSecretSource: Send + Sync {
    fn read(&self) -> BoxRead<'_>;
    fn fixed(&self) -> Option<&Secret>;
    fn check(&self) -> Result<(), Error>;
}

type BoxRead<'a> = Pin<Box<dyn Future<Output = Result<Secret, Error>> + Send + 'a>>;

impl<S: SecretSource> DynSecretSource for S {
    fn read(&self) -> BoxRead<'_> {
        Box::pin(SecretSource::read(self))
    }

    fn fixed(&self) -> Option<&Secret> {
        SecretSource::fixed(self)
    }

    fn check(&self) -> Result<(), Error> {
        SecretSource::check(self)
    }
}

/// The byte order mark (U+FEFF), which some editors write at the beginning of a text. It is not
/// part of a secret.
const BOM: char = '\u{feff}';

#[cfg(test)]
mod tests {
    use std::{
        pin::pin,
        sync::atomic::{AtomicUsize, Ordering},
        task::{Context, Poll, Waker},
    };

    use super::*;

    /// All sources of these tests answer at the first poll.
    fn read(source: &impl SecretSource) -> Secret {
        match pin!(SecretSource::read(source)).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Ok(secret)) => secret,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_fixed_secret_is_known_without_reading() {
        let shared = SharedSecretSource::new(Secret::new("fake-secret"));
        assert_eq!(
            SecretSource::fixed(&shared),
            Some(&Secret::new("fake-secret"))
        );
        assert_eq!(read(&shared), Secret::new("fake-secret"));
    }

    #[test]
    fn a_closure_is_called_for_each_read() {
        let calls = AtomicUsize::new(0);
        let source = SecretFn::new(move || {
            let call = calls.fetch_add(1, Ordering::Relaxed);
            async move { Ok(Secret::new(format!("fake-secret-{call}"))) }
        });
        let shared = SharedSecretSource::new(source);
        assert_eq!(SecretSource::fixed(&shared), None);
        assert_eq!(read(&shared), Secret::new("fake-secret-0"));
        assert_eq!(read(&shared), Secret::new("fake-secret-1"));
    }

    #[test]
    fn a_shared_source_is_checked_as_the_one_it_shares() {
        let shared = SharedSecretSource::new(SecretEnv::new("A=B"));
        let error = SecretSource::check(&SharedSecretSource::new(shared)).unwrap_err();
        assert_eq!(error.field(), Some("secret_env"));
        let fixed = SharedSecretSource::new(Secret::new("fake-secret"));
        assert!(SecretSource::check(&fixed).is_ok());
    }
}
