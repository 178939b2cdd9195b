//! The rules of one flight: from the wish for a token to the token or the failure, with the store
//! that processes share or without. No await, no lock, no clock, no randomness: facts come in, orders
//! go out, and a driver executes them.

use std::time::Duration;

use super::{
    account::{Account, Logins},
    backoff::Failure,
    memory::Memory,
    orders::{Draw, End, Ended, Fact, Landing, Loaded, Order, Own, Rules, Write},
    prints::Print,
    record::{Record, Refresh},
    serving::Start,
    sharing::{self, Sent, Told},
};
use crate::{
    AccessToken, CredentialsId, Error, ErrorKind, Moment, Quota, Reason, RejectedPart,
    RequestOutcome, Version,
    quota::Slots,
    rejections::{Counted, Forbidden},
};

mod closing;

/// What the rules of a flight look at in one step.
pub(super) struct Cx<'a> {
    pub(super) rules: &'a Rules,
    pub(super) memory: &'a mut Memory,
    pub(super) now: Moment,
    pub(super) draw: Draw,
}

/// The state of one flight.
#[derive(Clone, Debug)]
#[cfg_attr(test, derive(Hash))]
pub(crate) struct Flight {
    start: Start,
    phase: Phase,
    seen: Seen,
    own: Option<Own>,
    /// Until when the lease lasts.
    lease: Option<Moment>,
    /// Since when another holder has had the lease.
    denied: Option<Moment>,
    pace: Duration,
    /// Writes in a row that somebody else was faster with.
    lost: u8,
    /// The store fails: this flight goes on without it.
    without_store: bool,
    slot: Option<u64>,
    logins: Option<(Option<Version>, Logins)>,
    refresh: Option<Refresh>,
    requests: u8,
    /// What is to be written after the token request.
    todo: Vec<Todo>,
    /// The version that the last write was to replace.
    replaces: Option<Version>,
    tries: u8,
    landing: Option<Landing>,
    reread: bool,
    /// Somebody else wrote the record during the token request.
    contested: bool,
    /// What a store that answers did, that counts as a failure of the store.
    problem: Option<&'static str>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Phase {
    New,
    /// Looks into the store, without the lease.
    Looking,
    /// Marks the refused token in the store.
    MarkingRefused,
    Reading,
    Leasing,
    Waiting,
    /// Looks into the store once more, with the lease.
    LookingAgain,
    CheckingLogins,
    TakingSlot,
    /// Writes down what the token request will use up.
    Marking,
    /// The lease has become too short: takes the mark back.
    Unmarking,
    Requesting,
    /// Writes down that a refresh token was rejected.
    DroppingRefreshToken,
    Rereading,
    AskingAgain,
    /// The process stood still: looks whether another one was faster.
    LookingLate,
    Closing,
    Releasing,
}

/// What the store has, as far as this flight knows.
#[derive(Clone, Debug, Default)]
#[cfg_attr(test, derive(Hash))]
struct Seen {
    version: Option<Version>,
    record: Record,
    /// The record's times count from then.
    at: Option<Moment>,
}

impl Seen {
    /// What was seen a while ago is written back as what it is now.
    fn grow_older(&mut self, now: Moment) {
        if let Some(at) = self.at.replace(now) {
            self.record = std::mem::take(&mut self.record).aged(now.wait_since(at));
        }
    }
}

#[derive(Clone, Debug)]
#[cfg_attr(test, derive(Hash))]
enum Todo {
    /// The token or the failure.
    Record(Box<Record>),
    /// The slot frees after this time.
    Slot(Duration),
    Logins(LoginChange),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(Hash))]
enum LoginChange {
    Reject(Counted),
    Accept,
}

impl Flight {
    pub(crate) fn new(start: Start) -> Self {
        Self {
            start,
            phase: Phase::New,
            seen: Seen::default(),
            own: None,
            lease: None,
            denied: None,
            pace: FIRST_LOOK,
            lost: 0,
            without_store: false,
            slot: None,
            logins: None,
            refresh: None,
            requests: 0,
            todo: Vec::new(),
            replaces: None,
            tries: 0,
            landing: None,
            reread: false,
            contested: false,
            problem: None,
        }
    }

    /// Callers need the token more urgently than when the flight started.
    pub(crate) fn hurry(&mut self) {
        if self.start.reason == Reason::Ahead {
            self.start.reason = Reason::Needed;
        }
    }

    /// What a store that answers did, that counts as a failure of the store. Told once.
    pub(crate) fn take_problem(&mut self) -> Option<&'static str> {
        self.problem.take()
    }

    /// Other processes, which do the same at this moment, cannot be told.
    pub(crate) fn is_without_store(&self) -> bool {
        self.without_store
    }

    /// Returns what the end of a token request says about an account that the vendor may lock: which
    /// credentials were sent, and what was rejected. `None` for what was rejected means that the
    /// login was accepted.
    pub(crate) fn judged(
        &self,
        result: &Result<AccessToken, Error>,
    ) -> Option<(CredentialsId, Option<Counted>)> {
        let own = self
            .own
            .as_ref()
            .filter(|own| own.lockable && self.refresh.is_none())?;
        let id = own.id?;
        match result {
            Ok(_) => Some((id, None)),
            Err(error) => Some((id, Some(Counted::of(error)?))),
        }
    }

    /// The transition function.
    pub(crate) fn step(
        &mut self,
        rules: &Rules,
        memory: &mut Memory,
        fact: Fact,
        now: Moment,
        draw: Draw,
    ) -> Order {
        let cx = &mut Cx {
            rules,
            memory,
            now,
            draw,
        };
        self.seen.grow_older(cx.now);
        match (self.phase, fact) {
            (_, Fact::StoreFailed) => self.store_failed(cx),
            (Phase::New, _) => self.begin(cx),
            (Phase::Looking, Fact::Loaded(loaded)) => {
                self.see(cx, *loaded);
                self.looked(cx)
            }
            (Phase::MarkingRefused, Fact::Wrote(true)) => {
                self.lost = 0;
                self.decide(cx)
            }
            (Phase::Reading, Fact::Read(read)) => self.read(cx, read),
            (Phase::Leasing, Fact::NotAdmitted(error)) => self.fail(cx, error),
            (Phase::Leasing, Fact::Leased(Some(asked))) => {
                self.lease = Some(asked + cx.rules.lease_time());
                self.denied = None;
                self.go(Phase::LookingAgain, Order::Load)
            }
            (Phase::Leasing, Fact::Leased(None)) => self.denied(cx),
            (Phase::Waiting, _) => self.go(Phase::Looking, Order::Load),
            (Phase::LookingAgain, Fact::Loaded(loaded)) => {
                self.see(cx, *loaded);
                self.looked(cx)
            }
            (Phase::CheckingLogins, Fact::LoadedLogins(version, logins)) => {
                self.check_logins(cx, version, logins.unwrap_or_default())
            }
            (Phase::TakingSlot, Fact::LoadedAccount(version, account)) => {
                self.take_slot(cx, version, account.unwrap_or_default())
            }
            (Phase::TakingSlot, Fact::Wrote(true)) => {
                self.tries = 0;
                self.mark(cx)
            }
            (Phase::TakingSlot, Fact::Wrote(false)) => {
                self.slot = None;
                self.try_account_again(cx)
            }
            (Phase::TakingSlot, _) => Order::LoadAccount,
            (Phase::Marking, Fact::Wrote(true)) => {
                self.lost = 0;
                match self.is_covered(cx) {
                    true => self.request(cx),
                    false => self.unmark(cx),
                }
            }
            (Phase::MarkingRefused | Phase::Marking, Fact::Wrote(false)) => self.lost_write(cx),
            (Phase::Unmarking, _) => self.start_again(),
            (Phase::Requesting, Fact::Ended(ended)) => self.ended(cx, ended),
            (Phase::DroppingRefreshToken, Fact::Wrote(true)) => self.prepare(cx),
            (Phase::DroppingRefreshToken, Fact::Wrote(false)) => {
                self.landing = None;
                self.lost_write(cx)
            }
            (Phase::Rereading, Fact::Read(read)) => self.read_again(cx, read),
            (Phase::AskingAgain, Fact::MayAgain(true)) => {
                self.landing = None;
                self.prepare(cx)
            }
            (Phase::AskingAgain, _) => self.close(cx),
            (Phase::LookingLate, Fact::Loaded(loaded)) => self.looked_late(cx, *loaded),
            (Phase::Closing, fact) => self.closing(cx, fact),
            // A lease that could not be given back ends by itself.
            (Phase::Releasing, _) => self.land(cx),
            // The driver answers each order with its own fact; anything else ends the flight.
            (_, _) => self.fail(cx, Error::new(ErrorKind::Closed, "the flight lost its way")),
        }
    }

    fn go(&mut self, phase: Phase, order: Order) -> Order {
        self.phase = phase;
        order
    }

    // --- before the token request ---

    fn begin(&mut self, cx: &mut Cx<'_>) -> Order {
        if cx.rules.shares && cx.memory.store_is_left_alone(cx.now) {
            self.without_store = true;
        }
        match cx.rules.shares && !self.without_store {
            true => self.go(Phase::Looking, Order::Load),
            false => self.go(Phase::Reading, Order::Read),
        }
    }

    fn see(&mut self, cx: &mut Cx<'_>, loaded: Loaded) {
        cx.memory.store_answered();
        let Loaded {
            version,
            record,
            sealed,
        } = loaded;
        // A hostile or restored store brings back what is older than what was there before.
        let known = version.zip(record);
        let known = known.filter(|(version, _)| !cx.memory.is_outdated(*version));
        if let Some((version, _)) = &known {
            cx.memory.see(*version);
        }
        let unsaved = cx.memory.unsaved(version, cx.now);
        let record = unsaved.or(known.map(|(_, record)| record));
        self.seen = Seen {
            version,
            record: record.unwrap_or_default(),
            at: Some(cx.now),
        };
        if let Some(error) = sealed {
            self.landing = Some(Landing {
                end: End::Failed(error),
                ..self.landing_at(cx.now)
            });
        }
    }

    fn looked(&mut self, cx: &mut Cx<'_>) -> Order {
        // An entry that cannot be opened may hold the only refresh token: nobody overwrites it.
        if self.landing.is_some() && cx.rules.keeps_refresh_tokens {
            return self.release_and_land(cx);
        }
        self.landing = None;
        let record = &self.seen.record;
        let print = record.token.as_ref().map(|kept| Print::of(&kept.secret));
        let refused = print.filter(|print| cx.memory.refused.contains(*print));
        if let Some(print) = refused {
            // Before anything else is tried, so that no other process takes the token.
            let mut marked = record.clone();
            marked.token = None;
            marked.refused.add(print);
            return self.write(cx, Phase::MarkingRefused, marked);
        }
        self.decide(cx)
    }

    /// Takes what the store has, or goes on towards a token request.
    fn decide(&mut self, cx: &mut Cx<'_>) -> Order {
        if let Some((token, age)) = sharing::adopt(cx, &self.seen.record, &self.start) {
            cx.memory.asked();
            self.landing = Some(Landing {
                end: End::Token(token, age),
                ..self.landing_at(cx.now)
            });
            return self.release_and_land(cx);
        }
        let told = sharing::obey(cx, &self.seen.record, self.own.as_ref(), &self.start);
        if let Some((error, wait)) = told {
            self.landing = Some(Landing {
                end: End::Told(error, wait),
                ..self.landing_at(cx.now)
            });
            return self.release_and_land(cx);
        }
        match (&self.own, self.lease) {
            // Before the lease, which is short: where secrets are kept may be slow.
            (None, _) => self.go(Phase::Reading, Order::Read),
            (Some(_), None) => self.go(Phase::Leasing, Order::Lease),
            (Some(_), Some(_)) => self.check(cx),
        }
    }

    fn read(&mut self, cx: &mut Cx<'_>, read: Result<Own, Error>) -> Order {
        let own = match read {
            Ok(own) => own,
            Err(error) => return self.fail(cx, error),
        };
        let unchanged = self.start.unless.is_some() && self.start.unless == own.id;
        let forbidden = own.forbidden.clone();
        let has_refresh_token =
            self.seen.record.refresh.is_some() || matches!(own.first, Ok(Some(_)));
        self.own = Some(own);
        if unchanged {
            self.landing = Some(Landing {
                end: End::Unchanged,
                ..self.landing_at(cx.now)
            });
            return self.release_and_land(cx);
        }
        // A refresh token shows no password to anybody.
        if let Some(forbidden) = forbidden.filter(|_| !has_refresh_token) {
            return self.forbidden(cx, &forbidden);
        }
        if cx.rules.shares && !self.without_store {
            return self.decide(cx);
        }
        self.go_alone(cx)
    }

    fn forbidden(&mut self, cx: &mut Cx<'_>, forbidden: &Forbidden) -> Order {
        let error = too_often(forbidden);
        self.landing = Some(Landing {
            end: End::Told(error, forbidden.wait),
            ..self.landing_at(cx.now)
        });
        self.release_and_land(cx)
    }

    fn denied(&mut self, cx: &mut Cx<'_>) -> Order {
        let since = *self.denied.get_or_insert(cx.now);
        if cx.now.wait_since(since) > cx.rules.lease_patience() {
            self.problem =
                Some("token store: the lease is held for longer than two token requests take");
            return self.store_failed(cx);
        }
        let time = self.pace.saturating_sub(cx.draw.jitter.of(self.pace / 2));
        self.pace = self.pace.saturating_mul(2).min(LONGEST_LOOK);
        self.go(Phase::Waiting, Order::Sleep { time, others: true })
    }

    /// With the lease, and nothing in the store to take.
    fn check(&mut self, cx: &mut Cx<'_>) -> Order {
        let own = self
            .own
            .as_ref()
            .and_then(|own| own.id.filter(|_| own.lockable));
        match own {
            Some(id)
                if sharing::next_refresh_token(cx, &self.seen.record, self.own.as_ref())
                    .is_none() =>
            {
                self.go(Phase::CheckingLogins, Order::LoadLogins(id.account()))
            }
            _ => self.prepare_slot(cx),
        }
    }

    fn check_logins(&mut self, cx: &mut Cx<'_>, version: Option<Version>, logins: Logins) -> Order {
        let id = self.own.as_ref().and_then(|own| own.id);
        let forbids = id.and_then(|id| logins.forbids(id));
        let forbids = forbids.filter(|_| !cx.memory.ignores_rejections());
        self.logins = Some((version, logins));
        if let Some((counted, wait)) = forbids {
            let forbidden = Forbidden {
                counted,
                cause: None,
                wait,
            };
            return self.forbidden(cx, &forbidden);
        }
        self.prepare_slot(cx)
    }

    fn prepare_slot(&mut self, cx: &mut Cx<'_>) -> Order {
        match cx.rules.quota {
            Some(_) => self.go(Phase::TakingSlot, Order::LoadAccount),
            None => self.mark(cx),
        }
    }

    fn take_slot(
        &mut self,
        cx: &mut Cx<'_>,
        version: Option<Version>,
        mut account: Account,
    ) -> Order {
        let Some(quota) = cx.rules.quota else {
            return self.fail(
                cx,
                Error::new(ErrorKind::Closed, "no quota to take a slot of"),
            );
        };
        let repeats = self.seen.record.refusals.is_some();
        let slots = match self.start.reason {
            Reason::Ahead => Slots::ButReserve,
            Reason::Refused if repeats => Slots::Doubtful,
            Reason::Needed | Reason::Refused => Slots::All,
        };
        // Nobody knows yet when the token request ends; that is written down when it has.
        let frees_in = quota
            .window()
            .saturating_add(cx.rules.policy.exchange_deadline());
        if let Err(wait) = account.take(quota, slots, cx.draw.number, frees_in) {
            self.landing = Some(Landing {
                end: End::OverQuota(wait),
                ..self.landing_at(cx.now)
            });
            return self.release_and_land(cx);
        }
        self.slot = Some(cx.draw.number);
        let next = next_version(version, cx.now.since_unix_epoch(), cx.draw.number);
        Order::WriteAccount(version, next, account)
    }

    fn try_account_again(&mut self, cx: &mut Cx<'_>) -> Order {
        self.tries += 1;
        if self.tries >= ACCOUNT_TRIES {
            self.problem = Some("token store: too many processes change one account at once");
            return self.store_failed(cx);
        }
        let time = cx.draw.jitter.of(Duration::from_millis(4));
        Order::Sleep {
            time,
            others: false,
        }
    }

    /// Writes down what the token request will use up, before it is sent.
    fn mark(&mut self, cx: &mut Cx<'_>) -> Order {
        self.refresh = sharing::next_refresh_token(cx, &self.seen.record, self.own.as_ref());
        let unread = self.own.as_ref().and_then(|own| own.first.clone().err());
        if let (None, Some(error)) = (&self.refresh, unread) {
            self.landing = Some(Landing {
                end: End::Failed(error.with_outcome(RequestOutcome::NotSent)),
                ..self.landing_at(cx.now)
            });
            let slot = self.slot.is_some().then_some(Todo::Slot(Duration::ZERO));
            self.todo = slot.into_iter().collect();
            return self.close(cx);
        }
        let mut marked = self.seen.record.clone();
        marked.refresh = self.refresh.clone().map(|refresh| Refresh {
            uncertain: refresh.uncertain.saturating_add(1),
            ..refresh
        });
        if let (None, Some(given_up)) = (&marked.refresh, &self.seen.record.refresh) {
            marked.spent.add(Print::of(&given_up.secret));
        }
        if !self.is_covered(cx) {
            return self.start_again();
        }
        match marked == self.seen.record {
            true => self.request(cx),
            false => self.write(cx, Phase::Marking, marked),
        }
    }

    /// A process that was stopped may have lost the lease meanwhile.
    fn is_covered(&self, cx: &mut Cx<'_>) -> bool {
        let needed = cx.now + self.request_deadline(cx);
        self.lease.is_some_and(|until| until.waited_for(needed))
    }

    fn request_deadline(&self, cx: &mut Cx<'_>) -> Duration {
        match self.start.reason {
            Reason::Ahead => self.start.deadline,
            _ => cx.rules.policy.exchange_deadline(),
        }
    }

    /// The lease ended before the refresh token was sent: whoever has the lease cx.now may send it.
    fn unmark(&mut self, cx: &mut Cx<'_>) -> Order {
        let mut record = self.seen.record.clone();
        record.refresh = self
            .refresh
            .take()
            .filter(|refresh| !refresh.is_first || refresh.uncertain > 0);
        self.write(cx, Phase::Unmarking, record)
    }

    /// Looks again, after giving back the slot and the lease.
    fn start_again(&mut self) -> Order {
        self.landing = None;
        self.todo = match self.slot.is_some() {
            true => vec![Todo::Slot(Duration::ZERO)],
            false => Vec::new(),
        };
        self.lease = None;
        self.pace = FIRST_LOOK;
        self.tries = 0;
        match self.todo.is_empty() {
            true => self.go(Phase::Looking, Order::Load),
            false => self.go(Phase::Closing, Order::LoadAccount),
        }
    }

    /// Somebody else was faster.
    fn lost_write(&mut self, cx: &mut Cx<'_>) -> Order {
        self.contested = true;
        self.lost += 1;
        if self.lost >= MOST_LOST {
            self.problem = Some("token store: every write loses against another one");
            return self.store_failed(cx);
        }
        self.start_again()
    }

    /// Writes the record, as the successor of the one that was seen.
    fn write(&mut self, cx: &mut Cx<'_>, phase: Phase, record: Record) -> Order {
        let last = cx.memory.later_than(self.seen.version);
        let version = next_version(last, cx.now.since_unix_epoch(), cx.draw.number);
        let expected = self.seen.version;
        self.replaces = expected;
        self.seen = Seen {
            version: Some(version),
            record: record.clone(),
            at: Some(cx.now),
        };
        let beside = matches!(phase, Phase::Closing);
        self.go(
            phase,
            Order::Write(Box::new(Write {
                expected,
                version,
                record,
                beside,
            })),
        )
    }

    // --- the token request ---

    /// Goes to a further token request of this flight.
    fn prepare(&mut self, cx: &mut Cx<'_>) -> Order {
        self.landing = None;
        if !cx.rules.shares || self.without_store {
            return self.go_alone(cx);
        }
        self.prepare_slot(cx)
    }

    fn request(&mut self, cx: &mut Cx<'_>) -> Order {
        self.requests += 1;
        let order = Order::Request {
            reason: self.start.reason,
            refresh_token: self.refresh.as_ref().map(|refresh| refresh.secret.clone()),
            deadline: self.request_deadline(cx),
        };
        self.go(Phase::Requesting, order)
    }

    /// A token request without the store: within limits that many processes can afford at once.
    fn go_alone(&mut self, cx: &mut Cx<'_>) -> Order {
        self.refresh = None;
        if cx.rules.shares {
            let first = self.own.as_ref().map(|own| &own.first);
            if cx.rules.needs_refresh_token || matches!(first, Some(Ok(Some(_)))) {
                let message = "the refresh token is sent only while the token store answers, because \
                               two processes that send it lose it; the token store does not answer";
                return self.fail(cx, Error::new(ErrorKind::Store, message));
            }
            // The share is too small to keep a part of it back.
            if let Err(wait) = cx.memory.share.take(Slots::All, cx.now) {
                self.landing = Some(Landing {
                    end: End::OverQuota(wait),
                    ..self.landing_at(cx.now)
                });
                return self.land(cx);
            }
        }
        self.request(cx)
    }
}

/// Returns the version that comes after another one.
fn next_version(last: Option<Version>, wall: Duration, number: u64) -> Version {
    let wall = u64::try_from(wall.as_millis()).unwrap_or(u64::MAX);
    let epoch = last.map_or(0, |last| last.epoch().saturating_add(1));
    Version::new(u128::from(epoch.max(wall)) << 64 | u128::from(number))
}

fn slot_of(quota: Option<Quota>, token_lives: Option<Duration>) -> Duration {
    let window = quota.map_or(Duration::ZERO, Quota::window);
    let lives = token_lives.filter(|lives| !lives.is_zero());
    lives.map_or(window, |lives| lives.min(window))
}

/// Says that no login is sent after several rejected ones.
fn too_often(forbidden: &Forbidden) -> Error {
    let (part, message) = match forbidden.counted {
        Counted::Credentials => (
            RejectedPart::Credentials,
            "the credentials are not sent, because the vendor rejected them twice and may lock the \
             account; correct them where they are kept, or call Authenticator::clear_rejections",
        ),
        Counted::SecondFactor => (
            RejectedPart::SecondFactor,
            "no login is sent yet, because each one sends the user a code and the second factors of \
             the last logins failed; check where the codes are read, or call \
             Authenticator::clear_rejections",
        ),
    };
    let error = Error::new(ErrorKind::Rejected, message)
        .with_rejected_part(part)
        .with_retry_after(forbidden.wait);
    match &forbidden.cause {
        Some(cause) => error.with_source(cause.clone()),
        None => error,
    }
}

/// How soon after it found the lease taken a flight looks again, at first and at last.
const FIRST_LOOK: Duration = Duration::from_millis(20);
const LONGEST_LOOK: Duration = Duration::from_millis(160);
/// So many writes in a row that lose are a failure of the store.
const MOST_LOST: u8 = 4;
/// How often an account that many processes change is tried.
const ACCOUNT_TRIES: u8 = 5;
/// How often a token is written over what others wrote.
const RECORD_TRIES: u8 = 3;

#[cfg(test)]
mod tests;
