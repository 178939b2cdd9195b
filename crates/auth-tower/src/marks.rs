//! The marks of this crate on a response.

use std::{fmt, sync::OnceLock};

use auth_core::Authenticator;
use http::{Extensions, Response, Uri};

use crate::Unsigned;

/// On each response with a mark or an outcome of this crate, because each type costs every response
/// of a real client a look-up. With neither [`Marks`] nor an outcome, it says that the request went
/// to another origin at once, and that an `AuthLayer` sent it unsigned.
///
/// Has no size, so it takes no allocation.
#[derive(Clone, Copy)]
pub(crate) struct Marked;

/// What else the crate left on a response, except an outcome.
#[derive(Clone, Default)]
pub(crate) struct Marks {
    /// As [`Marked`] without this type.
    elsewhere: bool,
    /// One entry per guard.
    bare: Vec<BareRequest>,
}

impl Marked {
    #[inline]
    pub(crate) fn is_on(extensions: &Extensions) -> bool {
        extensions.get::<Self>().is_some()
    }

    /// Leaves the mark that the request went to another origin at once. Returns false, and changes
    /// nothing, if there are other marks or an outcome.
    pub(crate) fn leave_elsewhere(extensions: &mut Extensions) -> bool {
        // To clone a map costs less than to make one.
        static ONLY: OnceLock<Extensions> = OnceLock::new();
        if !extensions.is_empty() {
            return extensions.insert(Self).is_none();
        }
        let only = ONLY.get_or_init(|| {
            let mut only = Extensions::new();
            only.insert(Self);
            only
        });
        extensions.clone_from(only);
        true
    }
}

impl Marks {
    /// Returns whether the request went to another origin at once. For a response without an
    /// outcome.
    pub(crate) fn is_elsewhere(extensions: &Extensions) -> bool {
        match extensions.get::<Self>() {
            Some(marks) => marks.elsewhere,
            None => Marked::is_on(extensions),
        }
    }

    /// Adds the mark that the request went to another origin at once to other marks.
    pub(crate) fn add_elsewhere(extensions: &mut Extensions) {
        Self::on(extensions).elsewhere = true;
    }

    /// Removes the mark that the request went to another origin at once. For a response without an
    /// outcome.
    pub(crate) fn clear_elsewhere(extensions: &mut Extensions) {
        match extensions.get_mut::<Self>() {
            // An empty one is not left.
            Some(marks) if !marks.bare.is_empty() => marks.elsewhere = false,
            _ => {
                extensions.remove::<Self>();
                extensions.remove::<Marked>();
            }
        }
    }

    fn on(extensions: &mut Extensions) -> &mut Self {
        let was_marked = extensions.insert(Marked).is_some();
        extensions.get_or_insert_with(|| Self {
            elsewhere: was_marked,
            ..Self::default()
        })
    }
}

/// Says that the answered request did not carry the token of an authenticator. An
/// [`OriginGuardLayer`](crate::OriginGuardLayer) puts it into the response's extensions.
#[derive(Clone)]
pub(crate) struct BareRequest {
    guard: Authenticator,
    uri: Uri,
    why: Unsigned,
}

impl BareRequest {
    pub(crate) fn new(guard: Authenticator, uri: Uri, why: Unsigned) -> Self {
        Self { guard, uri, why }
    }

    pub(crate) fn mark<B>(self, response: &mut Response<B>) {
        Marks::on(response.extensions_mut()).bare.push(self);
    }

    /// Returns where the request went and why it did not carry the token of this authenticator.
    pub(crate) fn of<B>(
        response: &Response<B>,
        authenticator: &Authenticator,
    ) -> Option<(Uri, Unsigned)> {
        let marks: &Marks = response.extensions().get()?;
        let bare = marks
            .bare
            .iter()
            .find(|bare| bare.guard.shares_header(authenticator))?;
        Some((bare.uri.clone(), bare.why.clone()))
    }
}

impl fmt::Debug for BareRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BareRequest")
            .field("why", &self.why)
            .finish_non_exhaustive()
    }
}
