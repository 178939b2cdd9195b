//! The guarantees, independent of their implementation.
//!
//! The model receives the start and the end of each token request at the source, each send as it
//! arrives below the layer, and each refusal as it is returned to the layer. It asserts these rules
//! (with the numbers of the guarantees):
//!
//! - A token is sent only while both clocks are before its hard deadline; a token that was not
//!   cached, only at the moment of its delivery (G10, G20).
//! - The token that is sent is the newest, or the one before while the newest is on trial. A
//!   request that finds it valid is sent at once, also after failed renewals (G1, G2, G4, G8). It
//!   is not sent at once while the replacement of a refused token waits for the floor, or is in
//!   progress for a moment.
//! - A token that was refused several times in a row may be dropped, also without another token.
//! - A refused token is sent only if no token request that replaces it is in progress, or one that
//!   takes longer than requests wait (G7). A young token that is sent once more for a request that
//!   was refused with it is not judged.
//! - One token request at a time, each with a reason: no valid token, or a renewal ahead of expiry
//!   (G2, G3, G8).
//! - No token request before the end of the floor, a back-off, a `Retry-After` or a final
//!   rejection, and none above the quota (G4, G5, G6, G10, G11).

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use auth_core::{AccessToken, ErrorKind, Moment, TokenRequestReason};

pub(crate) struct Model {
    held: Option<Held>,
    /// The previous token, which is used while the newest one is on trial, and until when.
    previous: Option<(String, Moment)>,
    /// A token for waiting callers only, and when it arrived.
    delivered: Option<(String, Moment)>,
    /// Tokens whose refusal is known, and since when.
    dead: BTreeMap<String, Duration>,
    /// When each token was accepted last.
    accepted: BTreeMap<String, Duration>,
    /// Tokens that were refused at any time.
    met: BTreeSet<String>,
    /// The number of tokens in a row that were refused and never accepted, without the newest.
    unproven: u32,
    /// Refusals of the newest token in a row, counted at most once per second, and when the last
    /// one was counted.
    row: (u32, Duration),
    /// A refused token for whose replacement requests wait, and until when.
    replacing: Option<(String, Duration)>,
    /// The token request in progress.
    flying: Option<Flying>,
    /// The credentials changed: the next token request may follow at once.
    pub(crate) second_try: Option<Duration>,
    /// Once after each token, callers that waited for an unsuccessful renewal ahead of expiry get
    /// the next token request at once.
    may_repeat: bool,
    /// The last token request had no answer in time.
    silent: bool,
    /// Since when token requests without an answer follow each other at once, because callers wait.
    silent_since: Option<Duration>,
    /// No token request before this time.
    gate: Duration,
    quota: Option<u32>,
    /// When the used slots of the quota free.
    slots: Vec<Duration>,
}

#[derive(Clone, Debug)]
struct Held {
    text: String,
    sent: Moment,
    lifetime: Duration,
    refresh_at: Moment,
    usable_until: Moment,
    /// The text was refused before and was issued again: the stack may treat it as a failure.
    came_again: bool,
    /// Seen to be past its deadlines, perhaps before a clock was set back, and since when.
    seen_early: bool,
    seen_expired: Option<Duration>,
}

#[derive(Clone, Copy, Debug)]
struct Flying {
    sent: Moment,
    reason: TokenRequestReason,
}

/// How a request was signed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Signed {
    /// The longest time since it was signed: a service may be slow to become ready.
    pub(crate) late: Duration,
    /// The request was refused with the same token: it waited for an API that did not know the
    /// young token.
    pub(crate) again: bool,
}

/// How a token request ended.
pub(crate) enum Ended<'a> {
    Token(&'a AccessToken),
    Error(ErrorKind, Option<Duration>),
    /// By its deadline or a panic.
    Dropped,
}

impl Model {
    pub(crate) fn new(quota: Option<u32>) -> Self {
        Self {
            held: None,
            previous: None,
            delivered: None,
            dead: BTreeMap::new(),
            accepted: BTreeMap::new(),
            met: BTreeSet::new(),
            unproven: 0,
            row: (0, Duration::ZERO),
            replacing: None,
            flying: None,
            second_try: None,
            may_repeat: false,
            silent: false,
            silent_since: None,
            gate: Duration::ZERO,
            quota,
            slots: Vec::new(),
        }
    }

    /// Reads the clocks. Called before they are set.
    pub(crate) fn observe(&mut self, now: Moment) {
        if let Some(held) = &mut self.held {
            held.seen_early |= past(now, held.refresh_at);
            if past(now, held.usable_until) {
                held.seen_expired.get_or_insert(now.monotonic());
            }
        }
    }

    /// Returns the token with which every request must be sent at once.
    pub(crate) fn usable(&self, now: Moment) -> Option<&str> {
        let held = self.held.as_ref()?;
        let is_replacing = self
            .replacing
            .as_ref()
            .is_some_and(|(text, until)| *text == held.text && now.monotonic() < *until);
        let usable = !past(now, held.usable_until)
            && held.seen_expired.is_none()
            && !held.came_again
            && self.row.0 < DROP
            && !is_replacing
            && !self.dead.contains_key(&held.text);
        usable.then_some(&*held.text)
    }

    pub(crate) fn is_flying(&self) -> bool {
        self.flying.is_some()
    }

    /// A token request starts.
    pub(crate) fn begins(&mut self, reason: TokenRequestReason, now: Moment) -> Vec<String> {
        self.observe(now);
        let mut wrong = Vec::new();
        let flying = Flying { sent: now, reason };
        if self.flying.replace(flying).is_some() {
            wrong.push("two token requests at once".to_owned());
        }
        let mono = now.monotonic();
        if let Some(limit) = self.quota {
            self.slots.retain(|frees| *frees > mono);
            if self.slots.len() >= limit as usize {
                wrong.push("a token request over the quota".to_owned());
            }
        }
        if self.second_try.take() == Some(mono) {
            return wrong;
        }
        let repeats = mono < self.gate && self.repeats(reason, mono);
        if mono >= self.gate {
            self.silent_since = None;
        }
        if mono < self.gate && !repeats {
            let early = self.gate - mono;
            wrong.push(format!("a token request {early:?} before it was due"));
        }
        let early = self.held.as_ref().is_some_and(|held| held.seen_early);
        let wanted = match reason {
            TokenRequestReason::Ahead => early || self.usable(now).is_none(),
            TokenRequestReason::Refused => {
                let held = self.held.as_ref();
                held.is_none_or(|held| self.met.contains(&held.text)) || self.usable(now).is_none()
            }
            _ => self.usable(now).is_none(),
        };
        if !wanted {
            wrong.push(format!("a token request without need: {reason:?}"));
        }
        wrong
    }

    /// Returns whether a token request may follow the last one at once. Callers wait for one token
    /// request, also if several have no answer.
    fn repeats(&mut self, reason: TokenRequestReason, mono: Duration) -> bool {
        if self.silent && reason != TokenRequestReason::Ahead {
            return mono < *self.silent_since.get_or_insert(mono) + DEADLINE;
        }
        std::mem::take(&mut self.may_repeat)
    }

    /// A token request ended. Its token is published or its failure reported at the same moment.
    pub(crate) fn ends(&mut self, ended: &Ended<'_>, now: Moment) {
        self.observe(now);
        let Some(Flying { sent, .. }) = self.flying.take() else {
            return;
        };
        self.silent = matches!(ended, Ended::Dropped);
        match ended {
            Ended::Token(token) if Self::is_good(token) => self.takes(token, sent, now),
            Ended::Token(_) => self.fails(ErrorKind::Protocol, None, now),
            Ended::Error(kind, retry_after) => self.fails(*kind, *retry_after, now),
            Ended::Dropped => self.fails(ErrorKind::Closed, None, now),
        }
    }

    /// A token that a header cannot carry is a failure. One that was refused before may be: then no
    /// request must be sent with it.
    fn is_good(token: &AccessToken) -> bool {
        let text = token.secret().expose();
        text.bytes().all(|byte| byte.is_ascii_graphic())
    }

    fn takes(&mut self, token: &AccessToken, sent: Moment, now: Moment) {
        let stated = token.lifetime();
        let lifetime = stated.unwrap_or(DEFAULT_LIFETIME).min(MAX_LIFETIME);
        let slot = stated.filter(|stated| !stated.is_zero()).unwrap_or(WINDOW);
        self.slots.push(now.monotonic() + slot.min(WINDOW));
        let usable = lifetime - MARGIN.min(lifetime / 10);
        let usable_until = sent + usable;
        let text = token.secret().expose().to_owned();
        if past(now, usable_until) {
            self.gate = now.monotonic() + FLOOR;
            self.delivered = Some((text, now));
            return;
        }
        let early = match token.refresh_hint() {
            Some(hint) => hint.min(usable),
            // Rounding may subtract a little.
            None => (lifetime.mul_f64(0.75)).saturating_sub(Duration::from_micros(1)),
        };
        self.gate = sent.monotonic() + FLOOR.min(lifetime / 2);
        if let Some(held) = self.held.as_mut().filter(|held| held.text == text)
            && self.met.contains(&text)
        {
            // The record of the token may remain. The refusal of an expired token proves nothing,
            // so the token may also be treated as new.
            if past(now, held.usable_until) || held.seen_expired.is_some() {
                held.usable_until = sent + usable;
                held.seen_expired = None;
            }
            held.seen_early = true;
            held.came_again = true;
            return;
        }
        self.may_repeat = true;
        self.row.0 = 0;
        if let Some(held) = self.held.take().filter(|held| held.text != text) {
            self.unproven += u32::from(self.met.contains(&held.text));
            self.previous = Some((held.text, held.usable_until));
        }
        self.held = Some(Held {
            text,
            sent,
            lifetime,
            refresh_at: sent + early,
            usable_until,
            came_again: false,
            seen_early: false,
            seen_expired: None,
        });
    }

    fn fails(&mut self, kind: ErrorKind, retry_after: Option<Duration>, now: Moment) {
        self.slots.push(now.monotonic() + WINDOW);
        let verdict = matches!(
            kind,
            ErrorKind::Config | ErrorKind::Rejected | ErrorKind::Origin
        );
        self.may_repeat &= retry_after.is_none() && !verdict;
        // A doubted token is valid.
        let valid = |held: &&Held| !past(now, held.usable_until) && held.seen_expired.is_none();
        let held = self.held.as_ref().filter(valid);
        let wait = match (kind, retry_after, held) {
            (ErrorKind::Config | ErrorKind::Rejected | ErrorKind::Origin, ..) => PROBE,
            (_, Some(asked), _) => asked.clamp(FLOOR, MAX_RETRY_AFTER),
            (_, None, Some(held)) => {
                let floor = FLOOR.min(held.lifetime / 10);
                floor.min(left(now, held.usable_until))
            }
            (_, None, None) => FLOOR,
        };
        self.gate = now.monotonic() + wait;
    }

    /// A request is sent with this token.
    pub(crate) fn sends(&mut self, text: &str, now: Moment, signed: Signed) -> Vec<String> {
        let Signed { late, again } = signed;
        self.observe(now);
        let mut wrong = Vec::new();
        let mono = now.monotonic();
        let long_ago = |since: Duration| mono > since + late || late.is_zero();
        if let Some((delivered, at)) = &self.delivered
            && delivered == text
            && mono <= at.monotonic() + late
        {
            // All waiting callers received it at once, and one of them may have been refused.
            return wrong;
        }
        let is_previous = self.previous.as_ref().is_some_and(|(previous, until)| {
            previous == text && (!past(now, *until) || !late.is_zero())
        });
        if is_previous {
            let is_doubted = |held: &Held| self.dead.contains_key(&held.text);
            if late.is_zero() && !self.held.as_ref().is_some_and(is_doubted) {
                wrong.push(format!(
                    "{text} was sent, and no refusal of the newest is known"
                ));
            }
            return wrong;
        }
        match &self.held {
            Some(held) if held.text == text => {
                if past(now, held.usable_until) && held.seen_expired.is_some_and(long_ago) {
                    wrong.push(format!("{text} was sent past its hard deadline"));
                }
                if !again && self.is_replaced_soon(text, mono, late) {
                    wrong.push(format!(
                        "{text} was sent while its replacement is in progress"
                    ));
                }
            }
            _ => wrong.push(format!("{text} was sent, which is not the newest")),
        }
        wrong
    }

    /// Returns whether the token was refused and not accepted since, and a token request that
    /// replaces it is in progress for no longer than requests wait. A request that was signed
    /// before may be `late`.
    fn is_replaced_soon(&self, text: &str, mono: Duration, late: Duration) -> bool {
        let accepted = self.accepted.get(text);
        let is_doubted = |refused: &&Duration| accepted.is_none_or(|accepted| accepted < *refused);
        let refused = self.dead.get(text).filter(is_doubted);
        let flying = self
            .flying
            .filter(|flying| flying.reason == TokenRequestReason::Refused);
        refused.zip(flying).is_some_and(|(refused, flying)| {
            let since = flying.sent.monotonic();
            *refused <= since && mono > since + late && mono < since + DOUBT_WAIT
        })
    }

    /// The layer learns that the API refused this token. Returns whether that is new.
    pub(crate) fn refused(&mut self, text: &str, now: Moment) -> bool {
        self.met.insert(text.to_owned());
        let (row, counted) = self.row;
        let is_newest = self.held.as_ref().is_some_and(|held| held.text == text);
        if is_newest && (row == 0 || now.monotonic() >= counted + SAME_REFUSAL) {
            self.row = (row + 1, now.monotonic());
        }
        let news = !self.dead.contains_key(text);
        if news {
            self.dead.insert(text.to_owned(), now.monotonic());
        }
        news
    }

    /// The API did not refuse this token, so it is not doubted any more.
    pub(crate) fn accepted(&mut self, text: &str, now: Moment) {
        self.accepted.insert(text.to_owned(), now.monotonic());
        let is_it = |(replacing, _): &mut (String, Duration)| replacing == text;
        self.replacing.take_if(is_it);
    }

    /// The API served a request, so it knows its tokens.
    pub(crate) fn served(&mut self) {
        self.row.0 = 0;
        self.unproven = 0;
    }

    /// The refusal was returned, because of the refusal back-off or because it was the second one:
    /// the token may still be sent.
    pub(crate) fn let_stand(&mut self, text: &str) {
        self.dead.remove(text);
    }

    /// The request was refused for the second time. A renewal follows, unless there is a back-off;
    /// other requests wait for it for a moment.
    pub(crate) fn refused_twice(&mut self, text: &str, now: Moment) {
        self.dead.remove(text);
        let begins = self.gate.max(now.monotonic());
        if begins <= now.monotonic() + FLOOR {
            self.replacing = Some((text.to_owned(), begins + DOUBT_WAIT));
        }
    }

    /// Returns for how long an API may refuse the newest token, if it refused the two before and
    /// has accepted none since: some APIs need minutes to learn of a token, and would never learn
    /// of one that is replaced sooner.
    pub(crate) fn on_trial_for(&self, now: Moment) -> Duration {
        let on_trial = self.held.as_ref().filter(|_| self.unproven > 1);
        on_trial.map_or(Duration::ZERO, |held| left(now, held.sent + LONGEST_TRIAL))
    }
}

/// Returns whether either clock is past a deadline. Written again here, because the crate's own
/// function is under test.
fn past(now: Moment, deadline: Moment) -> bool {
    left(now, deadline).is_zero()
}

/// Returns the time left until a deadline, by the clock that reaches it first.
fn left(now: Moment, deadline: Moment) -> Duration {
    let mono = deadline.monotonic().saturating_sub(now.monotonic());
    let wall = deadline
        .since_unix_epoch()
        .saturating_sub(now.since_unix_epoch());
    mono.min(wall)
}

const MARGIN: Duration = Duration::from_secs(60);
/// The deadline of a token request.
const DEADLINE: Duration = Duration::from_secs(10);
const FLOOR: Duration = Duration::from_secs(1);
/// How long other requests wait for the replacement of a refused token.
const DOUBT_WAIT: Duration = Duration::from_secs(2);
/// The longest time for which a token is on trial.
const LONGEST_TRIAL: Duration = Duration::from_secs(600);
/// After this number of refusals in a row a token is dropped permanently, also without another
/// token.
const DROP: u32 = 5;
/// Refusals within this time count as one.
const SAME_REFUSAL: Duration = Duration::from_secs(1);
const PROBE: Duration = Duration::from_secs(300);
const MAX_RETRY_AFTER: Duration = Duration::from_secs(3_600);
const DEFAULT_LIFETIME: Duration = Duration::from_secs(300);
const MAX_LIFETIME: Duration = Duration::from_secs(400 * 24 * 3_600);
/// The window of the quota.
pub(crate) const WINDOW: Duration = Duration::from_secs(3_600);
