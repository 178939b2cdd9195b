use std::time::Duration;

use bytes::Bytes;

use super::codec::{Reader, Writer};
use crate::{Key, Part, Quota, quota::Slots};

/// The exchanges that count against a client's quota, of all processes and all its keys. Every time
/// in it counts from when it was written.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Account(Vec<Slot>);

#[derive(Clone, Copy, Debug, PartialEq)]
struct Slot {
    /// Tells it from the others.
    number: u64,
    frees_in: Duration,
}

/// Names the layout; what begins otherwise is nothing that this release knows.
const MAGIC: &[u8] = b"auth-core quota 1\n";

impl Account {
    /// Where it is kept: vendors count by client, however many tokens that has.
    pub(super) fn key(key: &Key) -> Key {
        let part = |part| key.get(part).unwrap_or_default();
        Key::builder(part(Part::Vendor))
            .issuer(part(Part::Issuer))
            .client(part(Part::Client))
            .extra("auth-core", "quota")
            .build()
    }

    /// What it says after so long.
    pub(super) fn aged(mut self, age: Duration) -> Self {
        for slot in &mut self.0 {
            slot.frees_in = slot.frees_in.saturating_sub(age);
        }
        self.0.retain(|slot| !slot.frees_in.is_zero());
        self
    }

    /// Takes a slot that frees after so long, or says how long until one frees.
    pub(super) fn take(
        &mut self,
        quota: Quota,
        slots: Slots,
        number: u64,
        frees_in: Duration,
    ) -> Result<(), Duration> {
        let allowed = quota.allows(slots);
        if self.0.len() < allowed {
            self.0.push(Slot { number, frees_in });
            return Ok(());
        }
        let mut waits: Vec<_> = self.0.iter().map(|slot| slot.frees_in).collect();
        waits.sort_unstable();
        // So many have to free for the count to fall below what is allowed.
        let wait = waits.get(self.0.len() - allowed).copied();
        Err(wait.unwrap_or(Duration::MAX))
    }

    /// Says when a slot frees that was taken; tells whether it is there.
    pub(super) fn set(&mut self, number: u64, frees_in: Duration) -> bool {
        let slot = self.0.iter_mut().find(|slot| slot.number == number);
        slot.map(|slot| slot.frees_in = frees_in).is_some()
    }

    pub(super) fn lives(&self) -> Duration {
        let waits = self.0.iter().map(|slot| slot.frees_in);
        waits.max().unwrap_or_default()
    }

    pub(super) fn encode(&self, key: &Key) -> Bytes {
        let mut to = Writer::new(MAGIC, key, 8 + self.0.len() * 16);
        to.number(self.0.len() as u64);
        for slot in &self.0 {
            to.number(slot.number);
            to.time(slot.frees_in);
        }
        to.end()
    }

    pub(super) fn decode(key: &Key, bytes: &[u8]) -> Option<Self> {
        let mut from = Reader::new(MAGIC, key, bytes)?;
        let mut slots = Vec::new();
        for _ in 0..from.number()? {
            slots.push(Slot {
                number: from.number()?,
                frees_in: from.time()?,
            });
        }
        from.end()?;
        Some(Self(slots))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);
    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn t35_the_reserve_is_kept_for_who_needs_it() {
        let quota = Quota::new(20, HOUR);
        let mut account = Account::default();
        let mut taken = |slots| {
            let more = (0..100).map(|number| account.take(quota, slots, number, HOUR));
            more.filter(Result::is_ok).count()
        };
        assert_eq!(taken(Slots::ButReserve), 16);
        assert_eq!(taken(Slots::All), 4);
    }

    #[test]
    fn says_when_the_next_slot_frees() {
        let quota = Quota::new(2, HOUR);
        let mut account = Account::default();
        account.take(quota, Slots::All, 1, 2 * MINUTE).unwrap();
        account.take(quota, Slots::All, 2, MINUTE).unwrap();
        let wait = account.take(quota, Slots::All, 3, MINUTE).unwrap_err();
        assert_eq!(wait, MINUTE);
        let mut later = account.aged(MINUTE);
        later.take(quota, Slots::All, 3, MINUTE).unwrap();
        let wait = later.take(quota, Slots::All, 4, MINUTE).unwrap_err();
        assert_eq!(wait, MINUTE);
        assert!(later.set(3, Duration::from_secs(1)));
        let wait = later.take(quota, Slots::All, 4, MINUTE).unwrap_err();
        assert_eq!(wait, Duration::from_secs(1));
        assert!(!later.set(2, MINUTE), "it has freed");
    }

    #[test]
    fn a_clients_tokens_count_together() {
        let key = || Key::builder("v").issuer("i").client("c");
        let account = Account::key(&key().build());
        assert_eq!(account, Account::key(&key().scope("s").build()));
        assert_ne!(account, Account::key(&key().client("d").build()));
        assert_ne!(account, key().build());
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_and_nothing_else(
            slots in prop::collection::vec((any::<u64>(), any::<u64>()), 0..8),
            bytes in prop::collection::vec(any::<u8>(), 0..64),
            cut in any::<prop::sample::Index>(),
        ) {
            let slot = |(number, millis)| Slot { number, frees_in: Duration::from_millis(millis) };
            let account = Account(slots.into_iter().map(slot).collect());
            let key = Key::builder("v").build();
            let written = account.encode(&key);
            prop_assert_eq!(Account::decode(&key, &written), Some(account));
            prop_assert_eq!(Account::decode(&key, &written[..cut.index(written.len())]), None);
            let _ = Account::decode(&key, &[MAGIC, &bytes].concat());
        }
    }
}
