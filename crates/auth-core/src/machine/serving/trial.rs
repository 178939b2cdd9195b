//! A new token is on trial until the API has accepted it once, because APIs learn of new tokens
//! late.

use std::time::Duration;

use super::{
    Held, SAME_REFUSAL, State,
    event::{Action, Fetched},
};
use crate::{Generation, Moment};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Previous {
    pub(super) generation: Generation,
    pub(super) usable_until: Moment,
}

/// APIs learn of new tokens late. While a token is on trial, its refusal starts no token request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Trial {
    pub(super) until: Moment,
    /// Refusals, counted at most once in [`SAME_REFUSAL`].
    pub(super) refusals: u8,
    pub(super) counted: Moment,
    /// Until then the previous token is used.
    pub(super) rests_until: Moment,
}

impl State {
    /// Returns whether the cached token is new and on trial: its refusals prove nothing.
    pub(crate) fn is_young(&self, now: Moment) -> bool {
        self.held.is_some_and(|held| self.is_on_trial(held, now))
    }

    pub(super) fn previous(&self, now: Moment) -> Option<Previous> {
        self.previous
            .filter(|previous| !now.reached(previous.usable_until))
    }

    /// Returns whether a token is on trial: it is new, or a previous token can be used in its
    /// place.
    pub(super) fn is_on_trial(&self, held: Held, now: Moment) -> bool {
        held.trial
            .is_some_and(|trial| !now.reached(trial.until) || self.previous(now).is_some())
    }

    /// Puts a new token on trial. The longer the API accepts no token, the longer is the trial: an
    /// API that learns of tokens late must get time to learn of this one.
    pub(super) fn put_on_trial(&mut self, token: Fetched, now: Moment) -> Option<Trial> {
        let held = self.valid(now).filter(|held| held.doubt.is_none());
        // A previous token that the API has accepted is better than one that is on trial itself.
        let proven = |held: &Held| held.trial.is_none_or(|trial| trial.refusals == 0);
        self.previous = match held.filter(proven).filter(|_| self.is_reported_to) {
            Some(held) => Some(Previous {
                generation: held.generation,
                usable_until: held.usable_until,
            }),
            None => self.previous(now),
        };
        if held.is_some_and(|held| held.trial.is_some_and(|trial| trial.refusals == 0)) {
            // No caller reports acceptances, and the API refused nothing.
            self.unproven = 0;
        }
        let window = TRIALS[usize::from(self.unproven).min(TRIALS.len() - 1)];
        let left = window.saturating_sub(token.age);
        let permanent = token.lifetime == Some(Duration::MAX);
        let is_tried = !permanent && !token.contested && !left.is_zero();
        is_tried.then_some(Trial {
            until: now + left,
            refusals: 0,
            counted: now,
            rests_until: now,
        })
    }

    /// Handles a refusal of a token that the API may not know yet. The previous token is used.
    /// Without one, the request is sent once more after a short time, which grows with repeated
    /// refusals.
    pub(super) fn refused_on_trial(&mut self, held: Held, trial: Trial, now: Moment) -> Action {
        let counts = trial.refusals == 0 || now.waited_for(trial.counted + SAME_REFUSAL);
        let refusals = trial.refusals.saturating_add(u8::from(counts));
        if trial.refusals == 0 {
            self.unproven = self.unproven.saturating_add(1);
        }
        let doubled = |longest: Duration| {
            let factor = 1_u32.checked_shl(u32::from(refusals) - 1);
            MOMENT
                .saturating_mul(factor.unwrap_or(u32::MAX))
                .min(longest)
        };
        let previous = self.previous(now);
        let rest = match previous {
            Some(_) => doubled(LONGEST_REST),
            None => Duration::ZERO,
        };
        self.held = Some(Held {
            trial: Some(Trial {
                refusals,
                counted: if counts { now } else { trial.counted },
                rests_until: now + rest,
                ..trial
            }),
            ..held
        });
        match previous {
            Some(_) => Action::ServePrevious,
            // The API refuses everything: sending each request twice does not help.
            None if refusals > MOST_AGAIN => Action::RefusalBackOff,
            None => Action::SendAgain {
                after: doubled(LONGEST_MOMENT),
            },
        }
    }
}

pub(super) fn rests(held: Held, now: Moment) -> bool {
    held.trial
        .is_some_and(|trial| !now.waited_for(trial.rests_until))
}

/// How long a token is on trial: the first one, and those that follow without an acceptance.
const TRIALS: [Duration; 3] = [
    Duration::from_secs(6),
    Duration::from_secs(60),
    Duration::from_secs(600),
];
/// How long a request waits before a new token is sent once more, at first and at most.
const MOMENT: Duration = Duration::from_secs(1);
const LONGEST_MOMENT: Duration = Duration::from_secs(4);
/// After this number of refusals of a new token, counted at most once a second, requests are sent
/// once.
const MOST_AGAIN: u8 = 5;
/// How long the previous token is used before the new one is tried again, at most.
const LONGEST_REST: Duration = Duration::from_secs(30);
