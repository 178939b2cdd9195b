//! The rules for scopes that the API requires beyond those of the token: whether they are
//! requested, and what the reply means. No await, lock, clock or randomness.

use crate::{NoWiderScope, WiderScope};

/// The scope of token requests if it is not the source's own, and the scopes that the vendor
/// denied.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Scopes {
    /// The scopes of token requests. Empty while token requests use the source's own scope.
    union: Vec<Box<str>>,
    /// The scopes of the last token that was asked for with the union.
    proven: Vec<Box<str>>,
    /// Scopes that the vendor did not grant.
    denied: Vec<Box<str>>,
    /// The number of flights that sent a token request for more scope.
    requests: u32,
    /// The flight that was counted last. The attempts of a flight count once.
    counted: Option<u64>,
    /// How many scopes beyond the usual ones the next token request asks for, because the API
    /// wanted more; `None` if the last such token request has ended.
    wanted: Option<usize>,
    /// How it ended, until it is told.
    ended: Option<Ended>,
}

/// How a token request ended that was made because the API wanted more scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ended {
    /// How many scopes it asked for beyond the usual ones.
    pub(crate) scopes: usize,
    /// All of them were granted.
    pub(crate) is_granted: bool,
}

/// The facts when the API requires more scope.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Situation<'a> {
    /// The scopes and limits that the application set.
    pub(crate) limits: &'a WiderScope,
    /// The source's own scope.
    pub(crate) own: &'a str,
    /// The granted scope of the cached token.
    pub(crate) granted: Option<&'a str>,
    /// A token request is in progress.
    pub(crate) is_flying: bool,
}

/// The decision about the required scopes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// The cached token has the scopes.
    Granted,
    /// Ask the vendor, or join the token request that is in progress.
    Ask,
    Decline(NoWiderScope),
}

impl Scopes {
    /// Decides about the scopes that the API requires.
    pub(crate) fn want(&mut self, situation: Situation<'_>, wanted: &[&str]) -> Step {
        let Situation {
            limits,
            own,
            granted,
            is_flying,
        } = situation;
        if wanted.is_empty() {
            return Step::Decline(NoWiderScope::Unnamed);
        }
        let is_granted = |scope: &str| granted.is_some_and(|granted| has(granted, scope));
        let missing: Vec<_> = wanted
            .iter()
            .copied()
            .filter(|scope| !is_granted(scope))
            .collect();
        if missing.is_empty() {
            return Step::Granted;
        }
        if missing.iter().any(|scope| contains(&self.denied, scope)) {
            return Step::Decline(NoWiderScope::Denied);
        }
        let base = match (own, granted) {
            ("", None) => return Step::Decline(NoWiderScope::Unknown),
            ("", Some(granted)) => granted,
            (own, _) => own,
        };
        let new: Vec<_> = missing
            .iter()
            .copied()
            .filter(|scope| !contains(&self.union, scope) && !has(base, scope))
            .collect();
        if new
            .iter()
            .any(|scope| !is_scope(scope) || !limits.permits(scope))
        {
            return Step::Decline(NoWiderScope::NotPermitted);
        }
        if is_flying && new.is_empty() {
            return Step::Ask;
        }
        let mut union = self.union.clone();
        values(base)
            .chain(new)
            .for_each(|scope| add(&mut union, scope));
        let more = union.iter().filter(|scope| !has(base, scope)).count();
        if more > limits.most_scopes
            || joined(&union).len() > MOST_BYTES
            || self.requests >= limits.most_requests
        {
            return Step::Decline(NoWiderScope::TooMany);
        }
        self.union = union;
        self.wanted = Some(more);
        Step::Ask
    }

    /// How the token request ended that was made because the API wanted more. Once for each such
    /// token request: later renewals that ask for as much are not told.
    pub(crate) fn take_ended(&mut self) -> Option<Ended> {
        self.ended.take()
    }

    /// A flight sends a token request. Returns its scope, if it is not the source's own scope. Counts
    /// the flight if the API wanted more: a want that a back-off or a quota stops is not counted.
    pub(crate) fn sends(&mut self, flight: u64) -> Option<String> {
        if self.wanted.is_some() && self.counted != Some(flight) {
            self.counted = Some(flight);
            self.requests += 1;
        }
        self.asked()
    }

    /// What token requests ask for, if it is not the source's own scope.
    pub(crate) fn asked(&self) -> Option<String> {
        (!self.union.is_empty()).then(|| joined(&self.union))
    }

    /// A token came that was asked for with the scope `asked`. Returns whether it may be used: a
    /// token that lacks a scope of the cached token may not, and what was new in `asked` is not
    /// asked for again. Scopes that were wanted after the token request began stay wanted.
    pub(crate) fn granted(
        &mut self,
        asked: &str,
        own: &str,
        granted: &str,
        cached: Option<&str>,
    ) -> bool {
        let has_lost =
            cached.is_some_and(|cached| values(cached).any(|scope| !has(granted, scope)));
        if has_lost {
            self.withdraw(asked, own);
            return false;
        }
        self.proven = values(granted).map(Box::from).collect();
        self.end(asked, own, |scope| has(granted, scope));
        true
    }

    /// The vendor rejected the scope `asked`. From now on token requests ask for what was granted
    /// before, and for the source's own scope if `asked` has no scope that is new.
    pub(crate) fn withdraw(&mut self, asked: &str, own: &str) {
        let proven = std::mem::take(&mut self.proven);
        let is_known = |scope: &str| has(own, scope) || contains(&proven, scope);
        if values(asked).all(is_known) {
            self.end(asked, own, |scope| has(own, scope));
        } else {
            self.end(asked, own, is_known);
            self.proven = proven;
        }
    }

    /// Records that another process was granted more scope than this process requests. This process
    /// requests the same scope from now on, so that the processes do not replace each other's
    /// tokens.
    pub(crate) fn adopt(&mut self, limits: &WiderScope, own: &str, granted: &str) {
        let more: Vec<_> = values(granted).filter(|scope| !has(own, scope)).collect();
        let fits = more.len() <= limits.most_scopes
            && granted.len() <= MOST_BYTES
            && more.iter().all(|scope| {
                is_scope(scope) && limits.permits(scope) && !contains(&self.denied, scope)
            });
        if own.is_empty() || more.is_empty() || !fits {
            return;
        }
        let mut union = self.union.clone();
        values(own)
            .chain(more)
            .for_each(|scope| add(&mut union, scope));
        if union.len() <= values(own).count() + limits.most_scopes
            && joined(&union).len() <= MOST_BYTES
        {
            self.union = union;
        }
    }

    /// A token request that asked for `asked` ended. Its scopes that are not kept are denied.
    fn end(&mut self, asked: &str, own: &str, is_kept: impl Fn(&str) -> bool) {
        let is_all = self.union.iter().all(|scope| has(asked, scope));
        let (kept, denied): (Vec<_>, Vec<_>) = self
            .union
            .drain(..)
            .partition(|scope| !has(asked, scope) || is_kept(scope));
        self.union = kept;
        if self.union.iter().all(|scope| has(own, scope)) {
            self.union.clear();
        }
        denied.iter().for_each(|scope| add(&mut self.denied, scope));
        // What was wanted later is a matter of the next token request.
        let wanted = if is_all { self.wanted.take() } else { None };
        let ended = wanted.map(|scopes| Ended {
            scopes,
            is_granted: denied.is_empty(),
        });
        self.ended = ended.or(self.ended);
    }
}

/// Returns whether the granted scope contains all of these scopes.
pub(crate) fn covers(granted: &str, wanted: &[Box<str>]) -> bool {
    wanted.iter().all(|scope| has(granted, scope))
}

fn values(scope: &str) -> impl Iterator<Item = &str> {
    scope.split(' ').filter(|value| !value.is_empty())
}

fn has(scope: &str, value: &str) -> bool {
    values(scope).any(|other| other == value)
}

fn contains(scopes: &[Box<str>], value: &str) -> bool {
    scopes.iter().any(|scope| **scope == *value)
}

fn add(scopes: &mut Vec<Box<str>>, value: &str) {
    if !contains(scopes, value) {
        scopes.push(value.into());
    }
}

fn joined(scopes: &[Box<str>]) -> String {
    scopes.join(" ")
}

/// Returns whether a text is one valid scope (RFC 6749 section 3.3).
fn is_scope(value: &str) -> bool {
    let fits = |byte| matches!(byte, b'!' | b'#'..=b'[' | b']'..=b'~');
    !value.is_empty() && value.bytes().all(fits)
}

/// The longest scope of a token request.
const MOST_BYTES: usize = 4096;

#[cfg(test)]
mod tests;
