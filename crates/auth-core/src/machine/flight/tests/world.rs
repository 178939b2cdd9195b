use super::*;

/// The store and the clock that all processes share.
pub(super) struct World {
    pub(super) now: Moment,
    pub(super) entry: Option<Kept<Record>>,
    pub(super) account: Option<Kept<Account>>,
    pub(super) logins: Option<Kept<Logins>>,
    /// The holder of the lease, and its end.
    pub(super) lease: Option<(String, Moment)>,
    pub(super) drawn: u64,
    /// The number of token requests so far.
    pub(super) requests: usize,
}

pub(super) struct Kept<T> {
    pub(super) version: EntryVersion,
    pub(super) content: T,
    pub(super) written: Moment,
}

impl World {
    pub(super) fn new() -> Self {
        Self {
            now: Moment::new(secs(1000), secs(1_700_000_000)),
            entry: None,
            account: None,
            logins: None,
            lease: None,
            drawn: 0,
            requests: 0,
        }
    }

    pub(super) fn pass(&mut self, seconds: u64) {
        self.now = self.now + secs(seconds);
    }

    /// Puts an entry into the store, as another process would.
    pub(super) fn put(&mut self, record: Record) {
        let last = self.entry.as_ref().map(|entry| entry.version);
        self.drawn += 1;
        self.entry = Some(Kept {
            version: next_version(last, self.now.since_unix_epoch(), self.drawn),
            content: record,
            written: self.now,
        });
    }

    pub(super) fn record(&self) -> Record {
        self.live_entry()
            .map_or_else(Record::default, |(_, record)| record)
    }

    pub(super) fn live_entry(&self) -> Option<(EntryVersion, Record)> {
        let entry = self.entry.as_ref()?;
        let age = self.now.wait_since(entry.written);
        let is_live = age < entry.content.time_to_live();
        is_live.then(|| (entry.version, entry.content.clone().aged(age)))
    }

    /// Executes an order of a flight, unless it is a token request or the end.
    pub(super) fn execute(&mut self, process: &Process, order: &Order) -> Fact {
        let now = self.now;
        match order {
            Order::Read => Fact::Read(Ok(process.own.clone())),
            Order::Sleep { time, .. } => {
                self.now = self.now + *time;
                Fact::Slept
            }
            Order::Load => {
                let (version, record) = self.live_entry().unzip();
                let written = self.entry.as_ref().map_or(now, |entry| entry.written);
                Fact::Loaded(Box::new(Loaded {
                    version,
                    record,
                    age: now.wait_since(written),
                    sealed: None,
                }))
            }
            Order::Write(write) => {
                let there = self.live_entry().map(|(version, _)| version);
                let matches = there == write.expected;
                if matches {
                    self.entry = Some(Kept {
                        version: write.version,
                        content: write.record.clone(),
                        written: now,
                    });
                }
                Fact::Wrote(matches)
            }
            Order::Lease => {
                let me = &process.rules.owner;
                let others =
                    |(owner, until): &(String, Moment)| **owner != **me && !now.waited_for(*until);
                if self.lease.as_ref().is_some_and(others) {
                    return Fact::Leased(None);
                }
                self.lease = Some((me.to_string(), now + process.rules.lease_time()));
                Fact::Leased(Some(now))
            }
            Order::Release => {
                let me = &process.rules.owner;
                self.lease.take_if(|(owner, _)| **owner == **me);
                Fact::Released
            }
            Order::LoadAccount => {
                let aged = |kept: &Kept<Account>| {
                    let age = now.wait_since(kept.written);
                    (kept.version, kept.content.clone().aged(age))
                };
                let (version, account) = self.account.as_ref().map(aged).unzip();
                Fact::LoadedAccount(version, account)
            }
            Order::WriteAccount(expected, version, account) => {
                let matches = self.account.as_ref().map(|kept| kept.version) == *expected;
                if matches {
                    self.account = Some(Kept {
                        version: *version,
                        content: account.clone(),
                        written: now,
                    });
                }
                Fact::Wrote(matches)
            }
            Order::LoadLogins(_) => {
                let aged = |kept: &Kept<Logins>| {
                    let age = now.wait_since(kept.written);
                    (kept.version, kept.content.clone().aged(age))
                };
                let (version, logins) = self.logins.as_ref().map(aged).unzip();
                Fact::LoadedLogins(version, logins)
            }
            Order::WriteLogins(_, expected, version, logins) => {
                let matches = self.logins.as_ref().map(|kept| kept.version) == *expected;
                if matches {
                    self.logins = Some(Kept {
                        version: *version,
                        content: logins.clone(),
                        written: now,
                    });
                }
                Fact::Wrote(matches)
            }
            Order::AskAgain => Fact::MayAgain(true),
            Order::Request { .. } | Order::Land(_) => panic!("the story goes on otherwise"),
        }
    }
}
