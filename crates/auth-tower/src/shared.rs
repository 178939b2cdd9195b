//! What the requests of one service share: its settings, and a spare of the service below.

use std::{
    ops::Deref,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use auth_core::{Local, Sharded};

use crate::settings::Settings;

/// A clone of the service below that was not made ready, for requests that are sent again. It is
/// made by the first request that may need one, and cloned once more for each second send, so that
/// requests that are not refused clone nothing.
///
/// The lock makes it `Sync` for a service that is not. It is taken for second sends only.
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
        // Made before the lock of the cell is taken: `clone` is the user's code.
        let spare = Mutex::new(inner.clone());
        // Another thread may have been faster.
        let _ = self.0.set(spare);
    }

    fn take(&self) -> Option<S> {
        let spare = self.0.get()?.lock();
        Some(spare.unwrap_or_else(PoisonError::into_inner).clone())
    }
}

/// Settings, and the spare.
#[derive(Debug)]
#[allow(unnameable_types, reason = "inside the future")]
pub struct Shared<S> {
    settings: Settings,
    spare: Slot<S>,
}

#[derive(Debug)]
enum Slot<S> {
    Own(Spare<S>),
    /// Of the layer for many keys, whose settings are made for each request.
    Layer(Local<Spare<S>>),
}

impl<S> Shared<S> {
    /// Settings with a place for a spare of their own.
    pub(crate) const fn new(settings: Settings) -> Self {
        Self {
            settings,
            spare: Slot::Own(Spare::none()),
        }
    }

    /// Settings for one request of a service that has its spare elsewhere.
    pub(crate) const fn with_spare(settings: Settings, spare: Local<Spare<S>>) -> Self {
        Self {
            settings,
            spare: Slot::Layer(spare),
        }
    }

    #[inline]
    pub(crate) const fn settings(&self) -> &Settings {
        &self.settings
    }

    #[inline]
    fn slot(&self) -> &Spare<S> {
        match &self.spare {
            Slot::Own(spare) => spare,
            Slot::Layer(spare) => spare,
        }
    }
}

impl<S: Clone> Shared<S> {
    /// Makes sure that there is a spare.
    #[inline]
    pub(crate) fn fill_spare(&self, inner: &S) {
        self.slot().fill(inner);
    }

    /// Clones the spare; `None` if no request of this service could have been sent again.
    pub(crate) fn spare(&self) -> Option<S> {
        self.slot().take()
    }
}

/// What a request holds of it: a [`Local`] is the copy of the thread that sent the request; an
/// [`Arc`] was made for this request, because its key, or the service below, is its own.
#[allow(unnameable_types, reason = "inside the future")]
pub trait Handle<S>: Deref<Target = Shared<S>> + Clone {}

impl<S> Handle<S> for Local<Shared<S>> {}
impl<S> Handle<S> for Arc<Shared<S>> {}

/// Settings and spares for the threads that send requests by the same service.
pub(crate) fn sharded<S>(settings: &Settings) -> Arc<Sharded<Shared<S>>> {
    let shards = settings.authenticator.shards();
    Arc::new(Sharded::new(shards, || Shared::new(settings.clone())))
}
