//! More scope for a token, because the API wants it.

use std::{collections::BTreeSet, fmt, sync::Arc};

use crate::{
    Acquire, Authenticator, Error, ErrorKind, EventKind, Generation, RejectedPart, Token,
    TokenRequestOutcome,
    authenticator::{acquire::Wish, asking::Answer, shared_state::SharedState},
    machine::{
        scopes::{Ended, Scopes, Situation, Step, covers},
        serving::Event,
    },
    observer::SCOPE_DENIED,
};

/// Permits an [`Authenticator`] to ask for more scope when the API answers `insufficient_scope`
/// ([RFC 6750, section 3.1](https://datatracker.ietf.org/doc/html/rfc6750#section-3.1)); set by
/// [`AuthenticatorOptions::wider_scope`](crate::AuthenticatorOptions::wider_scope).
///
/// Without this option such an answer is passed on. With it, `auth_tower::AuthLayer` asks the
/// authorization server once for the union of the usual scope and the scopes that the API wants,
/// and sends the request once more with the token that comes. Use it where the scopes of an API are
/// not known beforehand, for example with servers of the Model Context Protocol, whose clients are
/// told by the challenge which scopes a call needs. Where they are known, set them at the source:
/// that costs no refused request.
///
/// # Rules
///
/// - The token stays valid, and all other requests go on with it while the vendor is asked.
/// - All requests that want more scope share one token request. It goes by the rules of each
///   renewal: back-off, quota (its reserve is not used) and lease.
/// - Nothing is asked for that the token was granted already, that the vendor has denied once, or
///   that is not [permitted](Self::only).
/// - At most [`max_scopes`](Self::max_scopes) scopes are asked for beyond the usual ones, in at
///   most [`max_requests`](Self::max_requests) token requests, for the life of the authenticator.
/// - Later renewals ask for the union, too. A new authenticator begins with the usual scope: after a
///   restart, and after an [`AuthenticatorMap`](crate::AuthenticatorMap) has evicted one.
/// - If the vendor rejects the union, the next token request asks for the usual scope, and the
///   cached token serves meanwhile. If the vendor grants a part, the token is used, and the rest is
///   not asked for again. A token that lacks a scope of the cached token is not taken.
///
/// # With a store
///
/// Processes that share a [store](crate::AuthenticatorOptions::store) share the token, so set this
/// option for all of them, or for none. A process that takes a token with more scope from the store
/// asks for as much from then on. A process without this option renews the token with the usual
/// scope; the others ask again, at most [`max_requests`](Self::max_requests) times.
///
/// # Which sources
///
/// Those that say what they ask for by [`TokenSource::own_scope`](crate::TokenSource::own_scope):
/// `Client::client_credentials` of `auth-oauth2`. With others, the API's answer is passed on.
///
/// # Security
///
/// The API chooses which scopes are asked for, so name those that you permit. With
/// [`any`](Self::any), an API that was taken over gets a token with all that the client may have,
/// which it can use at other APIs that accept the same token.
///
/// # Example
///
/// ```
/// use auth_core::{AuthenticatorOptions, WiderScope};
///
/// let options = AuthenticatorOptions::new()
///     .wider_scope(WiderScope::only(["things:write", "things:delete"]).max_requests(2));
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct WiderScope {
    /// `None` permits any.
    permitted: Option<Arc<BTreeSet<String>>>,
    pub(crate) most_scopes: usize,
    pub(crate) most_requests: u32,
}

impl WiderScope {
    /// Permits these scopes, and no others.
    pub fn only<T: Into<String>>(scopes: impl IntoIterator<Item = T>) -> Self {
        let scopes = scopes.into_iter().map(Into::into).collect();
        Self {
            permitted: Some(Arc::new(scopes)),
            ..Self::any()
        }
    }

    /// Permits any scope that the API names. See [Security](Self#security).
    pub fn any() -> Self {
        Self {
            permitted: None,
            most_scopes: 16,
            most_requests: 4,
        }
    }

    /// Sets how many scopes may be asked for beyond the usual ones. Default: 16. The whole scope
    /// has at most 4,096 bytes.
    pub fn max_scopes(mut self, count: usize) -> Self {
        self.most_scopes = count;
        self
    }

    /// Sets how many token requests an authenticator may make because the API wants more scope.
    /// Default: 4.
    pub fn max_requests(mut self, count: u32) -> Self {
        self.most_requests = count;
        self
    }

    pub(crate) fn permits(&self, scope: &str) -> bool {
        let permitted = self.permitted.as_deref();
        permitted.is_none_or(|permitted| permitted.contains(scope))
    }
}

/// Why no token with more scope is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum NoWiderScope {
    /// [`AuthenticatorOptions::wider_scope`](crate::AuthenticatorOptions::wider_scope) is not set,
    /// or the source cannot ask for another scope.
    Off,
    /// The API did not say which scopes it wants.
    Unnamed,
    /// The token was granted all of them.
    AlreadyGranted,
    /// One of them is not among the permitted scopes, or no scope at all (RFC 6749 section 3.3).
    NotPermitted,
    /// The authorization server did not grant one of them before.
    Denied,
    /// Neither the source nor the authorization server said which scope the token has, so that the
    /// union is not known.
    Unknown,
    /// [`WiderScope::max_scopes`], [`WiderScope::max_requests`] or 4,096 bytes would be exceeded.
    TooMany,
}

impl NoWiderScope {
    /// Returns the cause as one lower-case word, for logs and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Unnamed => "unnamed",
            Self::AlreadyGranted => "already_granted",
            Self::NotPermitted => "not_permitted",
            Self::Denied => "denied_before",
            Self::Unknown => "unknown",
            Self::TooMany => "too_many",
        }
    }
}

impl fmt::Display for NoWiderScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Off => "`wider_scope` is not set, or the token source cannot ask for a scope",
            Self::Unnamed => "the API did not say which scopes it wants",
            Self::AlreadyGranted => "the token was granted these scopes already",
            Self::NotPermitted => "`WiderScope` does not permit one of the scopes",
            Self::Denied => "the authorization server did not grant one of the scopes before",
            Self::Unknown => {
                "the scope of the token is not known; set the scope at the token source"
            }
            Self::TooMany => "the limits of `WiderScope` are reached",
        })
    }
}

/// What follows from a request that the API wants more scope for; returned by
/// [`Authenticator::report_insufficient_scope`].
#[derive(Debug)]
#[non_exhaustive]
pub enum ScopeAnswer {
    /// The cached token has the scopes: it is newer than the one that was sent.
    Granted(Token),
    /// A token request is under way. Wait for its token, which has the scopes: otherwise the wait
    /// ends with an error.
    Renewing(Acquire),
    /// Nothing is asked for.
    Declined(NoWiderScope),
    /// No token request may start now; the error says why and for how long.
    Failed(Error),
}

impl Authenticator {
    /// Tells whether [`AuthenticatorOptions::wider_scope`](crate::AuthenticatorOptions::wider_scope)
    /// is set and the source can ask for another scope.
    #[must_use]
    pub fn asks_for_wider_scope(&self) -> bool {
        self.shared.limits_of_scope().is_some()
    }

    /// Reports that the API wants these scopes of a request that was signed with this token. Asks
    /// the authorization server for them if [`WiderScope`](crate::WiderScope) permits; does not
    /// wait.
    ///
    /// The token stays in use: that the scope is insufficient says that the token is valid.
    pub fn report_insufficient_scope<'s>(
        &self,
        generation: Generation,
        scopes: impl IntoIterator<Item = &'s str>,
    ) -> ScopeAnswer {
        let wanted: Vec<Box<str>> = scopes.into_iter().map(Box::from).collect();
        let answer = self.answer_to(generation, &wanted);
        if let ScopeAnswer::Declined(why) = &answer {
            if !matches!(why, NoWiderScope::Off) {
                let scopes = wanted.len();
                let declined = Some(why.as_str());
                self.shared.tell(EventKind::WiderScope { scopes, declined });
            }
        }
        answer
    }

    fn answer_to(&self, generation: Generation, wanted: &[Box<str>]) -> ScopeAnswer {
        match self.shared.widen(wanted) {
            Ok(Widening::Granted(token)) if token.generation() == generation => {
                ScopeAnswer::Declined(NoWiderScope::AlreadyGranted)
            }
            Ok(Widening::Granted(token)) => ScopeAnswer::Granted(token),
            Ok(Widening::Answer(Answer::Wait(flight))) => {
                let shared = Arc::clone(&self.shared);
                let wish = Wish::Scope(wanted.into());
                ScopeAnswer::Renewing(Acquire::joined(shared, flight, wish))
            }
            Ok(Widening::Answer(Answer::Error(error))) => ScopeAnswer::Failed(error),
            Ok(Widening::Answer(_)) => ScopeAnswer::Failed(self.shared.not_granted()),
            Err(why) => ScopeAnswer::Declined(why),
        }
    }
}

/// What comes of a wish for more scope.
pub(crate) enum Widening {
    Granted(Token),
    /// The answer of a renewal.
    Answer(Answer),
}

impl SharedState {
    fn limits_of_scope(&self) -> Option<(&WiderScope, &str)> {
        let limits = self.settings.wider_scope.as_ref()?;
        Some((limits, self.source().own_scope()?))
    }

    /// Asks for a token that has these scopes.
    pub(crate) fn widen(self: &Arc<Self>, wanted: &[Box<str>]) -> Result<Widening, NoWiderScope> {
        let (limits, own) = self.limits_of_scope().ok_or(NoWiderScope::Off)?;
        let now = self.now();
        let wanted: Vec<&str> = wanted.iter().map(|scope| &**scope).collect();
        let mut desk = self.desk();
        let until = desk.key.state.usable_until();
        let cached = self
            .published
            .load()
            .filter(|_| until.is_some_and(|until| !now.reached(until)));
        let situation = Situation {
            limits,
            own,
            granted: cached.as_ref().and_then(|cached| cached.headers().scope()),
            is_flying: desk.flight.is_some(),
        };
        let step = desk.scopes.want(situation, &wanted);
        drop(desk);
        match step {
            Step::Decline(why) => Err(why),
            Step::Granted => match cached {
                Some(cached) => Ok(Widening::Granted(cached.token())),
                None => Err(NoWiderScope::Unknown),
            },
            Step::Ask => Ok(Widening::Answer(self.ask(Event::Renew))),
        }
    }

    /// Tells whether the cached token has these scopes.
    pub(crate) fn token_with(&self, wanted: &[Box<str>]) -> Option<Token> {
        let token = self.valid_token()?;
        let granted = token.granted_scope()?;
        covers(granted, wanted).then_some(token)
    }

    /// The scope that the next token request asks for, if it is not the source's own.
    pub(crate) fn asked_scope(&self) -> Option<String> {
        self.desk().scopes.asked()
    }

    /// Judges the end of a token request that asked for this scope in place of the source's own.
    pub(crate) fn judge_scope(
        &self,
        asked: &str,
        result: Result<crate::AccessToken, Error>,
    ) -> Result<crate::AccessToken, Error> {
        let now = self.now();
        let mut desk = self.desk();
        let until = desk.key.state.usable_until();
        let is_valid = until.is_some_and(|until| !now.reached(until));
        let result = self.judged(asked, result, &mut desk.scopes, is_valid);
        let ended = desk.scopes.take_ended();
        drop(desk);
        if let Some(Ended { scopes, is_granted }) = ended {
            let declined = (!is_granted).then_some(SCOPE_DENIED);
            self.tell(EventKind::WiderScope { scopes, declined });
        }
        result
    }

    fn judged(
        &self,
        asked: &str,
        result: Result<crate::AccessToken, Error>,
        scopes: &mut Scopes,
        is_cached_valid: bool,
    ) -> Result<crate::AccessToken, Error> {
        match result {
            Ok(token) => {
                // A reply that names no scope grants what was asked for (RFC 6749 section 5.1).
                let token = match token.granted_scope() {
                    Some(_) => token,
                    None => token.scope(asked),
                };
                let cached = self.published.load().filter(|_| is_cached_valid);
                let cached = cached.as_ref().and_then(|cached| cached.headers().scope());
                let granted = token.granted_scope().unwrap_or_default();
                if scopes.granted(granted, cached) {
                    return Ok(token);
                }
                let message = "the token with more scope lacks a scope of the cached token";
                Err(Error::new(ErrorKind::Rejected, message)
                    .with_outcome(TokenRequestOutcome::Rejected)
                    .with_rejected_part(RejectedPart::Scope))
            }
            Err(error) if error.rejected_part() == Some(RejectedPart::Request) => {
                scopes.withdraw(self.source().own_scope().unwrap_or_default());
                Err(error.with_rejected_part(RejectedPart::Scope))
            }
            Err(error) => Err(error),
        }
    }

    /// A token of another process came from the store.
    pub(crate) fn adopt_scope(&self, granted: Option<&str>, scopes: &mut Scopes) {
        if let (Some((limits, own)), Some(granted)) = (self.limits_of_scope(), granted) {
            scopes.adopt(limits, own, granted);
        }
    }

    pub(crate) fn not_granted(&self) -> Error {
        let message = "the authorization server did not grant the scope that the API wants";
        Error::new(ErrorKind::Rejected, message)
            .with_rejected_part(RejectedPart::Scope)
            .named(self.vendor())
    }
}
