mod kind;

pub(crate) use kind::SCOPE_DENIED;
pub use kind::{EventKind, QuotaUse};

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use crate::{Error, Moment};

/// Something that happened to an authenticator, its tokens or its requests. Passed to
/// [`Observer`](crate::Observer).
///
/// Cheap to clone. Holds no secret.
#[derive(Clone, Debug)]
pub struct Event {
    names: Arc<Names>,
    time: Moment,
    kind: EventKind,
}

/// The authenticator that the event is about.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Names {
    pub(crate) vendor: Box<str>,
    pub(crate) label: Option<Arc<str>>,
}

/// The names of authenticators that are built with clones of the same options, usually one vendor's.
#[derive(Clone, Debug, Default)]
pub(crate) struct SharedNames(Arc<OnceLock<Arc<Names>>>);

impl SharedNames {
    /// Returns the names. They take memory only if the first authenticator has others.
    pub(crate) fn of(&self, vendor: String, label: Option<Arc<str>>) -> Arc<Names> {
        let names = Names {
            vendor: vendor.into(),
            label,
        };
        if let Some(shared) = self.0.get().filter(|shared| ***shared == names) {
            return Arc::clone(shared);
        }
        let names = Arc::new(names);
        // Another thread may have been first.
        let _ = self.0.set(Arc::clone(&names));
        names
    }
}

impl Event {
    pub(crate) fn new(names: Arc<Names>, time: Moment, kind: EventKind) -> Self {
        Self { names, time, kind }
    }

    /// Returns the vendor's name.
    #[must_use]
    pub fn vendor(&self) -> &str {
        &self.names.vendor
    }

    /// Returns the label that was set by
    /// [`AuthenticatorOptions::label`](crate::AuthenticatorOptions::label).
    #[must_use]
    pub fn label(&self) -> Option<&str> {
        self.names.label.as_deref()
    }

    /// Returns when the event was reported, by the authenticator's clock.
    #[must_use]
    pub fn time(&self) -> Moment {
        self.time
    }

    /// Returns what happened.
    #[must_use]
    pub fn kind(&self) -> &EventKind {
        &self.kind
    }

    /// Returns the kind as one lower-case word, for example `token_published`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.kind.name()
    }

    /// Returns the error that the event is about. `None` if the event has no error.
    #[must_use]
    pub fn error(&self) -> Option<&Error> {
        self.kind.error()
    }

    /// Returns the host that the event is about: the API's host for a request, the token endpoint's
    /// host for a failed token request.
    #[must_use]
    pub fn host(&self) -> Option<&str> {
        self.kind.host()
    }

    /// Returns the cause as one lower-case word of a fixed set: why a request was not signed or not
    /// replayed, or why no larger scope was granted, otherwise the [kind](Error::kind) of the error.
    #[must_use]
    pub fn cause(&self) -> Option<&'static str> {
        self.kind.cause()
    }

    /// Returns one event of each kind, for tests of observers.
    #[doc(hidden)]
    #[must_use]
    pub fn examples() -> Vec<Self> {
        let names = Arc::new(Names {
            vendor: "example".into(),
            label: Some("tenant-7".into()),
        });
        let since_1970 = Duration::from_secs(1_700_000_000);
        let time = Moment::new(Duration::ZERO, since_1970);
        let examples = EventKind::examples().into_iter();
        examples
            .map(|kind| Self::new(Arc::clone(&names), time, kind))
            .collect()
    }
}

#[cfg(test)]
mod tests;
