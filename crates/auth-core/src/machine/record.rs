//! What the processes that share a store know together about one key.

use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;

use super::codec::{Reader, Writer};
use crate::{
    Error, ErrorKind, Key, RejectedPart, Secret, TokenRequestOutcome,
    machine::{
        backoff::{Failure, LONGEST_UNKNOWN, Row},
        prints::{Print, Prints},
    },
};

/// The shared record of a key. Every duration in the record counts from when the record was
/// written, so that clocks which differ agree on it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(test, derive(Hash))]
pub(crate) struct Record {
    pub(crate) token: Option<Kept>,
    /// Tokens that the API refused.
    pub(crate) refused: Prints,
    pub(crate) refresh: Option<Refresh>,
    /// Refresh tokens that a person's login brought and that were replaced or rejected. They are
    /// not sent again.
    pub(crate) spent: Prints,
    pub(crate) pause: Option<Pause>,
    /// The time since token requests began to fail.
    pub(crate) failing_for: Option<Duration>,
    /// The last failures of all processes, if they are of one kind.
    pub(crate) row: Option<Row>,
    /// The processes whose token requests failed since.
    pub(crate) failed_by: Prints,
    /// The refusal back-off of all processes.
    pub(crate) refusals: Option<SharedRefusals>,
    /// A process sends a token request although another process has the lease.
    pub(crate) claim: Option<Claim>,
}

/// The newest token.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(Hash))]
pub(crate) struct Kept {
    /// Tells the token from others, and from the same text with another lifetime.
    pub(crate) number: u64,
    pub(crate) secret: Secret,
    /// The granted scope, up to [`LONGEST_SCOPE`].
    pub(crate) scope: Option<String>,
    pub(crate) left: Duration,
    /// The lifetime that the vendor stated.
    pub(crate) lifetime: Duration,
}

/// The refresh token for the next token request.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(Hash))]
pub(crate) struct Refresh {
    pub(crate) secret: Secret,
    /// How often the refresh token was sent with an unknown outcome.
    pub(crate) uncertain: u32,
    /// Whether a person's login brought it.
    pub(crate) is_first: bool,
}

/// The right to one token request without the lease, because the holder of the lease was silent for
/// too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(Hash))]
pub(crate) struct Claim {
    /// Unique for each claim.
    pub(crate) number: u64,
    /// No other process claims for this time.
    pub(crate) left: Duration,
}

/// The back-off of all processes, and its reason.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(Hash))]
pub(crate) struct Pause {
    /// Unique for each pause: the same pause is obeyed once only.
    pub(crate) number: u64,
    /// The process that failed.
    pub(crate) owner: String,
    pub(crate) left: Duration,
    /// How much earlier a process may send a token request that has not failed itself.
    pub(crate) yields: Duration,
    /// The credentials that a rejection concerns.
    pub(crate) credentials: Option<u16>,
    pub(crate) kind: ErrorKind,
    pub(crate) outcome: TokenRequestOutcome,
    pub(crate) rejected: Option<RejectedPart>,
    pub(crate) message: String,
    pub(crate) code: Option<String>,
    pub(crate) status: Option<StatusCode>,
}

/// Renewals that followed a refusal, of all processes together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(Hash))]
pub(crate) struct SharedRefusals {
    /// Renewals in a row.
    pub(crate) row: u32,
    /// No further renewal follows a refusal for this time.
    pub(crate) left: Duration,
    /// The row is forgotten after this time.
    pub(crate) forget: Duration,
    /// For this time a further renewal does not use the quota's reserve.
    pub(crate) repeats: Duration,
}

/// Identifies the layout. Bytes that begin with other text are of an unknown layout.
const MAGIC: &[u8] = b"auth-core record 5\n";

impl Record {
    /// Returns the record as it is after `age`.
    pub(crate) fn aged(mut self, age: Duration) -> Self {
        if let Some(token) = &mut self.token {
            token.left = token.left.saturating_sub(age);
        }
        self.token = self.token.filter(|token| !token.left.is_zero());
        let pause = self
            .pause
            .as_ref()
            .map_or(Duration::ZERO, |pause| pause.left);
        self.failing_for = self.failing_for.map(|time| time.saturating_add(age));
        if pause + LATER < age {
            self.failing_for = None;
            self.failed_by = Prints::default();
        }
        if pause + ROW_LIVES < age {
            self.row = None;
        }
        if let Some(pause) = &mut self.pause {
            pause.left = pause.left.saturating_sub(age);
        }
        self.pause = self.pause.filter(|pause| !pause.left.is_zero());
        if let Some(refusals) = &mut self.refusals {
            refusals.left = refusals.left.saturating_sub(age);
            refusals.forget = refusals.forget.saturating_sub(age);
            refusals.repeats = refusals.repeats.saturating_sub(age);
            if refusals.forget.is_zero() {
                refusals.row = 0;
            }
        }
        self.refusals = self.refusals.filter(|refusals| !refusals.lasts().is_zero());
        if let Some(claim) = &mut self.claim {
            claim.left = claim.left.saturating_sub(age);
        }
        self.claim = self.claim.filter(|claim| !claim.left.is_zero());
        self
    }

    /// Returns how long any part of the record is worth keeping.
    pub(crate) fn time_to_live(&self) -> Duration {
        let token = self.token.as_ref().map(|token| token.left);
        let pause = self.pause.as_ref().map(|pause| pause.left + ROW_LIVES);
        let person = self.refresh.is_some() || !self.spent.is_empty();
        let person = person.then_some(REFRESH_LIVES);
        let refused = (!self.refused.is_empty()).then_some(REFUSED_LIVES);
        let refusals = self.refusals.map(|refusals| refusals.lasts());
        let claim = self.claim.map(|claim| claim.left);
        [token, pause, person, refused, refusals, claim]
            .into_iter()
            .flatten()
            .max()
            .unwrap_or_default()
    }

    pub(crate) fn encode(&self, key: &Key) -> Bytes {
        let Self {
            token,
            refused,
            refresh,
            spent,
            pause,
            failing_for,
            row,
            failed_by,
            refusals,
            claim,
        } = self;
        let mut to = Writer::new(MAGIC, key, self.size());
        to.option(token.as_ref(), |to, token| {
            to.number(token.number);
            to.text(token.secret.expose());
            to.option(token.scope.as_deref(), Writer::text);
            to.time(token.left);
            to.time(token.lifetime);
        });
        prints(&mut to, refused);
        to.option(refresh.as_ref(), |to, refresh| {
            to.text(refresh.secret.expose());
            to.number(refresh.uncertain.into());
            to.flag(refresh.is_first);
        });
        prints(&mut to, spent);
        to.option(pause.as_ref(), |to, pause| {
            to.number(pause.number);
            to.text(&pause.owner);
            to.time(pause.left);
            to.time(pause.yields);
            to.option(pause.credentials, |to, mark| to.number(mark.into()));
            to.text(name(&KINDS, pause.kind));
            to.text(name(&OUTCOMES, pause.outcome));
            to.option(pause.rejected, |to, part| to.text(name(&PARTS, part)));
            to.text(&pause.message);
            to.option(pause.code.as_deref(), Writer::text);
            to.option(pause.status, |to, status| to.number(status.as_u16().into()));
        });
        to.option(*failing_for, Writer::time);
        to.option(*row, |to, row| {
            to.text(name(&FAILURES, row.failure));
            to.number(row.times.into());
        });
        prints(&mut to, failed_by);
        to.option(*refusals, |to, refusals| {
            to.number(refusals.row.into());
            to.time(refusals.left);
            to.time(refusals.forget);
            to.time(refusals.repeats);
        });
        to.option(*claim, |to, claim| {
            to.number(claim.number);
            to.time(claim.left);
        });
        to.end()
    }

    /// Returns `None` for bytes that [`encode`](Self::encode) does not write for this key.
    pub(crate) fn decode(key: &Key, bytes: &[u8]) -> Option<Self> {
        let mut from = Reader::new(MAGIC, key, bytes)?;
        let record = Self {
            token: from.option(|from| {
                Some(Kept {
                    number: from.number()?,
                    secret: secret(from)?,
                    scope: from.option(|from| kept_scope(from.text()?))?,
                    left: from.time()?,
                    lifetime: from.time()?,
                })
            })?,
            refused: read_prints(&mut from)?,
            refresh: from.option(|from| {
                Some(Refresh {
                    secret: secret(from)?,
                    uncertain: small(from)?,
                    is_first: from.flag()?,
                })
            })?,
            spent: read_prints(&mut from)?,
            pause: from.option(|from| {
                Some(Pause {
                    number: from.number()?,
                    owner: from.text()?.to_owned(),
                    left: from.time()?,
                    yields: from.time()?,
                    credentials: from.option(mark)?,
                    kind: named(&KINDS, from.text()?)?,
                    outcome: named(&OUTCOMES, from.text()?)?,
                    rejected: from.option(|from| named(&PARTS, from.text()?))?,
                    message: from.text()?.to_owned(),
                    code: from.option(Reader::text)?.map(ToOwned::to_owned),
                    status: from.option(status)?,
                })
            })?,
            failing_for: from.option(Reader::time)?,
            row: from.option(|from| {
                Some(Row {
                    failure: named(&FAILURES, from.text()?)?,
                    times: small(from)?,
                })
            })?,
            failed_by: read_prints(&mut from)?,
            refusals: from.option(|from| {
                Some(SharedRefusals {
                    row: small(from)?,
                    left: from.time()?,
                    forget: from.time()?,
                    repeats: from.time()?,
                })
            })?,
            claim: from.option(|from| {
                Some(Claim {
                    number: from.number()?,
                    left: from.time()?,
                })
            })?,
        };
        from.end()?;
        Some(record)
    }

    /// Returns an upper bound of the record's size in bytes.
    fn size(&self) -> usize {
        let token = self.token.as_ref().map_or(0, |token| {
            token.secret.expose().len() + token.scope.as_ref().map_or(0, String::len)
        });
        let refresh = self.refresh.as_ref();
        let refresh = refresh.map_or(0, |refresh| refresh.secret.expose().len());
        let pause = self.pause.as_ref().map_or(0, |pause| {
            let code = pause.code.as_ref().map_or(0, String::len);
            pause.owner.len() + pause.message.len() + code + 96
        });
        // The record has fewer than sixty numbers.
        token + refresh + pause + 60 * 8
    }
}

impl SharedRefusals {
    /// Returns how long any part of it counts.
    fn lasts(&self) -> Duration {
        self.forget.max(self.repeats)
    }
}

impl Pause {
    pub(crate) fn new(
        number: u64,
        owner: &str,
        left: Duration,
        credentials: Option<u16>,
        error: &Error,
    ) -> Self {
        Self {
            number,
            owner: owner.to_owned(),
            left,
            yields: Duration::ZERO,
            credentials,
            kind: error.kind(),
            outcome: error.outcome(),
            rejected: error.rejected_part(),
            message: error.message().to_owned(),
            code: error.code().map(ToOwned::to_owned),
            status: error.status(),
        }
    }

    /// Returns the failure as the process that failed got it.
    pub(crate) fn error(&self) -> Error {
        let mut error = Error::new(self.kind, self.message.clone())
            .with_outcome(self.outcome)
            .with_retry_after(self.left);
        if let Some(part) = self.rejected {
            error = error.with_rejected_part(part);
        }
        if let Some(code) = &self.code {
            error = error.with_code(code.clone());
        }
        match self.status {
            Some(status) => error.with_status(status),
            None => error,
        }
    }

    /// Returns whether the vendor reported the pause. Otherwise one process met a failure itself.
    pub(crate) fn is_from_vendor(&self) -> bool {
        matches!(
            Failure::of(&self.error()),
            Failure::Throttled | Failure::Quota | Failure::Rejected(_)
        )
    }
}

/// Returns a granted scope as the record keeps it. `None` if the scope is too long: a part of a
/// scope means something else.
pub(crate) fn kept_scope(granted: &str) -> Option<String> {
    (granted.len() <= LONGEST_SCOPE).then(|| granted.to_owned())
}

fn prints(to: &mut Writer, prints: &Prints) {
    to.number(prints.iter().count() as u64);
    prints.iter().for_each(|print| to.number(print.get()));
}

fn read_prints(from: &mut Reader<'_>) -> Option<Prints> {
    let count = from.number()?;
    if count > Prints::MOST as u64 {
        return None;
    }
    let mut prints = Prints::default();
    for _ in 0..count {
        let print = Print::new(from.number()?);
        if prints.contains(print) {
            return None;
        }
        prints.add_last(print);
    }
    Some(prints)
}

fn secret(from: &mut Reader<'_>) -> Option<Secret> {
    from.text().filter(|text| !text.is_empty()).map(Secret::new)
}

fn small(from: &mut Reader<'_>) -> Option<u32> {
    from.number().and_then(|number| u32::try_from(number).ok())
}

fn mark(from: &mut Reader<'_>) -> Option<u16> {
    from.number().and_then(|number| u16::try_from(number).ok())
}

fn status(from: &mut Reader<'_>) -> Option<StatusCode> {
    let code = from.number().and_then(|number| u16::try_from(number).ok());
    code.and_then(|code| StatusCode::from_u16(code).ok())
}

const KINDS: [(ErrorKind, &str); 6] = [
    (ErrorKind::Rejected, "rejected"),
    (ErrorKind::Unavailable, "unavailable"),
    (ErrorKind::TimedOut, "timed out"),
    (ErrorKind::Throttled, "throttled"),
    (ErrorKind::Quota, "quota"),
    (ErrorKind::Protocol, "protocol"),
];

const OUTCOMES: [(TokenRequestOutcome, &str); 5] = [
    (TokenRequestOutcome::NotSent, "not sent"),
    (TokenRequestOutcome::Unknown, "unknown"),
    (TokenRequestOutcome::NotUnderstood, "not understood"),
    (TokenRequestOutcome::Rejected, "rejected"),
    (TokenRequestOutcome::Throttled, "throttled"),
];

const PARTS: [(RejectedPart, &str); 5] = [
    (RejectedPart::Credentials, "credentials"),
    (RejectedPart::SecondFactor, "second factor"),
    (RejectedPart::RefreshToken, "refresh token"),
    (RejectedPart::Scope, "scope"),
    (RejectedPart::Request, "request"),
];

/// The failures that processes share.
const FAILURES: [(Failure, &str); 9] = [
    (Failure::Unknown, "unknown"),
    (Failure::NotUnderstood, "not understood"),
    (Failure::Wordless, "wordless"),
    (Failure::Throttled, "throttled"),
    (Failure::Quota, "quota"),
    (Failure::Rejected(RejectedPart::Credentials), "credentials"),
    (
        Failure::Rejected(RejectedPart::SecondFactor),
        "second factor",
    ),
    (
        Failure::Rejected(RejectedPart::RefreshToken),
        "refresh token",
    ),
    (Failure::Rejected(RejectedPart::Request), "request"),
];

fn name<T: Copy + PartialEq>(names: &[(T, &'static str)], value: T) -> &'static str {
    let of = |(other, name): &(T, &'static str)| (*other == value).then_some(*name);
    names.iter().find_map(of).unwrap_or("unavailable")
}

fn named<T: Copy>(names: &[(T, &'static str)], name: &str) -> Option<T> {
    let of = |(value, other): &(T, &'static str)| (*other == name).then_some(*value);
    names.iter().find_map(of)
}

/// The longest granted scope that is stored, in bytes.
const LONGEST_SCOPE: usize = 4096;
/// The record keeps for how long and in which processes token requests fail for this time after the
/// end of a pause, because that determines the length of the next pause.
const LATER: Duration = Duration::from_secs(120);
/// The record keeps the last failures for this time after the end of a pause: as long as the longest
/// back-off, so that logins with an unknown outcome stay rare where a program asks seldom.
const ROW_LIVES: Duration = LONGEST_UNKNOWN;
/// The time from one use to the next. Vendors accept refresh tokens for days or months.
pub(super) const REFRESH_LIVES: Duration = Duration::from_secs(400 * 24 * 3600);
/// Longer than most tokens live.
const REFUSED_LIVES: Duration = Duration::from_secs(24 * 3600);

#[cfg(test)]
mod tests;
