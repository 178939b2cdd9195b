use std::{fmt, marker::PhantomData};

use auth_core::Authenticator;

use crate::Region;

/// Authentication for one of Kaizen's servers. Start with [`builder`](Self::builder).
///
/// A handle: clones share the token. `auth_tower::AuthLayer::new` takes a `Kaizen`. Elsewhere,
/// `into()` turns it into an [`Authenticator`]. The [`Authenticator`] has no server in its type, but
/// signs only requests to the server's origin.
///
/// # Example
///
/// Code for the East server names the type, and cannot be given another server's client:
///
/// ```
/// use auth_kaizen::{East, Kaizen};
///
/// struct EastReports {
///     kaizen: Kaizen<East>,
/// }
///
/// fn reports(kaizen: Kaizen<East>) -> EastReports {
///     EastReports { kaizen }
/// }
/// ```
///
/// ```compile_fail,E0308
/// use auth_kaizen::{Central, East, Kaizen};
///
/// struct EastReports {
///     kaizen: Kaizen<East>,
/// }
///
/// fn reports(kaizen: Kaizen<Central>) -> EastReports {
///     EastReports { kaizen }
/// }
/// ```
#[derive(Clone)]
pub struct Kaizen<R: Region> {
    authenticator: Authenticator,
    region: PhantomData<fn() -> R>,
}

impl<R: Region> Kaizen<R> {
    pub(crate) fn new(authenticator: Authenticator) -> Self {
        Self {
            authenticator,
            region: PhantomData,
        }
    }

    /// Returns the authenticator, which holds this server's token.
    #[must_use]
    pub fn authenticator(&self) -> &Authenticator {
        &self.authenticator
    }

    /// Returns the scope that the cached token was granted, values separated by single spaces, for
    /// example `read:buildings read:insights`; also for a token that comes from a
    /// [store](auth_core::AuthenticatorOptions::store). `None` while no valid token is cached, or
    /// if the vendor did not say. As [`Token::granted_scope`](auth_core::Token::granted_scope) of
    /// the cached token.
    #[must_use]
    pub fn granted_scope(&self) -> Option<String> {
        let token = self.authenticator.try_token()?;
        token.granted_scope().map(ToOwned::to_owned)
    }
}

impl<R: Region> From<Kaizen<R>> for Authenticator {
    fn from(kaizen: Kaizen<R>) -> Self {
        kaizen.authenticator
    }
}

impl<R: Region> fmt::Debug for Kaizen<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kaizen")
            .field("region", &R::NAME)
            .field("authenticator", &self.authenticator)
            .finish()
    }
}
