use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;

use super::codec::{Reader, Writer};
use crate::{Error, ErrorKind, Key, Secret};

/// What the processes know together of one key. Every time in it counts from when it was written,
/// so that it means the same to clocks that differ.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Record {
    pub(super) token: Option<Kept>,
    pub(super) refresh: Option<Refresh>,
    /// A first refresh token that was replaced, or turned out to be worth nothing: it is not sent
    /// again, and when there is no other, a person has to log in again.
    pub(super) dead: Option<Secret>,
    pub(super) pause: Option<Pause>,
    /// Failed exchanges in a row.
    pub(super) failures: u32,
    pub(super) logins: Vec<Logins>,
}

/// The newest token.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Kept {
    pub(super) secret: Secret,
    pub(super) scope: Option<String>,
    pub(super) left: Duration,
    /// How long it lived at first.
    pub(super) lifetime: Duration,
    /// The API refused it: nobody takes it any more.
    pub(super) refused: bool,
}

/// What the next exchange spends.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Refresh {
    pub(super) secret: Secret,
    /// How often it was sent without an answer that is known.
    pub(super) spent: u32,
    /// It came from a person's login.
    pub(super) is_first: bool,
}

/// Nobody asks the vendor for so long, and why.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Pause {
    /// Who was told; it knows by itself.
    pub(super) owner: String,
    pub(super) left: Duration,
    /// The credential that it is about, if another one may do better.
    pub(super) credential: Option<u16>,
    pub(super) kind: ErrorKind,
    pub(super) message: String,
    pub(super) code: Option<String>,
    pub(super) status: Option<StatusCode>,
}

/// How often the vendor rejected a credential.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Logins {
    pub(super) credential: u16,
    pub(super) rejected: u32,
}

/// Names the layout; what begins otherwise is nothing that this release knows.
const MAGIC: &[u8] = b"auth-core fleet 1\n";

impl Record {
    /// What it says after so long.
    pub(super) fn aged(mut self, age: Duration) -> Self {
        if let Some(token) = &mut self.token {
            token.left = token.left.saturating_sub(age);
        }
        if let Some(pause) = &mut self.pause {
            pause.left = pause.left.saturating_sub(age);
        }
        self.pause = self.pause.filter(|pause| !pause.left.is_zero());
        self
    }

    /// How long there is anything in it worth keeping.
    pub(super) fn lives(&self) -> Duration {
        let token = self.token.as_ref().map(|token| token.left);
        let pause = self.pause.as_ref().map(|pause| pause.left + LATER);
        let logins = (!self.logins.is_empty()).then_some(LOGINS_LIVE);
        let person = self.refresh.is_some() || self.dead.is_some();
        let person = person.then_some(REFRESH_LIVES);
        [token, pause, logins, person]
            .into_iter()
            .flatten()
            .max()
            .unwrap_or_default()
    }

    pub(super) fn encode(&self, key: &Key) -> Bytes {
        let Self {
            token,
            refresh,
            dead,
            pause,
            failures,
            logins,
        } = self;
        let mut to = Writer::new(MAGIC, key, self.size());
        to.option(token.as_ref(), |to, token| {
            to.text(token.secret.expose());
            to.option(token.scope.as_deref(), Writer::text);
            to.time(token.left);
            to.time(token.lifetime);
            to.flag(token.refused);
        });
        to.option(refresh.as_ref(), |to, refresh| {
            to.text(refresh.secret.expose());
            to.number(refresh.spent.into());
            to.flag(refresh.is_first);
        });
        to.option(dead.as_ref(), |to, dead| to.text(dead.expose()));
        to.option(pause.as_ref(), |to, pause| {
            to.text(&pause.owner);
            to.time(pause.left);
            to.option(pause.credential, |to, mark| to.number(mark.into()));
            to.text(name(pause.kind));
            to.text(&pause.message);
            to.option(pause.code.as_deref(), Writer::text);
            to.option(pause.status, |to, status| to.number(status.as_u16().into()));
        });
        to.number((*failures).into());
        to.number(logins.len() as u64);
        for Logins {
            credential,
            rejected,
        } in logins
        {
            to.number((*credential).into());
            to.number((*rejected).into());
        }
        to.end()
    }

    /// `None` for whatever is not to the letter what [`encode`](Self::encode) writes for this key.
    pub(super) fn decode(key: &Key, bytes: &[u8]) -> Option<Self> {
        let mut from = Reader::new(MAGIC, key, bytes)?;
        let record = Self {
            token: from.option(|from| {
                Some(Kept {
                    secret: secret(from)?,
                    scope: from.option(Reader::text)?.map(ToOwned::to_owned),
                    left: from.time()?,
                    lifetime: from.time()?,
                    refused: from.flag()?,
                })
            })?,
            refresh: from.option(|from| {
                Some(Refresh {
                    secret: secret(from)?,
                    spent: small(from)?,
                    is_first: from.flag()?,
                })
            })?,
            dead: from.option(secret)?,
            pause: from.option(|from| {
                Some(Pause {
                    owner: from.text()?.to_owned(),
                    left: from.time()?,
                    credential: from.option(mark)?,
                    kind: kind(from.text()?)?,
                    message: from.text()?.to_owned(),
                    code: from.option(Reader::text)?.map(ToOwned::to_owned),
                    status: from.option(status)?,
                })
            })?,
            failures: small(&mut from)?,
            logins: {
                let count = from.number()?;
                // Whoever wrote more did not write by these rules.
                let count = usize::try_from(count)
                    .ok()
                    .filter(|count| *count <= MAX_LOGINS)?;
                let one = |_| {
                    Some(Logins {
                        credential: mark(&mut from)?,
                        rejected: small(&mut from)?,
                    })
                };
                (0..count).map(one).collect::<Option<_>>()?
            },
        };
        from.end()?;
        Some(record)
    }

    /// At least as many bytes as it takes.
    fn size(&self) -> usize {
        let Self {
            token,
            refresh,
            dead,
            pause,
            failures: _,
            logins,
        } = self;
        let token = token.as_ref().map_or(0, |token| {
            token.secret.expose().len() + token.scope.as_ref().map_or(0, String::len)
        });
        let refresh = refresh
            .as_ref()
            .map_or(0, |refresh| refresh.secret.expose().len());
        let dead = dead.as_ref().map_or(0, |dead| dead.expose().len());
        let pause = pause.as_ref().map_or(0, |pause| {
            let code = pause.code.as_ref().map_or(0, String::len);
            pause.owner.len() + pause.message.len() + code + 32
        });
        // Thirty numbers are more than there are.
        token + refresh + dead + pause + logins.len() * 16 + 30 * 8
    }
}

impl Pause {
    pub(super) fn new(owner: &str, left: Duration, credential: Option<u16>, error: &Error) -> Self {
        Self {
            owner: owner.to_owned(),
            left,
            credential,
            kind: error.kind(),
            message: error.message().to_owned(),
            code: error.code().map(ToOwned::to_owned),
            status: error.status(),
        }
    }

    /// The failure as whoever was told it got it.
    pub(super) fn error(&self) -> Error {
        let mut error = Error::new(self.kind, self.message.clone()).with_retry_after(self.left);
        if let Some(code) = &self.code {
            error = error.with_code(code.clone());
        }
        match self.status {
            Some(status) => error.with_status(status),
            None => error,
        }
    }
}

/// How often the vendor rejected a credential.
pub(super) fn rejected(logins: &[Logins], credential: Option<u16>) -> u32 {
    let of = |logins: &&Logins| Some(logins.credential) == credential;
    logins.iter().find(of).map_or(0, |logins| logins.rejected)
}

/// Notes that it rejected one.
pub(super) fn reject(logins: &mut Vec<Logins>, credential: u16, times: u32) {
    let known = logins
        .iter_mut()
        .find(|other| other.credential == credential);
    if let Some(known) = known {
        known.rejected = known.rejected.saturating_add(times);
        return;
    }
    logins.truncate(MAX_LOGINS - 1);
    let rejected = times;
    logins.insert(
        0,
        Logins {
            credential,
            rejected,
        },
    );
}

fn secret(from: &mut Reader<'_>) -> Option<Secret> {
    from.text().filter(|text| !text.is_empty()).map(Secret::new)
}

fn small(from: &mut Reader<'_>) -> Option<u32> {
    from.number().and_then(|number| u32::try_from(number).ok())
}

fn mark(from: &mut Reader<'_>) -> Option<u16> {
    let bits = from.number().and_then(|number| u16::try_from(number).ok());
    bits
}

fn status(from: &mut Reader<'_>) -> Option<StatusCode> {
    let code = from.number().and_then(|number| u16::try_from(number).ok());
    code.and_then(|code| StatusCode::from_u16(code).ok())
}

/// The failures that say something about the vendor, and so to everybody.
const KINDS: [(ErrorKind, &str); 6] = [
    (ErrorKind::Rejected, "rejected"),
    (ErrorKind::Unavailable, "unavailable"),
    (ErrorKind::TimedOut, "timed out"),
    (ErrorKind::Throttled, "throttled"),
    (ErrorKind::Quota, "quota"),
    (ErrorKind::Protocol, "protocol"),
];

/// Tells whether a failure would be everybody's, as far as can be known.
pub(super) fn is_shared(kind: ErrorKind) -> bool {
    KINDS.iter().any(|(shared, _)| *shared == kind)
}

fn name(kind: ErrorKind) -> &'static str {
    let of = |(other, name): &(ErrorKind, &'static str)| (*other == kind).then_some(*name);
    KINDS.iter().find_map(of).unwrap_or("unavailable")
}

fn kind(name: &str) -> Option<ErrorKind> {
    let of = |(kind, other): &(ErrorKind, &str)| (*other == name).then_some(*kind);
    KINDS.iter().find_map(of)
}

/// So many versions of a credential are remembered; nobody goes through more wrong ones by accident.
const MAX_LOGINS: usize = 16;
/// What is in a record after a pause says how long the next one is.
const LATER: Duration = Duration::from_secs(120);
/// Longer than a wrong password stays where it is kept.
const LOGINS_LIVE: Duration = Duration::from_secs(30 * 24 * 3600);
/// From one use to the next; vendors let them live for days or months.
const REFRESH_LIVES: Duration = Duration::from_secs(400 * 24 * 3600);

#[cfg(test)]
mod tests;
