//! The state that the requests of one service share: its settings, and a spare of the service
//! below.

use std::{
    ops::Deref,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use auth_core::{Authenticator, Local, LocalAuthenticator, Sharded};

use crate::settings::{Own, Settings};

/// A clone of the service below that is not ready, for second sends. The first request that may
/// need a second send makes it, and each second send clones it, so that requests that are not
/// refused clone nothing.
///
/// The lock makes it `Sync` for a service that is not, and is taken for second sends only.
#[derive(Debug)]
pub(crate) struct Spare<S>(OnceLock<Mutex<S>>);

impl<S> Spare<S> {
    pub(crate) const fn none() -> Self {
        Self(OnceLock::new())
    }
}

impl<S: Clone> Spare<S> {
    #[inline]
    fn fill(&self, inner: &S) {
        if self.0.get().is_none() {
            self.fill_first(inner);
        }
    }

    #[cold]
    fn fill_first(&self, inner: &S) {
        // Cloned before the cell is locked, because `clone` is code of the application.
        let spare = Mutex::new(inner.clone());
        // Another thread may have been first.
        let _ = self.0.set(spare);
    }

    fn take(&self) -> Option<S> {
        let spare = self.0.get()?.lock();
        Some(spare.unwrap_or_else(PoisonError::into_inner).clone())
    }
}

/// Settings, and a spare of the service to which they apply.
#[derive(Debug)]
#[allow(unnameable_types, reason = "inside the future")]
pub struct Shared<S> {
    settings: Settings,
    spare: Spare<S>,
}

impl<S> Shared<S> {
    pub(crate) const fn new(settings: Settings) -> Self {
        Self {
            settings,
            spare: Spare::none(),
        }
    }

    /// Makes a copy for each shard of the authenticator.
    pub(crate) fn sharded(settings: &Settings) -> Arc<Sharded<Self>> {
        let shards = settings.authenticator.shards();
        Arc::new(Sharded::new(shards, || Self::new(settings.clone())))
    }

    #[inline]
    pub(crate) const fn settings(&self) -> &Settings {
        &self.settings
    }

    #[inline]
    pub(crate) fn fill_spare(&self, inner: &S)
    where
        S: Clone,
    {
        self.spare.fill(inner);
    }
}

/// The settings of one request, and the spare of the service that sent it.
#[derive(Debug)]
#[allow(unnameable_types, reason = "inside the future")]
pub struct Keyed<S> {
    settings: Settings<LocalAuthenticator>,
    /// `None` if no request is sent again.
    spare: Option<Local<Spare<S>>>,
}

impl<S> Keyed<S> {
    pub(crate) const fn new(
        settings: Settings<LocalAuthenticator>,
        spare: Option<Local<Spare<S>>>,
    ) -> Self {
        Self { settings, spare }
    }
}

/// The reference of a request to the settings and the spare.
#[allow(unnameable_types, reason = "inside the future")]
pub trait Handle<S>: Clone {
    type Authenticator: Deref<Target = Authenticator>;

    fn settings(&self) -> &Settings<Self::Authenticator>;

    /// Makes the spare if it does not exist.
    fn fill_spare(&self, inner: &S);

    /// Clones the spare. `None` if no request of this service can be sent again.
    fn spare(&self) -> Option<S>;
}

/// The shard of the thread that sent the request.
impl<S: Clone> Handle<S> for Local<Shared<S>> {
    type Authenticator = Own;

    #[inline]
    fn settings(&self) -> &Settings {
        Shared::settings(self)
    }

    #[inline]
    fn fill_spare(&self, inner: &S) {
        Shared::fill_spare(self, inner);
    }

    fn spare(&self) -> Option<S> {
        self.spare.take()
    }
}

/// Made for one request with a key.
impl<S: Clone> Handle<S> for Arc<Keyed<S>> {
    type Authenticator = LocalAuthenticator;

    #[inline]
    fn settings(&self) -> &Settings<LocalAuthenticator> {
        &self.settings
    }

    #[inline]
    fn fill_spare(&self, inner: &S) {
        if let Some(spare) = &self.spare {
            spare.fill(inner);
        }
    }

    fn spare(&self) -> Option<S> {
        self.spare.as_ref()?.take()
    }
}
