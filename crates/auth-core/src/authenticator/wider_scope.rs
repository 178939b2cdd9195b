//! Tokens with more scope, for APIs that answer `insufficient_scope`.

use std::sync::Arc;

use crate::{
    Acquire, Authenticator, Error, ErrorKind, EventKind, Generation, NoWiderScope, RejectedPart,
    Token, TokenRequestOutcome, WiderScope,
    authenticator::{
        acquire::Wish,
        asking::{Answer, Widening},
        shared_state::SharedState,
    },
    machine::{
        scopes::{Ended, Scopes, Situation, Step, covers},
        serving::Event,
    },
    observer::SCOPE_DENIED,
};

/// Result of [`Authenticator::report_insufficient_scope`].
#[derive(Debug)]
#[non_exhaustive]
pub enum ScopeAnswer {
    /// The cached token has the scopes. It is newer than the token that was sent.
    Granted(Token),
    /// A token request is in progress. Wait for its token. If the token lacks one of the scopes, the
    /// wait ends with an error.
    Renewing(Acquire),
    /// No token is requested, for this reason.
    Declined(NoWiderScope),
    /// No token request may start now. The error states the reason and the time.
    Failed(Error),
}

impl Authenticator {
    /// Returns whether [`AuthenticatorOptions::wider_scope`](crate::AuthenticatorOptions::wider_scope)
    /// is set and the source can request another scope.
    #[must_use]
    pub fn asks_for_wider_scope(&self) -> bool {
        self.shared.limits_of_scope().is_some()
    }

    /// Reports that the API requires these scopes for a request that was signed with the token of
    /// `generation`. Starts a token request for them if [`WiderScope`](crate::WiderScope) permits it,
    /// and does not wait.
    ///
    /// The token stays in use, because `insufficient_scope` means that the token is valid.
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

impl SharedState {
    fn limits_of_scope(&self) -> Option<(&WiderScope, &str)> {
        let limits = self.settings.wider_scope.as_deref()?;
        Some((limits, self.source().own_scope()?))
    }

    /// Starts or joins a token request for a token that has these scopes.
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
            // A flight that stalled is replaced by the next one.
            is_flying: desk.flight.as_ref().is_some_and(|it| !it.is_overdue(now)),
        };
        let step = desk.scopes.get_or_insert_default().want(situation, &wanted);
        match step {
            Step::Decline(why) => Err(why),
            Step::Granted => match cached {
                Some(cached) => Ok(Widening::Granted(cached.token())),
                None => Err(NoWiderScope::Unknown),
            },
            // The desk stays locked: a flight that ended meanwhile would be replaced by one that
            // nobody decided about.
            Step::Ask => Ok(Widening::Answer(self.ask_at(desk, Event::Renew, now))),
        }
    }

    /// Returns the cached token if it has these scopes.
    pub(crate) fn token_with(&self, wanted: &[Box<str>]) -> Option<Token> {
        let token = self.valid_token()?;
        let granted = token.granted_scope()?;
        covers(granted, wanted).then_some(token)
    }

    /// Handles the end of a token request for another scope than the source's own.
    pub(crate) fn judge_scope(
        &self,
        asked: &str,
        result: Result<crate::AccessToken, Error>,
    ) -> Result<crate::AccessToken, Error> {
        let now = self.now();
        let mut desk = self.desk();
        let until = desk.key.state.usable_until();
        let is_valid = until.is_some_and(|until| !now.reached(until));
        let scopes = desk.scopes.get_or_insert_default();
        let result = self.judged(asked, result, scopes, is_valid);
        let ended = scopes.take_ended();
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
        let own = self.source().own_scope().unwrap_or_default();
        match result {
            Ok(token) => {
                // A reply without a scope grants the requested scope (RFC 6749 section 5.1).
                let token = match token.granted_scope() {
                    Some(_) => token,
                    None => token.scope(asked),
                };
                let cached = self.published.load().filter(|_| is_cached_valid);
                let cached = cached.as_ref().and_then(|cached| cached.headers().scope());
                let granted = token.granted_scope().unwrap_or_default();
                if scopes.granted(asked, own, granted, cached) {
                    return Ok(token);
                }
                let message = "the token with more scope lacks a scope of the cached token";
                Err(Error::new(ErrorKind::Rejected, message)
                    .with_outcome(TokenRequestOutcome::Rejected)
                    .with_rejected_part(RejectedPart::Scope))
            }
            // A token source may tell a rejected scope from another rejected request itself.
            Err(error)
                if matches!(
                    error.rejected_part(),
                    Some(RejectedPart::Request | RejectedPart::Scope)
                ) =>
            {
                scopes.withdraw(asked, own);
                Err(error.with_rejected_part(RejectedPart::Scope))
            }
            Err(error) => Err(error),
        }
    }

    /// A token of another process came from the store.
    pub(crate) fn adopt_scope(&self, granted: Option<&str>, scopes: &mut Option<Box<Scopes>>) {
        if let (Some((limits, own)), Some(granted)) = (self.limits_of_scope(), granted) {
            scopes.get_or_insert_default().adopt(limits, own, granted);
        }
    }

    pub(crate) fn not_granted(&self) -> Error {
        let message = "the authorization server did not grant the scope that the API wants";
        Error::new(ErrorKind::Rejected, message)
            .with_rejected_part(RejectedPart::Scope)
            .named(self.vendor())
    }
}

#[cfg(test)]
mod tests;
