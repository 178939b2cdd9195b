//! The store that processes share.

use super::*;

#[derive(Clone, Default, Hash)]
pub(super) struct Store {
    pub(super) entry: Option<Entry<Option<Record>>>,
    pub(super) old: Option<Entry<Option<Record>>>,
    pub(super) account: Option<Entry<Account>>,
    pub(super) logins: Option<Entry<Logins>>,
    pub(super) lease: Option<(usize, u8, u8, u32)>,
}

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
        match order {
            Order::Load => {
                let entry = store.entry.as_ref().filter(|entry| {
                    let time_to_live = entry.content.as_ref().map(Record::time_to_live);
                    time_to_live.is_none_or(|time_to_live| secs(now - entry.written) < time_to_live)
                });
                Fact::Loaded(Box::new(Loaded {
                    version: entry.map(|entry| entry.version),
                    record: entry.and_then(|entry| {
                        let record = entry.content.clone()?;
                        Some(record.aged(secs(now - entry.written)))
                    }),
                    age: entry.map_or(Duration::ZERO, |entry| secs(now - entry.written)),
                    sealed: None,
                }))
            }
            Order::Write(write) => {
                let is_live = |entry: &&Entry<Option<Record>>| {
                    let time_to_live = entry.content.as_ref().map(Record::time_to_live);
                    time_to_live.is_none_or(|time_to_live| secs(now - entry.written) < time_to_live)
                };
                let there = store.entry.as_ref().filter(is_live);
                if denied || there.map(|entry| entry.version) != write.expected {
                    return Fact::Wrote(false);
                }
                let new = Entry {
                    version: write.version,
                    content: Some(write.record),
                    written: now,
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
                    let age = secs(now - entry.written);
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
                    written: now,
                });
                Fact::Wrote(true)
            }
            Order::LoadLogins(_) => {
                let entry = store.logins.as_ref();
                let logins = entry.map(|entry| {
                    let age = secs(now - entry.written);
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
                    written: now,
                });
                Fact::Wrote(true)
            }
            _ => Fact::StoreFailed,
        }
    }

    pub(super) fn slots(&self) -> usize {
        let now = self.now;
        self.store.account.as_ref().map_or(0, |entry| {
            let age = secs(now - entry.written);
            entry.content.clone().aged(age).len()
        })
    }
}
