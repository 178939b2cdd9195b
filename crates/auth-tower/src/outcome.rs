use std::{fmt, time::Duration};

use auth_core::{Error, Generation, NoWiderScope, Origins};
use http::{Extensions, Request, Response};

use crate::InsufficientScope;

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

/// Why a request was sent without a token.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Unsigned {
    /// The destination is not in the authenticator's [`Origins`](auth_core::Origins), or the URI
    /// has no scheme and host.
    OtherOrigin,
    /// The `Host` header names another host than the URI.
    OtherHost,
    /// The request has no [`Key`](auth_core::Key), and
    /// [`MissingToken::SendUnsigned`](crate::MissingToken::SendUnsigned) is set.
    NoKey,
    /// No token could be had, and [`MissingToken::SendUnsigned`](crate::MissingToken::SendUnsigned)
    /// is set; the error says why.
    NoToken(Error),
    /// The caller set the credential header, and
    /// [`ExistingCredential::Keep`](crate::ExistingCredential::Keep) is set.
    OwnCredentials,
    /// The request was sent with a token, and a layer below removed it before the request that the
    /// response answers: a redirect follower went to another origin and returned. A refusal then
    /// says nothing about the token. Set by [`OriginGuardLayer`](crate::OriginGuardLayer).
    RemovedBelow,
}

/// Why a refused request was not sent again.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum NotReplayed {
    /// Replay is off, for the layer or for this method.
    Off,
    /// The body could not be kept. The token is renewed in the background.
    Body,
    /// The body is longer than [`ReplayBodyLayer`](crate::ReplayBodyLayer) may keep. The token is
    /// renewed in the background.
    TooLarge,
    /// The refusal answers another request than the one that was sent, because a client or a layer
    /// below followed a redirect, and the method is not safe: the API may have carried out the
    /// request. The token is renewed in the background. See
    /// [`AnsweredRequest`](crate::AnsweredRequest) and [`auth_core::Redirected`].
    Redirected,
    /// A client or a layer below may have followed a redirect unnoticed, and the method is not
    /// idempotent (RFC 9110 section 9.2.2): the API may have carried out the request. The token is
    /// renewed in the background. See [`auth_core::RedirectsUnseen`], and
    /// [`AuthLayer`](crate::AuthLayer#redirect-followers-below) for how to change this.
    RedirectsUnseen,
    /// This refusal starts no token request: an earlier token request failed or brought a token
    /// that the API refused too, or the quota has no free slot. A later refusal starts a token
    /// request.
    RefusalBackOff,
    /// No other token could be had; the error says why.
    NoToken(Error),
    /// The credential does not expire, for example an API key, and its source has no other one.
    Unchanged,
    /// The API requires a token with a larger scope, and
    /// [`WiderScope`](auth_core::WiderScope) does not permit requesting one.
    Scope(NoWiderScope),
    /// The request was sent twice, and the renewed token was refused too.
    Twice,
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
        extensions.get().cloned().unwrap_or_default()
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
        let Some(below) = response.extensions_mut().get_mut::<Self>() else {
            return;
        };
        let was_unsigned = below.unsigned.take().is_some();
        if was_unsigned && below.sends == 1 && below.waited.is_zero() {
            response.extensions_mut().remove::<Self>();
        }
    }

    /// Puts the outcome of an unsigned request on its response. The outcome of a layer below takes
    /// precedence, unless this layer waited for a token first.
    pub(crate) fn attach_unsigned<B>(mut self, response: Response<B>) -> Response<B> {
        let has_waited = matches!(self.unsigned, Some(Unsigned::NoToken(_)));
        if !has_waited && response.extensions().get::<Self>().is_some() {
            return response;
        }
        self.count_below(&response);
        self.attach(response)
    }

    /// Puts the outcome on a response.
    pub(crate) fn attach<B>(self, mut response: Response<B>) -> Response<B> {
        response.extensions_mut().insert(self);
        response
    }

    /// Puts the outcome on a refusal, with the reason why the request is not sent again.
    pub(crate) fn let_stand<B>(mut self, response: Response<B>, why: NotReplayed) -> Response<B> {
        self.not_replayed = Some(why);
        self.attach(response)
    }

    /// Adds the sends of a layer of this kind below, within one send of this layer.
    pub(crate) fn count_below<B>(&mut self, response: &Response<B>) {
        let Some(below) = response.extensions().get::<Self>() else {
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

impl Unsigned {
    /// Returns why a request whose destination is not permitted is not signed.
    pub(crate) fn elsewhere<B>(origins: &Origins, request: &Request<B>) -> Self {
        let (uri, headers) = (request.uri(), request.headers());
        if Origins::host_differs(uri, headers) && origins.permits(uri) {
            Self::OtherHost
        } else {
            Self::OtherOrigin
        }
    }

    /// Returns the cause as one lower-case word, for logs and metrics.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::OtherOrigin => "other_origin",
            Self::OtherHost => "other_host",
            Self::NoKey => "no_key",
            Self::NoToken(_) => "no_token",
            Self::OwnCredentials => "own_credentials",
            Self::RemovedBelow => "removed_below",
        }
    }
}

impl fmt::Display for Unsigned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OtherOrigin => "the destination is not in `origins`",
            Self::OtherHost => "the `Host` header names another host than the URI",
            Self::NoKey => "the request has no `auth_core::Key` in its extensions",
            Self::NoToken(error) => return write!(f, "no token could be had: {error}"),
            Self::OwnCredentials => "the caller set the credential header",
            Self::RemovedBelow => {
                "a layer below took the credential off, as redirect followers do on the way to \
                 another origin; put the follower above `AuthLayer`"
            }
        })
    }
}

impl NotReplayed {
    /// Returns the cause as one lower-case word, for logs and metrics.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Body => "body",
            Self::TooLarge => "too_large",
            Self::Redirected => "redirected",
            Self::RedirectsUnseen => "redirects_unseen",
            Self::RefusalBackOff => "refusal_back_off",
            Self::NoToken(_) => "no_token",
            Self::Unchanged => "unchanged",
            Self::Scope(_) => "scope",
            Self::Twice => "twice",
        }
    }
}

impl fmt::Display for NotReplayed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Off => "replay is off",
            Self::Body => "the body can be sent only once",
            Self::TooLarge => "the body is longer than `ReplayBodyLayer` may keep",
            Self::Redirected => "a redirect was followed, so the API may have carried out the request",
            Self::RedirectsUnseen => {
                "a redirect may have been followed unnoticed, so the API may have carried out the request; \
                 put `OriginGuardLayer` below the redirect follower, or make the reqwest client with \
                 `auth_reqwest::client_builder` or `ReqwestService::from_builder`"
            }
            Self::RefusalBackOff => {
                "token requests for refused tokens back off: an earlier one failed or brought a token \
                 that was refused too, or the quota has no slot for one"
            }
            Self::NoToken(error) => return write!(f, "no other token could be had: {error}"),
            Self::Unchanged => "the credential does not expire, and its source has no other one",
            Self::Scope(why) => {
                return write!(f, "the API wants more scope, and none is asked for: {why}");
            }
            Self::Twice => "the request was sent twice already",
        })
    }
}

#[cfg(test)]
mod tests;
