//! The store that processes share.

use super::*;

#[derive(Clone, Default, Hash)]
pub(super) struct Store {
    pub(super) entry: Option<Entry<Option<Record>>>,
    pub(super) old: Option<Entry<Option<Record>>>,
    pub(super) account: Option<Entry<Account>>,
    pub(super) logins: Option<Entry<Logins>>,
    pub(super) lease: Option<(usize, u8, u8, u32)>,
    /// By how much the store's clock was set back.
    pub(super) behind: u32,
}

impl Store {
    /// What the store's clock says. The clock starts late enough to be set back.
    pub(super) fn now(&self, now: u32) -> u32 {
        now + START - self.behind
    }

    /// How old an entry is by the store's clock.
    pub(super) fn age<T>(&self, entry: &Entry<T>, now: u32) -> Duration {
        let age = self.now(now).checked_sub(entry.written);
        age.map_or(StoredEntry::UNKNOWN_AGE, secs)
    }
}

const START: u32 = 1_000;

#[derive(Clone, Hash)]
pub(super) struct Entry<T> {
    pub(super) version: EntryVersion,
    pub(super) content: T,
    pub(super) written: u32,
}

impl Node {
    pub(super) fn ask_store(
        &mut self,
        world: &World,
        p: usize,
        number: u8,
        order: Order,
        denied: bool,
    ) -> Fact {
        let now = self.now;
        let asked = self.clock(p);
        let starts = self.processes[p].starts;
        let store = &mut self.store;
        let written = store.now(now);
        let is_live = |entry: &&Entry<Option<Record>>| {
            let time_to_live = entry.content.as_ref().map(Record::time_to_live);
            // An entry from the future lives on.
            let age = secs(written.saturating_sub(entry.written));
            time_to_live.is_none_or(|time_to_live| age < time_to_live)
        };
        match order {
            Order::Load => {
                let entry = store.entry.as_ref().filter(is_live);
                Fact::Loaded(Box::new(Loaded {
                    version: entry.map(|entry| entry.version),
                    record: entry.and_then(|entry| {
                        let record = entry.content.clone()?;
                        Some(record.aged(store.age(entry, now)))
                    }),
                    age: entry.map_or(Duration::ZERO, |entry| store.age(entry, now)),
                    sealed: None,
                }))
            }
            Order::Write(write) => {
                let there = store.entry.as_ref().filter(is_live);
                if denied || there.map(|entry| entry.version) != write.expected {
                    return Fact::Wrote(false);
                }
                let new = Entry {
                    version: write.version,
                    content: Some(write.record),
                    written,
                };
                let old = store.entry.replace(new);
                if world.may.roll_back {
                    store.old = old;
                }
                Fact::Wrote(true)
            }
            Order::Lease => {
                let me = (p, starts, number);
                let others = store
                    .lease
                    .filter(|lease| lease.3 > now && (lease.0, lease.1, lease.2) != me);
                if denied || others.is_some() {
                    return Fact::Leased(None);
                }
                let time = ceil(world.rules(String::new()).lease_time());
                store.lease = Some((p, starts, number, now + time));
                Fact::Leased(Some(asked))
            }
            Order::Release => {
                let mine = store
                    .lease
                    .is_some_and(|lease| (lease.0, lease.1, lease.2) == (p, starts, number));
                if mine {
                    store.lease = None;
                }
                Fact::Released
            }
            Order::LoadAccount => {
                let entry = store.account.as_ref();
                let account = entry.map(|entry| {
                    let age = store.age(entry, now);
                    entry.content.clone().aged(age)
                });
                Fact::LoadedAccount(entry.map(|entry| entry.version), account)
            }
            Order::WriteAccount(expected, version, account) => {
                let there = store.account.as_ref().map(|entry| entry.version);
                if denied || there != expected {
                    return Fact::Wrote(false);
                }
                store.account = Some(Entry {
                    version,
                    content: account,
                    written,
                });
                Fact::Wrote(true)
            }
            Order::LoadLogins(_) => {
                let entry = store.logins.as_ref();
                let logins = entry.map(|entry| {
                    let age = store.age(entry, now);
                    entry.content.clone().aged(age)
                });
                Fact::LoadedLogins(entry.map(|entry| entry.version), logins)
            }
            Order::WriteLogins(_, expected, version, logins) => {
                let there = store.logins.as_ref().map(|entry| entry.version);
                if denied || there != expected {
                    return Fact::Wrote(false);
                }
                store.logins = Some(Entry {
                    version,
                    content: logins,
                    written,
                });
                Fact::Wrote(true)
            }
            _ => Fact::StoreFailed,
        }
    }

    pub(super) fn slots(&self) -> usize {
        let now = self.now;
        self.store.account.as_ref().map_or(0, |entry| {
            let age = self.store.age(entry, now);
            entry.content.clone().aged(age).len()
        })
    }
}
