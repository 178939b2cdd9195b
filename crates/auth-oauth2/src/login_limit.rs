use std::{
    collections::VecDeque,
    fmt,
    future::Future,
    sync::{Mutex, MutexGuard, PoisonError},
};

use auth_core::{Error, ErrorKind, Exchange, Secret};

use crate::version::{Version, Versions};

/// Keeps a wrong password from locking an account: a login that the vendor rejected is tried at
/// most once more with the same credential, ever.
///
/// A source holds one, and sends each login through [`attempt`](Self::attempt). A credential that has
/// changed begins anew; one that worked in between does too. What other processes saw counts as well,
/// if they share a store: the [`Exchange`] says so.
///
/// # Example
///
/// ```
/// use auth_core::{AccessToken, Error, ErrorKind, Exchange, Reason, Secret};
/// use auth_oauth2::LoginLimit;
/// use http::StatusCode;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let limit = LoginLimit::new("example");
/// let password = Secret::new("fake-password");
/// let rejected = || async {
///     let error = Error::new(ErrorKind::Rejected, "example: wrong password");
///     Err::<AccessToken, _>(error.with_status(StatusCode::UNAUTHORIZED))
/// };
/// let exchange = Exchange::new(Reason::Needed);
/// for _ in 0..5 {
///     // Only two of these get to the vendor.
///     assert!(limit.attempt(&exchange, &[&password], rejected()).await.is_err());
/// }
/// # }
/// ```
///
/// # Security
///
/// It keeps keyed fingerprints of the credentials, not the credentials.
pub struct LoginLimit {
    vendor: String,
    versions: Versions,
    failed: Mutex<VecDeque<Failed>>,
}

struct Failed {
    version: Version,
    times: u32,
    /// What the vendor said.
    last: Error,
}

impl LoginLimit {
    /// Makes a limit for one account; `vendor` is named in its error.
    pub fn new(vendor: impl Into<String>) -> Self {
        Self {
            vendor: vendor.into(),
            versions: Versions::default(),
            failed: Mutex::default(),
        }
    }

    /// Tries to log in with this credential, all of whose parts are given, for this exchange.
    ///
    /// Only logins belong here: to spend a refresh token shows no password to anybody.
    ///
    /// # Errors
    ///
    /// Those of `login`, which counts as failed if its error
    /// [rejects the credential](Error::rejects_credential). After two of these, in
    /// this process or [in all](Exchange::failed_logins) that share a store,
    /// [`Rejected`](ErrorKind::Rejected) without trying; the last failure that this process saw is
    /// its source.
    ///
    /// # Cancel safety
    ///
    /// A login that is given up before it has ended does not count: that the vendor was slow says
    /// nothing about the password.
    pub async fn attempt<T>(
        &self,
        exchange: &Exchange,
        credential: &[&Secret],
        login: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        let version = self.versions.of(credential);
        self.versions.use_up(version);
        let (own, last) = self.failed_before(version);
        if own.max(exchange.failed_logins) >= MAX_FAILURES {
            let message = format!(
                "{}: not tried again, because the vendor rejected these credentials \
                 {MAX_FAILURES} times and may lock the account; correct them where they are kept",
                self.vendor
            );
            let error = Error::new(ErrorKind::Rejected, message);
            return Err(match last {
                Some(last) => error.with_source(last),
                None => error,
            });
        }
        let result = login.await;
        match &result {
            Ok(_) => self.forget(version),
            Err(error) if error.rejects_credential() => self.count(version, error),
            Err(_) => {}
        }
        result
    }

    /// Tells whether this is another credential than the last attempt's.
    pub fn has_changed(&self, credential: &[&Secret]) -> bool {
        self.versions.is_new(self.versions.of(credential))
    }

    /// How often, in this process, and what the vendor said last.
    fn failed_before(&self, version: Version) -> (u32, Option<Error>) {
        let failed = self.failed();
        match failed.iter().find(|other| other.version == version) {
            Some(known) => (known.times, Some(known.last.clone())),
            None => (0, None),
        }
    }

    fn count(&self, version: Version, error: &Error) {
        let mut failed = self.failed();
        match failed.iter_mut().find(|other| other.version == version) {
            Some(known) => {
                known.times = known.times.saturating_add(1);
                known.last = error.clone();
            }
            None => {
                failed.truncate(MAX_VERSIONS - 1);
                failed.push_front(Failed {
                    version,
                    times: 1,
                    last: error.clone(),
                });
            }
        }
    }

    fn forget(&self, version: Version) {
        self.failed().retain(|other| other.version != version);
    }

    fn failed(&self) -> MutexGuard<'_, VecDeque<Failed>> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for LoginLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoginLimit")
            .field("vendor", &self.vendor)
            .finish_non_exhaustive()
    }
}

/// Vendors lock accounts after three to ten in a row, and a person may have made one of them.
const MAX_FAILURES: u32 = 2;
/// So many versions of a credential are remembered; nobody goes through more wrong ones by accident.
const MAX_VERSIONS: usize = 64;

#[cfg(test)]
mod tests {
    use std::{cell::Cell, error::Error as _, future::ready};

    use auth_core::Reason;
    use http::StatusCode;

    use super::*;

    struct Vendor {
        limit: LoginLimit,
        logins: Cell<u32>,
        /// By what all processes know.
        failed: Cell<u32>,
    }

    impl Vendor {
        fn new() -> Self {
            Self {
                limit: LoginLimit::new("example"),
                logins: Cell::new(0),
                failed: Cell::new(0),
            }
        }

        async fn answers(&self, password: &str, kind: Option<ErrorKind>) -> Option<Error> {
            self.answers_with(password, kind, 401).await
        }

        async fn answers_with(
            &self,
            password: &str,
            kind: Option<ErrorKind>,
            status: u16,
        ) -> Option<Error> {
            let status = StatusCode::from_u16(status).unwrap();
            let login = async {
                self.logins.set(self.logins.get() + 1);
                let error = |kind| Error::new(kind, "example: no").with_status(status);
                ready(kind.map_or(Ok(()), |kind| Err(error(kind)))).await
            };
            let password = Secret::new(password);
            let exchange = Exchange::new(Reason::Needed).failed_logins(self.failed.get());
            let result = self.limit.attempt(&exchange, &[&password], login).await;
            result.err()
        }
    }

    const NO: Option<ErrorKind> = Some(ErrorKind::Rejected);

    #[tokio::test]
    async fn t26_a_rejected_password_is_tried_twice_and_never_again() {
        let vendor = Vendor::new();
        for _ in 0..100 {
            let error = vendor.answers("fake-1", NO).await.unwrap();
            assert_eq!(error.kind(), ErrorKind::Rejected);
        }
        assert_eq!(vendor.logins.get(), 2);
        let stopped = vendor.answers("fake-1", None).await.unwrap().to_string();
        assert!(
            stopped.contains("correct them where they are kept"),
            "{stopped}"
        );
    }

    #[tokio::test]
    async fn t26_each_version_has_two_also_when_an_old_one_comes_back() {
        let vendor = Vendor::new();
        for _ in 0..10 {
            for password in ["fake-1", "fake-2", "fake-3"] {
                assert!(vendor.answers(password, NO).await.is_some());
            }
        }
        assert_eq!(vendor.logins.get(), 6);
        assert!(vendor.answers("fake-4", None).await.is_none());
    }

    #[tokio::test]
    async fn t26_a_success_begins_anew_and_an_outage_does_not_count() {
        let vendor = Vendor::new();
        for _ in 0..5 {
            vendor.answers("fake-1", NO).await;
            assert!(vendor.answers("fake-1", None).await.is_none());
            vendor.answers("fake-1", Some(ErrorKind::Unavailable)).await;
            vendor.answers("fake-1", Some(ErrorKind::TimedOut)).await;
        }
        assert_eq!(vendor.logins.get(), 20);
    }

    #[tokio::test]
    async fn t26_what_says_nothing_about_the_credential_does_not_count() {
        let vendor = Vendor::new();
        for status in [302, 307, 404, 405, 413, 418] {
            for _ in 0..3 {
                vendor.answers_with("fake-1", NO, status).await;
            }
        }
        assert_eq!(vendor.logins.get(), 18);
        assert!(vendor.answers("fake-1", None).await.is_none());
    }

    #[tokio::test]
    async fn t26_what_the_fleet_saw_counts_too() {
        let vendor = Vendor::new();
        vendor.failed.set(2);
        let stopped = vendor.answers("fake-1", None).await.unwrap();
        assert_eq!(
            (vendor.logins.get(), stopped.kind()),
            (0, ErrorKind::Rejected)
        );
        assert!(stopped.source().is_none(), "this process saw none of them");
        vendor.failed.set(1);
        assert!(vendor.answers("fake-1", NO).await.is_some());
        assert_eq!(vendor.logins.get(), 1, "one is left");
        // Its own failure is among the two that the store knows of by now.
        vendor.failed.set(2);
        let stopped = vendor.answers("fake-1", None).await.unwrap();
        assert_eq!(vendor.logins.get(), 1);
        assert!(stopped.source().is_some());
    }

    #[tokio::test]
    async fn t26_a_fleet_that_knows_of_nothing_does_not_reset_the_own_count() {
        let vendor = Vendor::new();
        for _ in 0..5 {
            vendor.answers("fake-1", NO).await;
        }
        assert_eq!(vendor.logins.get(), 2);
    }

    #[tokio::test]
    async fn knows_what_was_used_last() {
        let vendor = Vendor::new();
        let changed = |text: &str| vendor.limit.has_changed(&[&Secret::new(text)]);
        assert!(!changed("fake-1"), "nothing was used yet");
        vendor.answers("fake-1", NO).await;
        assert!(!changed("fake-1"));
        assert!(changed("fake-2"));
    }
}
