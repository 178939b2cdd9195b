//! The rules of one flight: from the wish for a token to the token or the failure, with the store
//! that processes share or without. No await, no lock, no clock, no randomness: facts come in, orders
//! go out, and a driver executes them.

use std::time::Duration;

use super::{
    account::{Account, Logins},
    backoff::{self, Failure, Situation},
    memory::{Memory, YIELD, is_shared},
    prints::{Print, Prints},
    record::{Kept, Pause, Record, Refresh, SharedRefusals},
    serving::Start,
};
use crate::{
    AccessToken, CredentialsId, Error, ErrorKind, Moment, Quota, Reason, RefreshPolicy,
    RejectedPart, RequestOutcome, Secret, Version, policy::Jitter, quota::Slots,
};

/// What stays the same from flight to flight.
#[derive(Clone, Debug)]
pub(crate) struct Rules {
    pub(crate) policy: RefreshPolicy,
    pub(crate) quota: Option<Quota>,
    /// A store is shared with other processes, or with the next start.
    pub(crate) shares: bool,
    pub(crate) keeps_refresh_tokens: bool,
    /// Without a refresh token there is nothing to ask the vendor for.
    pub(crate) needs_refresh_token: bool,
    /// This process, among those that share the store.
    pub(crate) owner: String,
}

impl Rules {
    /// How long a lease is asked for: longer than what its holder does, so that the lease ends with
    /// its holder and not before.
    pub(crate) fn lease_time(&self) -> Duration {
        let requests = 1 + u32::from(self.keeps_refresh_tokens);
        let deadline = self.policy.exchange_deadline();
        deadline
            .saturating_mul(requests)
            .saturating_add(Duration::from_secs(2))
    }

    /// The longest that a flight takes.
    pub(crate) fn longest(&self) -> Duration {
        let own = self
            .policy
            .exchange_deadline()
            .saturating_mul(MOST_REQUESTS.into());
        let others = match self.shares {
            true => self.lease_time().saturating_add(Duration::from_secs(1)),
            false => Duration::ZERO,
        };
        own.saturating_add(others)
            .saturating_add(Duration::from_secs(1))
    }
}

/// What is drawn or read outside of the rules, anew for each step.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Draw {
    pub(crate) jitter: Jitter,
    pub(crate) number: u64,
}

/// What happened.
#[derive(Clone, Debug)]
pub(crate) enum Fact {
    Begun,
    /// The credentials were read.
    Read(Result<Own, Error>),
    Loaded(Loaded),
    /// The entry was written, or somebody else was faster.
    Wrote(bool),
    /// The lease is this flight's, asked for at that moment, or another's.
    Leased(Option<Moment>),
    /// The limit on token requests leaves no room.
    NotAdmitted(Error),
    Released,
    Slept,
    LoadedAccount(Option<Version>, Option<Account>),
    LoadedLogins(Option<Version>, Option<Logins>),
    Ended(Ended),
    StoreFailed,
    /// Whether the rules for callers allow one more token request.
    MayAgain(bool),
}

/// What a process brings to a token request by itself.
#[derive(Clone, Debug)]
pub(crate) struct Own {
    pub(crate) id: Option<CredentialsId>,
    pub(crate) lockable: bool,
    /// The refresh token that a person's login brought, or why it could not be read.
    pub(crate) first: Result<Option<Secret>, Error>,
    /// These credentials were rejected too often, as this process knows: why, and for how long.
    pub(crate) forbidden: Option<Forbidden>,
}

/// Why credentials must not be sent now.
#[derive(Clone, Debug)]
pub(crate) struct Forbidden {
    pub(crate) cause: Option<Error>,
    pub(crate) wait: Duration,
}

/// What the store has for the key.
#[derive(Clone, Debug)]
pub(crate) struct Loaded {
    pub(crate) version: Option<Version>,
    /// What could be understood of the entry, as of now.
    pub(crate) record: Option<Record>,
    /// There is an entry that cannot be opened, and why.
    pub(crate) sealed: Option<Error>,
}

/// How a token request ended.
#[derive(Clone, Debug)]
pub(crate) struct Ended {
    pub(crate) result: Result<AccessToken, Error>,
    /// Just before the token request was sent.
    pub(crate) sent: Moment,
    /// The time-out fired much later than it should have: this process stood still.
    pub(crate) late: bool,
}

/// What to do next.
#[derive(Clone, Debug)]
pub(crate) enum Order {
    /// Read the credentials.
    Read,
    Load,
    Write(Box<Write>),
    Lease,
    Release,
    Sleep {
        time: Duration,
        /// Another process is at work: waiting for it is not the store's latency.
        others: bool,
    },
    LoadAccount,
    WriteAccount(Option<Version>, Version, Account),
    LoadLogins(u64),
    WriteLogins(u64, Option<Version>, Version, Logins),
    Request {
        reason: Reason,
        refresh_token: Option<Secret>,
        deadline: Duration,
    },
    /// Ask the rules for callers whether one more token request is allowed.
    AskAgain,
    Land(Box<Landing>),
}

#[derive(Clone, Debug)]
pub(crate) struct Write {
    pub(crate) expected: Option<Version>,
    pub(crate) version: Version,
    pub(crate) record: Record,
    /// The token request is over: the write goes on beside the callers if it takes long.
    pub(crate) beside: bool,
}

/// How a flight ended.
#[derive(Clone, Debug)]
pub(crate) struct Landing {
    pub(crate) end: End,
    pub(crate) sent: Moment,
    /// The vendor was asked.
    pub(crate) requested: bool,
    /// The credentials that were used.
    pub(crate) about: Option<CredentialsId>,
    pub(crate) lockable: bool,
    /// For how long all processes have been failing.
    pub(crate) failing_for: Duration,
}

#[derive(Clone, Debug)]
pub(crate) enum End {
    /// A token of this age.
    Token(AccessToken, Duration),
    Failed(Error),
    /// Another process failed; nobody asks for so long.
    Told(Error, Duration),
    OverQuota(Duration),
    /// The rejected credentials have not changed.
    Unchanged,
}

/// The state of one flight.
#[derive(Clone, Debug)]
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
struct Seen {
    version: Option<Version>,
    record: Record,
}

#[derive(Clone, Debug)]
enum Todo {
    /// The token or the failure.
    Record(Record),
    /// The slot frees after this time.
    Slot(Duration),
    Logins(LoginChange),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LoginChange {
    Reject(u16),
    Accept(u16),
}

impl Landing {
    /// A flight that failed before anything else is known.
    pub(crate) fn failed(error: Error, now: Moment) -> Self {
        Self {
            end: End::Failed(error),
            sent: now,
            requested: true,
            about: None,
            lockable: false,
            failing_for: Duration::ZERO,
        }
    }
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

    /// What the end of a token request says about credentials that the vendor may lock out.
    pub(crate) fn judged(
        &self,
        result: &Result<AccessToken, Error>,
    ) -> Option<(CredentialsId, bool)> {
        let own = self
            .own
            .as_ref()
            .filter(|own| own.lockable && self.refresh.is_none())?;
        let id = own.id?;
        match result {
            Ok(_) => Some((id, true)),
            Err(error) => {
                let rejected = error.rejected_part() == Some(RejectedPart::Credentials);
                rejected.then_some((id, false))
            }
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
        match (self.phase, fact) {
            (_, Fact::StoreFailed) => self.store_failed(rules, memory, now, draw),
            (Phase::New, _) => self.begin(rules, memory, now),
            (Phase::Looking, Fact::Loaded(loaded)) => {
                self.see(memory, loaded, now);
                self.looked(rules, memory, now, draw)
            }
            (Phase::MarkingRefused, Fact::Wrote(true)) => {
                self.lost = 0;
                self.decide(rules, memory, now, draw)
            }
            (Phase::Reading, Fact::Read(read)) => self.read(rules, memory, read, now, draw),
            (Phase::Leasing, Fact::NotAdmitted(error)) => self.fail(error, now),
            (Phase::Leasing, Fact::Leased(Some(asked))) => {
                self.lease = Some(asked + rules.lease_time());
                self.denied = None;
                self.go(Phase::LookingAgain, Order::Load)
            }
            (Phase::Leasing, Fact::Leased(None)) => self.denied(rules, memory, now, draw),
            (Phase::Waiting, _) => self.go(Phase::Looking, Order::Load),
            (Phase::LookingAgain, Fact::Loaded(loaded)) => {
                self.see(memory, loaded, now);
                self.looked(rules, memory, now, draw)
            }
            (Phase::CheckingLogins, Fact::LoadedLogins(version, logins)) => self.check_logins(
                rules,
                memory,
                version,
                logins.unwrap_or_default(),
                now,
                draw,
            ),
            (Phase::TakingSlot, Fact::LoadedAccount(version, account)) => {
                self.take_slot(rules, version, account.unwrap_or_default(), now, draw)
            }
            (Phase::TakingSlot, Fact::Wrote(true)) => {
                self.tries = 0;
                self.mark(rules, memory, now, draw)
            }
            (Phase::TakingSlot, Fact::Wrote(false)) => {
                self.slot = None;
                self.try_account_again(rules, memory, now, draw)
            }
            (Phase::TakingSlot, _) => Order::LoadAccount,
            (Phase::Marking, Fact::Wrote(true)) => {
                self.lost = 0;
                match self.is_covered(rules, now) {
                    true => self.request(rules),
                    false => self.unmark(memory, now, draw),
                }
            }
            (Phase::MarkingRefused | Phase::Marking, Fact::Wrote(false)) => {
                self.lost_write(rules, memory, now, draw)
            }
            (Phase::Unmarking, _) => self.start_again(),
            (Phase::Requesting, Fact::Ended(ended)) => self.ended(rules, memory, ended, now, draw),
            (Phase::DroppingRefreshToken, Fact::Wrote(true)) => {
                self.prepare(rules, memory, now, draw)
            }
            (Phase::DroppingRefreshToken, Fact::Wrote(false)) => {
                self.landing = None;
                self.lost_write(rules, memory, now, draw)
            }
            (Phase::Rereading, Fact::Read(read)) => self.read_again(memory, read, now, draw),
            (Phase::AskingAgain, Fact::MayAgain(true)) => {
                self.landing = None;
                self.prepare(rules, memory, now, draw)
            }
            (Phase::AskingAgain, _) => self.close(memory, now, draw),
            (Phase::LookingLate, Fact::Loaded(loaded)) => {
                self.looked_late(rules, memory, loaded, now, draw)
            }
            (Phase::Closing, fact) => self.closing(rules, memory, fact, now, draw),
            // A lease that could not be given back ends by itself.
            (Phase::Releasing, _) => self.land(now),
            // The driver answers each order with its own fact; anything else ends the flight.
            (_, _) => self.fail(
                Error::new(ErrorKind::Closed, "the flight lost its way"),
                now,
            ),
        }
    }

    fn go(&mut self, phase: Phase, order: Order) -> Order {
        self.phase = phase;
        order
    }

    // --- before the token request ---

    fn begin(&mut self, rules: &Rules, memory: &Memory, now: Moment) -> Order {
        if rules.shares && memory.store_is_left_alone(now) {
            self.without_store = true;
        }
        match rules.shares && !self.without_store {
            true => self.go(Phase::Looking, Order::Load),
            false => self.go(Phase::Reading, Order::Read),
        }
    }

    fn see(&mut self, memory: &mut Memory, loaded: Loaded, now: Moment) {
        memory.store_answered();
        let Loaded {
            version,
            record,
            sealed,
        } = loaded;
        // A hostile or restored store brings back what is older than what was there before.
        let known = version.zip(record);
        let known = known.filter(|(version, _)| !memory.is_outdated(*version));
        if let Some((version, _)) = &known {
            memory.see(*version);
        }
        let unsaved = memory.unsaved(version, now);
        let record = unsaved.or(known.map(|(_, record)| record));
        self.seen = Seen {
            version,
            record: record.unwrap_or_default(),
        };
        if let Some(error) = sealed {
            self.landing = Some(Landing {
                end: End::Failed(error),
                ..self.landing_at(now)
            });
        }
    }

    fn looked(&mut self, rules: &Rules, memory: &mut Memory, now: Moment, draw: Draw) -> Order {
        // An entry that cannot be opened may hold the only refresh token: nobody overwrites it.
        if self.landing.is_some() && rules.keeps_refresh_tokens {
            return self.release_and_land(now);
        }
        self.landing = None;
        let record = &self.seen.record;
        let print = record.token.as_ref().map(|kept| Print::of(&kept.secret));
        let refused = print.filter(|print| memory.refused.contains(*print));
        if let Some(print) = refused {
            // Before anything else is tried, so that no other process takes the token.
            let mut marked = record.clone();
            marked.token = None;
            marked.refused.add(print);
            return self.write(memory, Phase::MarkingRefused, marked, now, draw);
        }
        self.decide(rules, memory, now, draw)
    }

    /// Takes what the store has, or goes on towards a token request.
    fn decide(&mut self, rules: &Rules, memory: &mut Memory, now: Moment, draw: Draw) -> Order {
        if let Some((token, age)) = self.adopt(rules, memory) {
            memory.asked();
            self.landing = Some(Landing {
                end: End::Token(token, age),
                ..self.landing_at(now)
            });
            return self.release_and_land(now);
        }
        if let Some(told) = self.obey(rules, memory, now) {
            self.landing = Some(told);
            return self.release_and_land(now);
        }
        match (&self.own, self.lease) {
            // Before the lease, which is short: where secrets are kept may be slow.
            (None, _) => self.go(Phase::Reading, Order::Read),
            (Some(_), None) => self.go(Phase::Leasing, Order::Lease),
            (Some(_), Some(_)) => self.check(rules, memory, now, draw),
        }
    }

    /// Takes the token that is there, if it serves.
    fn adopt(&self, rules: &Rules, memory: &Memory) -> Option<(AccessToken, Duration)> {
        let record = &self.seen.record;
        let kept = record.token.as_ref()?;
        let print = Print::of(&kept.secret);
        if memory.refused.contains(print) || record.refused.contains(print) {
            return None;
        }
        // The cached token is why another one is wanted.
        if self.start.reason != Reason::Needed && memory.current == Some(print) {
            return None;
        }
        let left = usable(&rules.policy, kept);
        if left.is_zero() || left <= self.start.beyond {
            return None;
        }
        let token = AccessToken::new(kept.secret.clone()).expires_in(kept.lifetime);
        let token = match &kept.scope {
            Some(scope) => token.scope(scope),
            None => token,
        };
        Some((token, kept.lifetime.saturating_sub(kept.left)))
    }

    /// Obeys the back-off of other processes.
    fn obey(&self, rules: &Rules, memory: &mut Memory, now: Moment) -> Option<Landing> {
        let record = &self.seen.record;
        let told = |error: Error, wait| Landing {
            end: End::Told(error, wait),
            failing_for: record.failing_for.unwrap_or_default(),
            ..self.landing_at(now)
        };
        if self.start.reason == Reason::Refused {
            if let Some(refusals) = record.refusals.filter(|refusals| !refusals.left.is_zero()) {
                let message = "the API refused the tokens of other processes too";
                let error = Error::new(ErrorKind::Refused, message);
                return Some(told(error, refusals.left));
            }
        }
        // What the vendor told this process, the process knows by itself.
        let known = |pause: &&Pause| pause.owner == rules.owner && pause.is_from_vendor();
        let pause = record.pause.as_ref().filter(|pause| !known(pause))?;
        if pause.credentials.is_some() && memory.ignores_rejections() {
            return None;
        }
        if let Some(mark) = pause.credentials {
            // Whether the rejection concerns this process is known once the credentials are read.
            let own = self.own.as_ref()?;
            if own.id.map(CredentialsId::mark) != Some(mark) {
                return None;
            }
        }
        let wait = memory.obeys(rules, record, pause, now)?;
        Some(told(pause.error().with_retry_after(wait), wait))
    }

    fn read(
        &mut self,
        rules: &Rules,
        memory: &mut Memory,
        read: Result<Own, Error>,
        now: Moment,
        draw: Draw,
    ) -> Order {
        let own = match read {
            Ok(own) => own,
            Err(error) => return self.fail(error, now),
        };
        let unchanged = self.start.unless.is_some() && self.start.unless == own.id;
        let forbidden = own.forbidden.clone();
        let has_refresh_token =
            self.seen.record.refresh.is_some() || matches!(own.first, Ok(Some(_)));
        self.own = Some(own);
        if unchanged {
            self.landing = Some(Landing {
                end: End::Unchanged,
                ..self.landing_at(now)
            });
            return self.release_and_land(now);
        }
        // A refresh token shows no password to anybody.
        if let Some(forbidden) = forbidden.filter(|_| !has_refresh_token) {
            return self.forbidden(&forbidden, now);
        }
        if rules.shares && !self.without_store {
            return self.decide(rules, memory, now, draw);
        }
        self.go_alone(rules, memory, now)
    }

    fn forbidden(&mut self, forbidden: &Forbidden, now: Moment) -> Order {
        let error = too_often(forbidden);
        self.landing = Some(Landing {
            end: End::Told(error, forbidden.wait),
            ..self.landing_at(now)
        });
        self.release_and_land(now)
    }

    fn denied(&mut self, rules: &Rules, memory: &mut Memory, now: Moment, draw: Draw) -> Order {
        let since = *self.denied.get_or_insert(now);
        if now.wait_since(since) > rules.lease_time() {
            self.problem =
                Some("token store: the lease is held for longer than a token request takes");
            return self.store_failed(rules, memory, now, draw);
        }
        let time = self.pace.saturating_sub(draw.jitter.of(self.pace / 2));
        self.pace = self.pace.saturating_mul(2).min(LONGEST_LOOK);
        self.go(Phase::Waiting, Order::Sleep { time, others: true })
    }

    /// With the lease, and nothing in the store to take.
    fn check(&mut self, rules: &Rules, memory: &mut Memory, now: Moment, draw: Draw) -> Order {
        let own = self
            .own
            .as_ref()
            .and_then(|own| own.id.filter(|_| own.lockable));
        match own {
            Some(id) if self.next_refresh_token(rules, memory).is_none() => {
                self.go(Phase::CheckingLogins, Order::LoadLogins(id.account()))
            }
            _ => self.prepare_slot(rules, memory, now, draw),
        }
    }

    fn check_logins(
        &mut self,
        rules: &Rules,
        memory: &mut Memory,
        version: Option<Version>,
        logins: Logins,
        now: Moment,
        draw: Draw,
    ) -> Order {
        let id = self.own.as_ref().and_then(|own| own.id);
        let wait = id.and_then(|id| logins.forbids(id.mark()));
        let wait = wait.filter(|_| !memory.ignores_rejections());
        self.logins = Some((version, logins));
        if let Some(wait) = wait {
            return self.forbidden(&Forbidden { cause: None, wait }, now);
        }
        self.prepare_slot(rules, memory, now, draw)
    }

    fn prepare_slot(
        &mut self,
        rules: &Rules,
        memory: &mut Memory,
        now: Moment,
        draw: Draw,
    ) -> Order {
        match rules.quota {
            Some(_) => self.go(Phase::TakingSlot, Order::LoadAccount),
            None => self.mark(rules, memory, now, draw),
        }
    }

    fn take_slot(
        &mut self,
        rules: &Rules,
        version: Option<Version>,
        mut account: Account,
        now: Moment,
        draw: Draw,
    ) -> Order {
        let Some(quota) = rules.quota else {
            return self.fail(
                Error::new(ErrorKind::Closed, "no quota to take a slot of"),
                now,
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
            .saturating_add(rules.policy.exchange_deadline());
        if let Err(wait) = account.take(quota, slots, draw.number, frees_in) {
            self.landing = Some(Landing {
                end: End::OverQuota(wait),
                ..self.landing_at(now)
            });
            return self.release_and_land(now);
        }
        self.slot = Some(draw.number);
        let next = next_version(version, now.since_unix_epoch(), draw.number);
        Order::WriteAccount(version, next, account)
    }

    fn try_account_again(
        &mut self,
        rules: &Rules,
        memory: &mut Memory,
        now: Moment,
        draw: Draw,
    ) -> Order {
        self.tries += 1;
        if self.tries >= ACCOUNT_TRIES {
            self.problem = Some("token store: too many processes change one account at once");
            return self.store_failed(rules, memory, now, draw);
        }
        let time = draw.jitter.of(Duration::from_millis(4));
        Order::Sleep {
            time,
            others: false,
        }
    }

    /// The refresh token to send, if there is one that may be sent.
    fn next_refresh_token(&self, rules: &Rules, memory: &Memory) -> Option<Refresh> {
        if !rules.keeps_refresh_tokens {
            return None;
        }
        let record = &self.seen.record;
        let is_spent = |secret: &Secret| {
            let print = Print::of(secret);
            memory.spent.contains(print) || record.spent.contains(print)
        };
        if let Some(refresh) = record
            .refresh
            .clone()
            .filter(|refresh| !is_spent(&refresh.secret))
        {
            // Sent once with an unknown outcome, the refresh token is sent once more. After that it
            // is given up only if there is another way to a token.
            let given_up = refresh.uncertain >= MOST_UNCERTAIN && !rules.needs_refresh_token;
            return Some(refresh).filter(|_| !given_up);
        }
        let first = self
            .own
            .as_ref()
            .and_then(|own| own.first.clone().ok().flatten());
        first
            .filter(|first| !is_spent(first))
            .map(|secret| Refresh {
                secret,
                uncertain: 0,
                is_first: true,
            })
    }

    /// Writes down what the token request will use up, before it is sent.
    fn mark(&mut self, rules: &Rules, memory: &mut Memory, now: Moment, draw: Draw) -> Order {
        self.refresh = self.next_refresh_token(rules, memory);
        let unread = self.own.as_ref().and_then(|own| own.first.clone().err());
        if let (None, Some(error)) = (&self.refresh, unread) {
            self.landing = Some(Landing {
                end: End::Failed(error.with_outcome(RequestOutcome::NotSent)),
                ..self.landing_at(now)
            });
            let slot = self.slot.is_some().then_some(Todo::Slot(Duration::ZERO));
            self.todo = slot.into_iter().collect();
            return self.close(memory, now, draw);
        }
        let mut marked = self.seen.record.clone();
        marked.refresh = self.refresh.clone().map(|refresh| Refresh {
            uncertain: refresh.uncertain.saturating_add(1),
            ..refresh
        });
        if let (None, Some(given_up)) = (&marked.refresh, &self.seen.record.refresh) {
            marked.spent.add(Print::of(&given_up.secret));
        }
        if !self.is_covered(rules, now) {
            return self.start_again();
        }
        match marked == self.seen.record {
            true => self.request(rules),
            false => self.write(memory, Phase::Marking, marked, now, draw),
        }
    }

    /// A process that was stopped may have lost the lease meanwhile.
    fn is_covered(&self, rules: &Rules, now: Moment) -> bool {
        let needed = now + self.request_deadline(rules);
        self.lease.is_some_and(|until| until.waited_for(needed))
    }

    fn request_deadline(&self, rules: &Rules) -> Duration {
        match self.start.reason {
            Reason::Ahead => self.start.deadline,
            _ => rules.policy.exchange_deadline(),
        }
    }

    /// The lease ended before the refresh token was sent: whoever has the lease now may send it.
    fn unmark(&mut self, memory: &mut Memory, now: Moment, draw: Draw) -> Order {
        let mut record = self.seen.record.clone();
        record.refresh = self
            .refresh
            .take()
            .filter(|refresh| !refresh.is_first || refresh.uncertain > 0);
        self.write(memory, Phase::Unmarking, record, now, draw)
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
    fn lost_write(&mut self, rules: &Rules, memory: &mut Memory, now: Moment, draw: Draw) -> Order {
        self.lost += 1;
        if self.lost >= MOST_LOST {
            self.problem = Some("token store: every write loses against another one");
            return self.store_failed(rules, memory, now, draw);
        }
        self.start_again()
    }

    /// Writes the record, as the successor of the one that was seen.
    fn write(
        &mut self,
        memory: &mut Memory,
        phase: Phase,
        record: Record,
        now: Moment,
        draw: Draw,
    ) -> Order {
        let last = memory.later_than(self.seen.version);
        let version = next_version(last, now.since_unix_epoch(), draw.number);
        let expected = self.seen.version;
        self.replaces = expected;
        self.seen = Seen {
            version: Some(version),
            record: record.clone(),
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
    fn prepare(&mut self, rules: &Rules, memory: &mut Memory, now: Moment, draw: Draw) -> Order {
        self.landing = None;
        if !rules.shares || self.without_store {
            return self.go_alone(rules, memory, now);
        }
        self.prepare_slot(rules, memory, now, draw)
    }

    fn request(&mut self, rules: &Rules) -> Order {
        self.requests += 1;
        let order = Order::Request {
            reason: self.start.reason,
            refresh_token: self.refresh.as_ref().map(|refresh| refresh.secret.clone()),
            deadline: self.request_deadline(rules),
        };
        self.go(Phase::Requesting, order)
    }

    /// A token request without the store: within limits that many processes can afford at once.
    fn go_alone(&mut self, rules: &Rules, memory: &mut Memory, now: Moment) -> Order {
        self.refresh = None;
        if rules.shares {
            let first = self.own.as_ref().map(|own| &own.first);
            if rules.needs_refresh_token || matches!(first, Some(Ok(Some(_)))) {
                let message = "the refresh token is sent only while the token store answers, because \
                               two processes that send it lose it; the token store does not answer";
                return self.fail(Error::new(ErrorKind::Store, message), now);
            }
            // The share is too small to keep a part of it back.
            if let Err(wait) = memory.share.take(Slots::All, now) {
                self.landing = Some(Landing {
                    end: End::OverQuota(wait),
                    ..self.landing_at(now)
                });
                return self.land(now);
            }
        }
        self.request(rules)
    }

    fn ended(
        &mut self,
        rules: &Rules,
        memory: &mut Memory,
        ended: Ended,
        now: Moment,
        draw: Draw,
    ) -> Order {
        let Ended { result, sent, late } = ended;
        let alone = !rules.shares || self.without_store;
        let lifetime = result.as_ref().ok().and_then(AccessToken::lifetime);
        let not_sent = result
            .as_ref()
            .is_err_and(|error| !Failure::of(error).may_count());
        if alone {
            match not_sent {
                true => memory.share.cancel(),
                false => memory.share.close(now, lifetime),
            }
        }
        if !not_sent {
            memory.asked();
        }
        let landing = Landing {
            sent,
            requested: !not_sent,
            ..self.landing_at(now)
        };
        let error = match result {
            Ok(token) => return self.succeeded(rules, memory, token, landing, now, draw),
            Err(error) => error,
        };
        let failure = Failure::of(&error);
        self.landing = Some(Landing {
            end: End::Failed(error.clone()),
            ..landing
        });
        if late && failure == Failure::Unknown && !alone {
            // Another process may have made a token request while this one stood still.
            return self.go(Phase::LookingLate, Order::Load);
        }
        self.failed(rules, memory, &error, now, draw)
    }

    fn succeeded(
        &mut self,
        rules: &Rules,
        memory: &mut Memory,
        token: AccessToken,
        landing: Landing,
        now: Moment,
        draw: Draw,
    ) -> Order {
        let mut record = self.after(rules, memory, &token, landing.sent, now);
        let lifetime = rules.policy.lifetime(token.lifetime());
        let usable = rules.policy.usable_for(lifetime);
        if usable
            .saturating_sub(now.wait_since(landing.sent))
            .is_zero()
        {
            let message = "the token endpoint's tokens have expired when they come";
            let error = Error::new(ErrorKind::Protocol, message);
            record.failing_for = Some(self.seen.record.failing_for.unwrap_or_default());
            self.tell(rules, &mut record, &error, draw);
        }
        let frees_in = slot_of(rules.quota, token.lifetime());
        self.landing = Some(Landing {
            end: End::Token(token, Duration::ZERO),
            ..landing
        });
        if !rules.shares {
            return self.land(now);
        }
        if self.without_store {
            return self.land(now);
        }
        let id = self.own.as_ref().and_then(|own| own.id);
        let known = self.logins.as_ref().zip(id);
        let known = known.filter(|((_, logins), id)| logins.knows(id.mark()));
        let accepted = known.map(|(_, id)| LoginChange::Accept(id.mark()));
        self.todo = Vec::new();
        self.todo.extend(accepted.map(Todo::Logins));
        self.todo
            .extend(self.slot.is_some().then_some(Todo::Slot(frees_in)));
        if record != self.seen.record {
            self.todo.push(Todo::Record(record));
        }
        self.close(memory, now, draw)
    }

    /// What the store says after a token request that brought a token.
    fn after(
        &self,
        rules: &Rules,
        memory: &mut Memory,
        token: &AccessToken,
        sent: Moment,
        now: Moment,
    ) -> Record {
        let seen = &self.seen.record;
        let lifetime = token.lifetime().filter(|_| !token.is_permanent());
        let print = Print::of(token.secret());
        let kept = lifetime.map(|lifetime| Kept {
            secret: token.secret().clone(),
            scope: token.granted_scope().map(ToOwned::to_owned),
            left: lifetime.saturating_sub(now.wait_since(sent)),
            lifetime,
        });
        // The same text once more is still what the API refused.
        let is_refused = memory.refused.contains(print) || seen.refused.contains(print);
        let kept = kept.filter(|kept| !kept.left.is_zero() && !is_refused);
        let brought = token
            .kept_refresh_token()
            .filter(|_| rules.keeps_refresh_tokens);
        let refresh = match brought {
            Some(secret) => Some(Refresh {
                secret: secret.clone(),
                uncertain: 0,
                is_first: false,
            }),
            None => seen.refresh.clone().map(|refresh| Refresh {
                uncertain: 0,
                ..refresh
            }),
        };
        let mut spent = seen.spent.clone();
        // A first refresh token that was replaced is not sent again, when all its successors are
        // rejected, when the store forgets, or when it is read once more from where it is kept.
        let first = self.refresh.as_ref().filter(|sent| sent.is_first);
        if let Some(first) = first.filter(|first| {
            refresh
                .as_ref()
                .is_some_and(|next| next.secret != first.secret)
        }) {
            spent.add(Print::of(&first.secret));
            memory.spent.add(Print::of(&first.secret));
        }
        let refusals = match self.start.reason {
            Reason::Refused => {
                let row = seen
                    .refusals
                    .map_or(0, |refusals| refusals.row)
                    .saturating_add(1);
                let left = backoff::of_refusals(&rules.policy, row);
                Some(SharedRefusals {
                    row,
                    left,
                    forget: left.saturating_mul(2).max(Duration::from_secs(60)),
                })
            }
            _ => seen.refusals,
        };
        Record {
            token: kept,
            refused: seen.refused.clone(),
            refresh,
            spent,
            pause: None,
            failing_for: None,
            failures: 0,
            failed_by: Prints::default(),
            refusals,
        }
    }

    fn failed(
        &mut self,
        rules: &Rules,
        memory: &mut Memory,
        error: &Error,
        now: Moment,
        draw: Draw,
    ) -> Order {
        let failure = Failure::of(error);
        let alone = !rules.shares || self.without_store;
        let rejected = match failure {
            Failure::Rejected(part) => Some(part),
            _ => None,
        };
        let sent_refresh = self.refresh.is_some();
        let refresh_rejected = sent_refresh
            && (rejected == Some(RejectedPart::RefreshToken)
                || rejected.is_some() && error.code() == Some("invalid_grant"));
        let credentials = self.own.as_ref().and_then(|own| own.id);
        let lockable = self.own.as_ref().is_some_and(|own| own.lockable);
        // --- what the store has to say ---
        let mut record = self.seen.record.clone();
        if refresh_rejected {
            if let Some(refresh) = record.refresh.take() {
                record.spent.add(Print::of(&refresh.secret));
                memory.spent.add(Print::of(&refresh.secret));
            }
            if !alone && self.requests < MOST_REQUESTS {
                self.refresh = None;
                self.landing = None;
                return self.write(memory, Phase::DroppingRefreshToken, record, now, draw);
            }
        } else if failure != Failure::Unknown {
            // The vendor said something, or heard nothing: the refresh token is not spent.
            if let Some(refresh) = record.refresh.as_mut().filter(|_| sent_refresh) {
                refresh.uncertain = refresh.uncertain.saturating_sub(1);
            }
        }
        if alone {
            self.todo = Vec::new();
        } else {
            if is_shared(failure) {
                self.tell(rules, &mut record, error, draw);
            }
            let counts = rejected == Some(RejectedPart::Credentials) && lockable && !sent_refresh;
            let reject = credentials
                .filter(|_| counts)
                .map(|id| LoginChange::Reject(id.mark()));
            let frees_in = match failure.may_count() {
                true => slot_of(rules.quota, None),
                false => Duration::ZERO,
            };
            self.todo = Vec::new();
            self.todo
                .extend(self.slot.is_some().then_some(Todo::Slot(frees_in)));
            if record != self.seen.record {
                self.todo.push(Todo::Record(record));
            }
            self.todo.extend(reject.map(Todo::Logins));
        }
        let again = matches!(
            rejected,
            Some(RejectedPart::Credentials | RejectedPart::RefreshToken)
        );
        if again && credentials.is_some() && self.requests < MOST_REQUESTS && !self.reread {
            self.reread = true;
            return self.go(Phase::Rereading, Order::Read);
        }
        self.close(memory, now, draw)
    }

    /// The credentials were read once more after they were rejected.
    fn read_again(
        &mut self,
        memory: &mut Memory,
        read: Result<Own, Error>,
        now: Moment,
        draw: Draw,
    ) -> Order {
        let changed = read.ok().filter(|read| {
            let before = self.own.as_ref().and_then(|own| own.id);
            read.id != before && read.forbidden.is_none()
        });
        match changed {
            Some(own) => {
                self.own = Some(own);
                self.go(Phase::AskingAgain, Order::AskAgain)
            }
            None => self.close(memory, now, draw),
        }
    }

    /// Says in the record that nobody asks the vendor for a while.
    fn tell(&mut self, rules: &Rules, record: &mut Record, error: &Error, draw: Draw) {
        let failure = Failure::of(error);
        let own = self.own.as_ref();
        let kept = record.token.as_ref();
        let valid = kept.map(|kept| (usable(&rules.policy, kept), kept.lifetime));
        let valid = valid.filter(|(left, _)| !left.is_zero());
        let failing_for = record.failing_for.unwrap_or_default();
        let wait = backoff::after(
            &rules.policy,
            Situation {
                failure,
                retry_after: error.retry_after(),
                failing_for,
                row: record.failures.saturating_add(1),
                valid,
                spacing: rules.quota.map(Quota::spacing),
                slot: Duration::ZERO,
                lockable: own.is_some_and(|own| own.lockable),
                jitter: draw.jitter,
            },
        );
        let about = own.and_then(|own| own.id);
        let about = about.filter(|_| failure.is_rejection());
        let mut pause = Pause::new(&rules.owner, wait, about.map(CredentialsId::mark), error);
        if !pause.is_from_vendor() {
            // The other processes go first: the trouble may be this one's own.
            pause.left = pause.left.saturating_add(YIELD.min(wait));
            record.failed_by.add(Print::of_text(&rules.owner));
        }
        let left = pause.left;
        record.failing_for = Some(failing_for);
        record.failures = record.failures.saturating_add(1);
        record.pause = Some(pause);
        if let Some(landing) = &mut self.landing {
            landing.failing_for = failing_for;
            // Callers are told the time that holds for all.
            if let End::Failed(error) = &landing.end {
                if valid.is_none() && !failure.is_rejection() {
                    landing.end = End::Told(error.clone().with_retry_after(left), left);
                }
            }
        }
    }

    fn looked_late(
        &mut self,
        rules: &Rules,
        memory: &mut Memory,
        loaded: Loaded,
        now: Moment,
        draw: Draw,
    ) -> Order {
        let failed = self.landing.take();
        self.see(memory, loaded, now);
        if let Some((token, age)) = self.adopt(rules, memory) {
            let requested = failed.as_ref().is_some_and(|landing| landing.requested);
            self.landing = Some(Landing {
                end: End::Token(token, age),
                requested,
                ..self.landing_at(now)
            });
            self.todo = Vec::new();
            return self.close(memory, now, draw);
        }
        self.landing = failed;
        let error = match self.landing.as_ref().map(|landing| &landing.end) {
            Some(End::Failed(error)) => error.clone(),
            _ => return self.land(now),
        };
        self.failed(rules, memory, &error, now, draw)
    }

    // --- after the token request ---

    /// Writes down what came of it, gives the lease back, and lands.
    fn close(&mut self, memory: &mut Memory, now: Moment, draw: Draw) -> Order {
        self.tries = 0;
        self.close_next(memory, now, draw)
    }

    fn close_next(&mut self, memory: &mut Memory, now: Moment, draw: Draw) -> Order {
        match self.todo.last().cloned() {
            Some(Todo::Record(record)) => self.write(memory, Phase::Closing, record, now, draw),
            Some(Todo::Slot(_)) => self.go(Phase::Closing, Order::LoadAccount),
            Some(Todo::Logins(_)) => match self.own.as_ref().and_then(|own| own.id) {
                Some(id) => self.go(Phase::Closing, Order::LoadLogins(id.account())),
                None => self.release_and_land(now),
            },
            None => self.release_and_land(now),
        }
    }

    fn closing(
        &mut self,
        rules: &Rules,
        memory: &mut Memory,
        fact: Fact,
        now: Moment,
        draw: Draw,
    ) -> Order {
        match (self.todo.last().cloned(), fact) {
            (Some(Todo::Record(_)), Fact::Wrote(false)) => {
                self.tries += 1;
                match self.tries < RECORD_TRIES {
                    // The lease was lost: whoever had it next may have put a token there, too.
                    true => Order::Load,
                    false => self.done(memory, now, draw),
                }
            }
            (Some(Todo::Record(record)), Fact::Loaded(loaded)) => {
                self.rewrite(rules, memory, record, loaded, now, draw)
            }
            (Some(Todo::Slot(frees_in)), Fact::LoadedAccount(version, account)) => {
                let (Some(number), Some(mut account)) = (self.slot, account) else {
                    return self.done(memory, now, draw);
                };
                if !account.set(number, frees_in) {
                    return self.done(memory, now, draw);
                }
                let next = next_version(version, now.since_unix_epoch(), draw.number);
                Order::WriteAccount(version, next, account)
            }
            (Some(Todo::Logins(change)), Fact::LoadedLogins(version, logins)) => {
                let mut logins = logins.unwrap_or_default();
                match change {
                    LoginChange::Reject(mark) => logins.reject(mark),
                    LoginChange::Accept(mark) => logins.accept(mark),
                }
                let next = next_version(version, now.since_unix_epoch(), draw.number);
                let account = self.own.as_ref().and_then(|own| own.id);
                let account = account.map(CredentialsId::account).unwrap_or_default();
                Order::WriteLogins(account, version, next, logins)
            }
            (Some(Todo::Slot(_) | Todo::Logins(_)), Fact::Wrote(false)) => {
                self.tries += 1;
                match self.tries < ACCOUNT_TRIES {
                    true => self.close_next(memory, now, draw),
                    false => self.done(memory, now, draw),
                }
            }
            (Some(_), Fact::Wrote(true)) => self.done(memory, now, draw),
            _ => self.release_and_land(now),
        }
    }

    /// One thing is written down.
    fn done(&mut self, memory: &mut Memory, now: Moment, draw: Draw) -> Order {
        if let Some(Todo::Slot(_)) = self.todo.pop() {
            self.slot = None;
        }
        if self.landing.is_none() && self.todo.is_empty() {
            return self.go(Phase::Looking, Order::Load);
        }
        self.close(memory, now, draw)
    }

    /// Somebody else has written meanwhile.
    fn rewrite(
        &mut self,
        rules: &Rules,
        memory: &mut Memory,
        record: Record,
        loaded: Loaded,
        now: Moment,
        draw: Draw,
    ) -> Order {
        let landing = self.landing.take();
        self.see(memory, loaded, now);
        let adopted = self.adopt(rules, memory);
        self.landing = landing;
        let Some(landing) = &mut self.landing else {
            return self.done(memory, now, draw);
        };
        match (&landing.end, adopted) {
            // Theirs is the one that all other processes use.
            (End::Token(..), Some((token, age))) => {
                landing.end = End::Token(token, age);
                self.done(memory, now, draw)
            }
            (End::Token(..), None) => self.write(memory, Phase::Closing, record, now, draw),
            // A failure is not worth a second try.
            _ => self.done(memory, now, draw),
        }
    }

    fn release_and_land(&mut self, now: Moment) -> Order {
        match self.lease.take() {
            Some(_) => self.go(Phase::Releasing, Order::Release),
            None => self.land(now),
        }
    }

    fn fail(&mut self, error: Error, now: Moment) -> Order {
        self.landing = Some(Landing {
            end: End::Failed(error),
            ..self.landing_at(now)
        });
        self.release_and_land(now)
    }

    fn land(&mut self, now: Moment) -> Order {
        let landing = self.landing.take().unwrap_or_else(|| Landing {
            end: End::Failed(Error::new(
                ErrorKind::Closed,
                "the flight ended without a result",
            )),
            ..self.landing_at(now)
        });
        Order::Land(Box::new(landing))
    }

    fn landing_at(&self, now: Moment) -> Landing {
        let own = self.own.as_ref();
        Landing {
            end: End::Unchanged,
            sent: now,
            requested: self.requests > 0,
            about: own.and_then(|own| own.id),
            lockable: own.is_some_and(|own| own.lockable),
            failing_for: self.seen.record.failing_for.unwrap_or_default(),
        }
    }

    // --- the store's failures ---

    fn store_failed(
        &mut self,
        rules: &Rules,
        memory: &mut Memory,
        now: Moment,
        draw: Draw,
    ) -> Order {
        memory.store_failed(now, draw.jitter);
        let over = matches!(
            self.phase,
            Phase::Closing | Phase::Releasing | Phase::LookingLate
        ) || matches!(self.phase, Phase::DroppingRefreshToken)
            && self.requests >= MOST_REQUESTS;
        if self.landing.is_some() && over {
            if let Some(record) = self.record_to_keep() {
                memory.keep_unsaved(self.replaces, record, now);
            }
            return self.land(now);
        }
        self.landing = None;
        self.lease = None;
        self.slot = None;
        self.todo = Vec::new();
        self.without_store = true;
        match &self.own {
            Some(own) => match own.forbidden.clone() {
                Some(forbidden) => self.forbidden(&forbidden, now),
                None => self.go_alone(rules, memory, now),
            },
            None => self.go(Phase::Reading, Order::Read),
        }
    }

    /// A token request brought what the store did not take.
    fn record_to_keep(&self) -> Option<Record> {
        self.todo.iter().find_map(|todo| match todo {
            Todo::Record(record) => Some(record.clone()),
            _ => None,
        })
    }
}

/// For how long a token may be sent.
fn usable(policy: &RefreshPolicy, kept: &Kept) -> Duration {
    let lifetime = policy.lifetime(Some(kept.lifetime));
    let age = kept.lifetime.saturating_sub(kept.left);
    policy.usable_for(lifetime).saturating_sub(age)
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

/// Rejected credentials are not sent again.
fn too_often(forbidden: &Forbidden) -> Error {
    let message = "the credentials are not sent, because the vendor rejected them twice and may lock \
                   the account; correct them where they are kept, or call \
                   Authenticator::clear_rejections";
    let error = Error::new(ErrorKind::Rejected, message)
        .with_rejected_part(RejectedPart::Credentials)
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
/// The most token requests of one flight: one more with changed credentials, or without a refresh
/// token that was rejected.
const MOST_REQUESTS: u8 = 2;
/// A refresh token that was sent so often with an unknown outcome is given up, if there is another
/// way to a token.
const MOST_UNCERTAIN: u32 = 2;
