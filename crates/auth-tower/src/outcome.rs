use std::time::Duration;

use auth_core::{Error, Generation};
use http::{Extensions, Response};

/// What authentication did to get a response: how often the request was sent, and why.
///
/// Read it off any response with [`of`](Self::of). A request that was sent at once, and whose token
/// was not refused, leaves no extension behind, because one would cost every request two
/// allocations; it reads as [`AuthOutcome::default`].
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
    pub(crate) not_replayed: Option<NotReplayed>,
}

/// Why a refused request was not sent once more.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum NotReplayed {
    /// Replaying is switched off, for the layer or for this method.
    Off,
    /// The refusal answers a followed redirect, and the request that was sent has an unsafe method: it
    /// may have been carried out. The token is renewed in the background.
    Redirected,
    /// The body could not be kept. The token is renewed in the background.
    Body,
    /// The body is longer than [`ReplayBodyLayer`](crate::ReplayBodyLayer) may keep. The token is
    /// renewed in the background.
    TooLarge,
    /// The token was renewed moments ago and that did not help.
    Damped,
    /// No other token could be had; the error says why.
    NoToken(Error),
    /// The credential does not expire, an API key for example, and its source has no other one.
    Unchanged,
    /// It was sent twice already, and the renewed token was refused, too.
    Twice,
}

impl AuthOutcome {
    /// Reads the outcome off a response that came through `AuthLayer`.
    #[must_use]
    pub fn of<B>(response: &Response<B>) -> Self {
        Self::in_extensions(response.extensions())
    }

    /// Reads the outcome off a response's extensions, for responses of another type than `http`'s.
    #[must_use]
    pub fn in_extensions(extensions: &Extensions) -> Self {
        extensions.get().cloned().unwrap_or_default()
    }

    /// Puts the outcome on a response.
    pub(crate) fn attach<B>(self, mut response: Response<B>) -> Response<B> {
        response.extensions_mut().insert(self);
        response
    }

    /// Puts the outcome on a refusal, with the reason why no second send follows.
    pub(crate) fn let_stand<B>(mut self, response: Response<B>, why: NotReplayed) -> Response<B> {
        self.not_replayed = Some(why);
        self.attach(response)
    }

    /// Counts what another layer of this kind did below, within one send of this one's.
    pub(crate) fn count_below<B>(&mut self, response: &Response<B>) {
        let Some(below) = response.extensions().get::<Self>() else {
            return;
        };
        let more = below.sends.saturating_sub(1);
        self.sends = self.sends.saturating_add(more);
        self.waited = self.waited.saturating_add(below.waited);
    }

    /// Returns how often the request was sent: 1 or 2, the sends of another layer of this kind below
    /// included.
    #[must_use]
    pub fn sends(&self) -> u8 {
        self.sends
    }

    /// Returns the token of the last send; `None` where the request left unsigned, or where there
    /// was nothing to tell.
    #[must_use]
    pub fn generation(&self) -> Option<Generation> {
        self.generation
    }

    /// Returns the token that the API refused, if it refused one.
    #[must_use]
    pub fn refused(&self) -> Option<Generation> {
        self.refused
    }

    /// Tells whether the API refused a token on the way to this response.
    #[must_use]
    pub fn was_refused(&self) -> bool {
        self.refused.is_some()
    }

    /// Returns how long the request waited for tokens, by the authenticator's clock.
    #[must_use]
    pub fn waited(&self) -> Duration {
        self.waited
    }

    /// Returns why a refused request was not sent once more, if it was not.
    #[must_use]
    pub fn not_replayed(&self) -> Option<&NotReplayed> {
        self.not_replayed.as_ref()
    }
}

impl Default for AuthOutcome {
    fn default() -> Self {
        Self {
            sends: 1,
            generation: None,
            refused: None,
            waited: Duration::ZERO,
            not_replayed: None,
        }
    }
}
