//! The rules of one flight, from the start to the token or the failure, with or without a store
//! that processes share. The rules use no await, lock, clock or randomness. Their input is facts
//! and their output is orders, which a driver executes.

use std::time::Duration;

use super::{
    account::{Account, Logins},
    backoff::Failure,
    context::Cx,
    memory::Memory,
    orders::{Draw, End, Ended, Fact, Landing, Loaded, Order, Own, Rules, Write},
    prints::Print,
    record::{Claim, Record, Refresh},
    serving::Start,
    sharing::{self, Sent, Told},
};
use crate::{
    AccessToken, CredentialsId, EntryVersion, Error, ErrorKind, Moment, Quota, RejectedPart,
    TokenRequestOutcome, TokenRequestReason,
    limits::quota::Slots,
    secret::rejections::{Counted, Forbidden},
};

mod closing;
mod looking;
mod requesting;

/// The state of one flight.
#[derive(Clone, Debug)]
#[cfg_attr(test, derive(Hash))]
pub(crate) struct Flight {
    start: Start,
    phase: Phase,
    seen: Seen,
    own: Option<Own>,
    /// The end of the lease.
    lease: Option<Moment>,
    /// The time since which another holder has had the lease.
    denied: Option<Moment>,
    /// The time since which the holder has written nothing, and the version that it wrote last.
    silent: Option<(Option<EntryVersion>, Moment)>,
    /// The claim in the record that replaces the lease.
    claim: Option<u64>,
    pace: Duration,
    /// Writes in a row that failed because another process wrote first.
    lost: u8,
    /// The store failed: this flight continues without it.
    without_store: bool,
    slot: Option<u64>,
    /// Whether the token request takes a slot of this process's share of the quota.
    borrowed: bool,
    logins: Option<(Option<EntryVersion>, Logins)>,
    refresh: Option<Refresh>,
    requests: u8,
    /// What has to be written after the token request.
    todo: Vec<Todo>,
    /// The version that the last write expected.
    replaces: Option<EntryVersion>,
    tries: u8,
    landing: Option<Landing>,
    /// Another process wrote the record during the token request.
    contested: bool,
    /// An action of a store that answers, which counts as a failure of the store.
    problem: Option<&'static str>,
    /// The lease ended too early, or another process wrote in spite of it.
    lost_lease: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Phase {
    New,
    /// Reads the store, without the lease.
    Looking,
    /// Marks the refused token in the store.
    MarkingRefused,
    Reading,
    Leasing,
    /// The lease was denied: checks whether a login is allowed before the flight waits.
    LookingAtLogins,
    /// Releases the lease, because another process has claimed a token request.
    GivingWay,
    Waiting,
    /// Writes that this process sends a token request although another holder has the lease.
    Claiming,
    /// Reads the store again, with the lease.
    LookingAgain,
    CheckingLogins,
    TakingSlot,
    /// Writes what the token request will use up.
    Marking,
    /// The lease has become too short: removes the mark.
    Unmarking,
    Requesting,
    /// Writes that a refresh token was rejected.
    DroppingRefreshToken,
    Rereading,
    AskingAgain,
    /// The process stood still: reads whether another process was faster.
    LookingLate,
    Closing,
    Releasing,
}

/// The store's content, as far as this flight knows it.
#[derive(Clone, Debug, Default)]
#[cfg_attr(test, derive(Hash))]
struct Seen {
    version: Option<EntryVersion>,
    record: Record,
    /// The durations in the record count from this time.
    at: Option<Moment>,
}

impl Seen {
    /// Ages the record: what was read earlier is written back with its current age.
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
    /// The slot becomes free after this time.
    Slot(Duration),
    Logins(LoginChange),
}

/// What a token request proves about credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Accepted(CredentialsId),
    Rejected {
        id: CredentialsId,
        counted: Counted,
        /// The number of rejected logins that it counts as.
        times: u32,
    },
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
            silent: None,
            claim: None,
            pace: FIRST_LOOK,
            lost: 0,
            without_store: false,
            slot: None,
            borrowed: false,
            logins: None,
            refresh: None,
            requests: 0,
            todo: Vec::new(),
            replaces: None,
            tries: 0,
            landing: None,
            contested: false,
            problem: None,
            lost_lease: false,
        }
    }

    /// Records that callers need the token more urgently than when the flight started.
    pub(crate) fn hurry(&mut self) {
        if self.start.reason == TokenRequestReason::Ahead {
            self.start.reason = TokenRequestReason::Needed;
            self.start.deadline = Duration::MAX;
        }
    }

    /// Returns an action of a store that answers, which counts as a failure of the store. Returns
    /// it once.
    pub(crate) fn take_problem(&mut self) -> Option<&'static str> {
        self.problem.take()
    }

    /// Returns whether the lease was lost. Returns true once.
    pub(crate) fn take_lost_lease(&mut self) -> bool {
        std::mem::take(&mut self.lost_lease)
    }

    /// Returns whether this flight continues without the store.
    #[cfg(test)]
    pub(super) fn is_without_store(&self) -> bool {
        self.without_store
    }

    /// Returns what the end of a token request proves about an account that the vendor may lock.
    pub(crate) fn verdict(&self, result: &Result<AccessToken, Error>) -> Option<Verdict> {
        let own = self
            .own
            .as_ref()
            .filter(|own| own.lockable && self.refresh.is_none())?;
        let id = own.id?;
        match result {
            Ok(_) => Some(Verdict::Accepted(id)),
            Err(error) => Some(Verdict::Rejected {
                id,
                counted: Counted::of(error)?,
                // Other processes may send the same login at this moment, and cannot be told of it.
                times: 1 + u32::from(self.without_store),
            }),
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
                self.silent = None;
                self.claim = None;
                cx.memory.trust_lease();
                self.go(Phase::LookingAgain, Order::Load)
            }
            (Phase::Leasing, Fact::Leased(None)) => self.denied(cx),
            (Phase::LookingAtLogins, Fact::LoadedLogins(version, logins)) => {
                let logins = logins.unwrap_or_default();
                match self.forbids(cx, version, logins) {
                    Some(forbidden) => self.forbidden(cx, &forbidden),
                    None => self.denied(cx),
                }
            }
            (Phase::GivingWay, _) => self.denied(cx),
            (Phase::Waiting, _) => self.go(Phase::Looking, Order::Load),
            (Phase::Claiming, Fact::Wrote(true)) => {
                self.lost = 0;
                cx.memory.doubt_lease();
                self.check(cx)
            }
            (Phase::Claiming, Fact::Wrote(false)) => {
                self.claim = None;
                self.lost_write(cx)
            }
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
                cx.memory.paid();
                self.mark(cx)
            }
            (Phase::TakingSlot, Fact::Wrote(false)) => {
                self.slot = None;
                self.try_account_again(cx)
            }
            (Phase::TakingSlot, _) => Order::LoadAccount,
            (Phase::Marking, Fact::Wrote(true)) => {
                self.lost = 0;
                if self.is_covered(cx) {
                    self.request(cx)
                } else {
                    self.lost_lease = true;
                    self.unmark(cx)
                }
            }
            (Phase::MarkingRefused | Phase::Marking, Fact::Wrote(false)) => self.lost_write(cx),
            (Phase::Unmarking, _) => self.start_again(cx),
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
            // A lease that could not be released ends by itself.
            (Phase::Releasing, _) => self.land(cx),
            // The driver answers each order with its fact. Any other fact ends the flight.
            (_, _) => self.fail(
                cx,
                Error::new(
                    ErrorKind::Closed,
                    "the flight received a fact that it did not order",
                ),
            ),
        }
    }

    fn go(&mut self, phase: Phase, order: Order) -> Order {
        self.phase = phase;
        order
    }

    /// Writes the record as the successor of the one that was read.
    fn write(&mut self, cx: &mut Cx<'_>, phase: Phase, record: Record) -> Order {
        let last = cx.memory.later_than(self.seen.version);
        let version = next_version(last, cx.now.since_unix_epoch(), cx.draw.number);
        let expected = self.seen.version;
        self.replaces = expected;
        let first_seen = cx.memory.first_seen();
        first_seen.note_record(version, &record, cx.now);
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
}

/// Returns the version that follows another one.
fn next_version(last: Option<EntryVersion>, wall: Duration, number: u64) -> EntryVersion {
    let wall = u64::try_from(wall.as_millis()).unwrap_or(u64::MAX);
    let epoch = last.map_or(0, |last| last.epoch().saturating_add(1));
    EntryVersion::new(u128::from(epoch.max(wall)) << 64 | u128::from(number))
}

fn slot_of(quota: Option<Quota>, token_lifetime: Option<Duration>) -> Duration {
    let window = quota.map_or(Duration::ZERO, Quota::window);
    let lifetime = token_lifetime.filter(|lifetime| !lifetime.is_zero());
    lifetime.map_or(window, |lifetime| lifetime.min(window))
}

/// The time from a denied lease to the first look into the store. Later looks follow more slowly.
const FIRST_LOOK: Duration = Duration::from_millis(20);
/// The number of attempts to change an account that many processes change.
const ACCOUNT_TRIES: u8 = 5;
/// The number of attempts to write a token over the writes of others.
const RECORD_TRIES: u8 = 3;

#[cfg(test)]
mod tests;
