use std::time::Duration;

use auth_core::Generation;
use http::{Extensions, Response};

use crate::{
    InsufficientScope,
    causes::{NotReplayed, Unsigned},
    marks::{Marked, Marks},
};

/// What authentication did to a request: how often it was sent, and why.
///
/// Read it from a response with [`of`](Self::of). A request that was signed, sent once and not
/// refused leaves no extension on its response, because an extension would cost every request two
/// allocations; [`of`](Self::of) then returns [`AuthOutcome::default`]. Every other request leaves
/// an extension: [`unsigned`](Self::unsigned) says why a request was sent without a token,
/// [`not_replayed`](Self::not_replayed) why a refused request was not sent again. The same causes
/// are logged with the host, at WARN the first time per authenticator and destination, then at
/// DEBUG.
///
/// In a stack of several `AuthLayer`s, for APIs of several vendors, a layer that signs overrides
/// the outcome "not signed" of a layer below. A layer that does not sign does not know whether one
/// below does.
///
/// # Example
///
/// ```
/// use auth_tower::AuthOutcome;
/// use http::Response;
///
/// let response = Response::new(());
/// let outcome = AuthOutcome::of(&response);
/// assert_eq!(outcome.sends(), 1);
/// assert!(!outcome.was_refused());
/// ```
#[derive(Clone, Debug)]
pub struct AuthOutcome {
    pub(crate) sends: u8,
    pub(crate) generation: Option<Generation>,
    pub(crate) refused: Option<Generation>,
    pub(crate) waited: Duration,
    pub(crate) unsigned: Option<Unsigned>,
    pub(crate) not_replayed: Option<NotReplayed>,
    /// Read on demand, so that a response with this value costs no allocation.
    pub(crate) insufficient_scope: Option<InsufficientScope>,
}

impl AuthOutcome {
    /// Returns the outcome of a response that passed through `AuthLayer`.
    #[must_use]
    pub fn of<B>(response: &Response<B>) -> Self {
        let mut outcome = Self::in_extensions(response.extensions());
        outcome.insufficient_scope = InsufficientScope::of(response);
        outcome
    }

    /// Returns the outcome in a response's extensions, for response types other than `http`'s.
    /// Without the response's head, [`insufficient_scope`](Self::insufficient_scope) is unknown.
    #[must_use]
    pub fn in_extensions(extensions: &Extensions) -> Self {
        if let Some(Left(outcome)) = extensions.get() {
            return outcome.clone();
        }
        if Marks::is_elsewhere(extensions) {
            return Self::sent_unsigned(Unsigned::OtherOrigin);
        }
        Self::default()
    }

    /// Returns whether a layer of this kind left an outcome.
    pub(crate) fn is_left(extensions: &Extensions) -> bool {
        extensions.get::<Left>().is_some() || Marks::is_elsewhere(extensions)
    }

    /// Leaves the outcome of a request that was sent to another origin at once. The outcome of a
    /// layer below takes precedence.
    #[inline(never)]
    pub(crate) fn leave_elsewhere(extensions: &mut Extensions) {
        if !Marked::leave_elsewhere(extensions) && !Self::is_left(extensions) {
            Marks::add_elsewhere(extensions);
        }
    }

    /// Makes the outcome of a request that is sent unsigned at once.
    pub(crate) fn sent_unsigned(why: Unsigned) -> Self {
        Self {
            unsigned: Some(why),
            ..Self::default()
        }
    }

    /// Removes the outcome "not signed" of a layer below, because this layer signed.
    pub(crate) fn signed_above<B>(response: &mut Response<B>) {
        let extensions = response.extensions_mut();
        if !Marked::is_on(extensions) {
            return;
        }
        if let Some(Left(below)) = extensions.get_mut() {
            let was_unsigned = below.unsigned.take().is_some();
            if !was_unsigned || below.sends > 1 || !below.waited.is_zero() {
                return;
            }
            extensions.remove::<Left>();
        }
        Marks::clear_elsewhere(extensions);
    }

    /// Puts the outcome of an unsigned request on its response. The outcome of a layer below takes
    /// precedence, unless this layer waited for a token first.
    pub(crate) fn attach_unsigned<B>(mut self, response: Response<B>) -> Response<B> {
        let has_waited = matches!(self.unsigned, Some(Unsigned::NoToken(_)));
        if !has_waited && Self::is_left(response.extensions()) {
            return response;
        }
        self.count_below(&response);
        self.attach(response)
    }

    /// Puts the outcome on a response.
    pub(crate) fn attach<B>(self, mut response: Response<B>) -> Response<B> {
        let extensions = response.extensions_mut();
        extensions.insert(Left(self));
        extensions.insert(Marked);
        response
    }

    /// Puts the outcome on a refusal, with the reason why the request is not sent again.
    pub(crate) fn let_stand<B>(mut self, response: Response<B>, why: NotReplayed) -> Response<B> {
        self.not_replayed = Some(why);
        self.attach(response)
    }

    /// Adds the sends of a layer of this kind below, within one send of this layer.
    pub(crate) fn count_below<B>(&mut self, response: &Response<B>) {
        let Some(Left(below)) = response.extensions().get() else {
            return;
        };
        let more = below.sends.saturating_sub(1);
        self.sends = self.sends.saturating_add(more);
        self.waited = self.waited.saturating_add(below.waited);
    }

    /// Returns how often the request was sent: 1 or 2, including the sends of a layer of this kind
    /// below.
    #[must_use]
    pub fn sends(&self) -> u8 {
        self.sends
    }

    /// Returns the token of the last send. `None` if the request was sent unsigned, or if the
    /// response has no outcome.
    #[must_use]
    pub fn generation(&self) -> Option<Generation> {
        self.generation
    }

    /// Returns the token that the API refused, if it refused one.
    #[must_use]
    pub fn refused(&self) -> Option<Generation> {
        self.refused
    }

    /// Returns whether the API refused a token of this request.
    #[must_use]
    pub fn was_refused(&self) -> bool {
        self.refused.is_some()
    }

    /// Returns how long the request waited for tokens, by the authenticator's clock. Zero if it did
    /// not wait.
    #[must_use]
    pub fn waited(&self) -> Duration {
        self.waited
    }

    /// Returns the scopes that the API requires, if it answered 401 or 403 with
    /// `insufficient_scope` (RFC 6750 section 3.1).
    #[must_use]
    pub fn insufficient_scope(&self) -> Option<&InsufficientScope> {
        self.insufficient_scope.as_ref()
    }

    /// Returns why the request was sent without a token. `None` if it was signed.
    #[must_use]
    pub fn unsigned(&self) -> Option<&Unsigned> {
        self.unsigned.as_ref()
    }

    /// Returns why a refused request was not sent again. `None` if it was, or if no token was
    /// refused.
    #[must_use]
    pub fn not_replayed(&self) -> Option<&NotReplayed> {
        self.not_replayed.as_ref()
    }
}

/// The extension. Not [`AuthOutcome`] itself, so that it always comes with
/// [`Marked`].
#[derive(Clone)]
struct Left(AuthOutcome);

impl Default for AuthOutcome {
    fn default() -> Self {
        Self {
            sends: 1,
            generation: None,
            refused: None,
            waited: Duration::ZERO,
            unsigned: None,
            not_replayed: None,
            insufficient_scope: None,
        }
    }
}
