use std::{fmt, time::Duration};

use auth_core::{Error, Generation, NoWiderScope, Origins};
use http::{Extensions, Request, Response};

use crate::InsufficientScope;

/// What authentication did to get a response: how often the request was sent, and why.
///
/// Read it off any response with [`of`](Self::of). A request that was signed, sent once and not
/// refused leaves no extension behind, because one would cost every request two allocations; it
/// reads as [`AuthOutcome::default`]. Every other request leaves one: [`unsigned`](Self::unsigned)
/// says why a request left without a token, [`not_replayed`](Self::not_replayed) why a refused one
/// was not sent again. The same causes are logged, with the host: at WARN the first time for each
/// authenticator and destination, at DEBUG after that.
///
/// In a stack of several `AuthLayer`s, for APIs of several vendors, a layer that signs overrides
/// what a layer below says of not signing. A layer that does not sign cannot know that one below
/// does.
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
    /// Read when somebody asks: a response that says it costs no allocation.
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
    /// The request left with a token, and a layer below took it off before the request that the
    /// response answers: a redirect follower that went to another origin and came back. A refusal
    /// says nothing about the token then. [`OriginGuardLayer`](crate::OriginGuardLayer) tells.
    RemovedBelow,
}

/// Why a refused request was not sent once more.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum NotReplayed {
    /// Replaying is switched off, for the layer or for this method.
    Off,
    /// The body could not be kept. The token is renewed in the background.
    Body,
    /// The body is longer than [`ReplayBodyLayer`](crate::ReplayBodyLayer) may keep. The token is
    /// renewed in the background.
    TooLarge,
    /// The refusal answers another request than the one that was sent, because a client or a layer
    /// below followed a redirect, and the method is not safe: the API may have applied the request.
    /// The token is renewed in the background. See [`AnsweredRequest`](crate::AnsweredRequest) and
    /// [`auth_core::Redirected`].
    Redirected,
    /// A client or a layer below may have followed a redirect without telling, and the method is
    /// not idempotent (RFC 9110 section 9.2.2): the API may have applied the request. The token is
    /// renewed in the background. See [`auth_core::RedirectsUnseen`], and
    /// [`AuthLayer`](crate::AuthLayer#redirect-followers-inside) for what to change.
    RedirectsUnseen,
    /// No token request starts for this refusal, because an earlier one failed or brought a token
    /// that the API refused too, or because the quota has no slot for it. A later refusal starts
    /// one.
    RefusalBackOff,
    /// No other token could be had; the error says why.
    NoToken(Error),
    /// The credential does not expire, an API key for example, and its source has no other one.
    Unchanged,
    /// The API wants a token with more scope, and
    /// [`WiderScope`](auth_core::WiderScope) does not permit to ask for one.
    Scope(NoWiderScope),
    /// It was sent twice already, and the renewed token was refused, too.
    Twice,
}

impl AuthOutcome {
    /// Reads the outcome off a response that came through `AuthLayer`.
    #[must_use]
    pub fn of<B>(response: &Response<B>) -> Self {
        let mut outcome = Self::in_extensions(response.extensions());
        outcome.insufficient_scope = InsufficientScope::of(response);
        outcome
    }

    /// Reads the outcome off a response's extensions, for responses of another type than `http`'s.
    /// Without the response's head, [`insufficient_scope`](Self::insufficient_scope) is not known.
    #[must_use]
    pub fn in_extensions(extensions: &Extensions) -> Self {
        extensions.get().cloned().unwrap_or_default()
    }

    /// What a request leaves behind that is sent unsigned at once.
    pub(crate) fn sent_unsigned(why: Unsigned) -> Self {
        Self {
            unsigned: Some(why),
            ..Self::default()
        }
    }

    /// Takes back what a layer below said of not signing: this layer signed.
    pub(crate) fn signed_above<B>(response: &mut Response<B>) {
        let Some(below) = response.extensions_mut().get_mut::<Self>() else {
            return;
        };
        let was_unsigned = below.unsigned.take().is_some();
        if was_unsigned && below.sends == 1 && below.waited.is_zero() {
            response.extensions_mut().remove::<Self>();
        }
    }

    /// Puts the outcome of a request that was sent unsigned on its response. What a layer below has
    /// to tell counts more, unless this one waited for a token first.
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

    /// Returns how often the request was sent: 1 or 2, the sends of another layer of this kind
    /// below included.
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

    /// Returns which scopes the API wants, if it answered 401 or 403 with `insufficient_scope`
    /// (RFC 6750 section 3.1).
    #[must_use]
    pub fn insufficient_scope(&self) -> Option<&InsufficientScope> {
        self.insufficient_scope.as_ref()
    }

    /// Returns why the request was sent without a token, if it was.
    #[must_use]
    pub fn unsigned(&self) -> Option<&Unsigned> {
        self.unsigned.as_ref()
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
            unsigned: None,
            not_replayed: None,
            insufficient_scope: None,
        }
    }
}

impl Unsigned {
    /// Tells why a request whose destination is not permitted is not signed.
    pub(crate) fn elsewhere<B>(origins: &Origins, request: &Request<B>) -> Self {
        let (uri, headers) = (request.uri(), request.headers());
        if Origins::host_differs(uri, headers) && origins.permits(uri) {
            Self::OtherHost
        } else {
            Self::OtherOrigin
        }
    }

    /// Returns the cause in one lower-case word, for logs and metrics.
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
    /// Returns the cause in one lower-case word, for logs and metrics.
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
            Self::Redirected => "a redirect was followed, so the API may have applied the request",
            Self::RedirectsUnseen => {
                "a redirect may have been followed unseen, so the API may have applied the request; \
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
