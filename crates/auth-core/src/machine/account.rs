//! State that all keys of a client or of an account share: quota slots and rejected logins.

use std::time::Duration;

use bytes::Bytes;

use super::codec::{Reader, Writer};
use crate::{
    CredentialsId, Key, KeyPart, Quota, limits::quota::Slots, secret::rejections::Counted,
};

/// The token requests that count against a client's quota, of all processes and all keys of the
/// client. Every duration counts from when the account was written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(test, derive(Hash))]
pub(crate) struct Account(Vec<Slot>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(Hash))]
struct Slot {
    /// Unique for each token request.
    number: u64,
    frees_in: Duration,
}

/// Identifies the layout. Bytes that begin with other text are of an unknown layout.
const MAGIC: &[u8] = b"auth-core quota 1\n";

impl Account {
    /// Returns the key of the account. Vendors count by client, however many tokens the client has.
    pub(crate) fn key(key: &Key) -> Key {
        let part = |part| key.get(part).unwrap_or_default();
        Key::builder(part(KeyPart::Vendor))
            .issuer(part(KeyPart::Issuer))
            .client(part(KeyPart::Client))
            .extra("auth-core", "quota")
            .build()
    }

    /// Returns the account as it is after `age`.
    pub(crate) fn aged(mut self, age: Duration) -> Self {
        for slot in &mut self.0 {
            slot.frees_in = slot.frees_in.saturating_sub(age);
        }
        self.0.retain(|slot| !slot.frees_in.is_zero());
        self
    }

    /// Takes a slot that becomes free after `frees_in`, or returns the time until a slot is free.
    pub(crate) fn take(
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
        // A slot is free once fewer slots than `allowed` are taken. At least one slot must become
        // free first, and more if more are taken than this caller may take.
        let wait = waits.get(self.0.len() - allowed).copied();
        Err(wait.unwrap_or(Duration::MAX))
    }

    /// Sets when a taken slot becomes free. Returns whether the account has the slot. The slot gets
    /// a new number, because a process that stood still frees it later than others expect.
    pub(crate) fn set(&mut self, number: u64, renamed: u64, frees_in: Duration) -> bool {
        let slot = self.0.iter_mut().find(|slot| slot.number == number);
        slot.map(|slot| {
            *slot = Slot {
                number: renamed,
                frees_in,
            };
        })
        .is_some()
    }

    /// Adds a token request that took no slot, even if the quota is exceeded by it.
    pub(crate) fn put(&mut self, number: u64, frees_in: Duration) {
        if !self.set(number, number, frees_in) {
            self.0.push(Slot { number, frees_in });
        }
    }

    /// Returns the slots' numbers, and when each frees.
    pub(crate) fn times(&mut self) -> impl Iterator<Item = (u64, &mut Duration)> {
        let slots = self.0.iter_mut();
        slots.map(|slot| (slot.number, &mut slot.frees_in))
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn time_to_live(&self) -> Duration {
        let waits = self.0.iter().map(|slot| slot.frees_in);
        waits.max().unwrap_or_default()
    }

    pub(crate) fn encode(&self, key: &Key) -> Bytes {
        let mut to = Writer::new(MAGIC, key, 0);
        to.number(self.0.len() as u64);
        for slot in &self.0 {
            to.number(slot.number);
            to.time(slot.frees_in);
        }
        to.end()
    }

    pub(crate) fn decode(key: &Key, bytes: &[u8]) -> Option<Self> {
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

/// Rejected logins of one account, of all processes and all keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(test, derive(Hash))]
pub(crate) struct Logins(Vec<Rejected>);

/// How often the vendor rejected credentials, or the second factors that followed them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(Hash))]
struct Rejected {
    mark: u16,
    times: u32,
    /// Time since the last rejection.
    age: Duration,
}

const LOGINS_MAGIC: &[u8] = b"auth-core logins 1\n";

impl Logins {
    /// Returns the key of the rejected logins of an account.
    pub(crate) fn key(key: &Key, account: u64) -> Key {
        Key::builder(key.get(KeyPart::Vendor).unwrap_or_default())
            .extra("auth-core", "logins")
            .extra("account", format!("{account:016x}"))
            .build()
    }

    pub(crate) fn aged(mut self, age: Duration) -> Self {
        for known in &mut self.0 {
            known.age = known.age.saturating_add(age);
        }
        self
    }

    /// Returns each count with its mark, and how long ago the last rejection was.
    pub(crate) fn ages(&mut self) -> impl Iterator<Item = ((u16, u32), &mut Duration)> {
        let counts = self.0.iter_mut();
        counts.map(|known| ((known.mark, known.times), &mut known.age))
    }

    /// Returns the count that forbids a login with these credentials, and for how long.
    pub(crate) fn forbids(&self, id: CredentialsId) -> Option<(Counted, Duration)> {
        Counted::longest(|counted| {
            let known = self.find(counted.mark(id))?;
            counted.forbidden_for(known.times, known.age)
        })
    }

    /// Returns whether an accepted login changes anything.
    pub(crate) fn knows(&self, id: CredentialsId) -> bool {
        let mut accepted = self.clone();
        accepted.accept(id);
        accepted != *self
    }

    pub(crate) fn reject(&mut self, id: CredentialsId, counted: Counted) {
        let mark = counted.mark(id);
        let times = self.find(mark).map_or(0, |known| known.times);
        let times = times.saturating_add(1);
        self.0.retain(|known| known.mark != mark);
        self.0.truncate(MOST_LOGINS - 1);
        let age = Duration::ZERO;
        self.0.insert(0, Rejected { mark, times, age });
    }

    pub(crate) fn accept(&mut self, id: CredentialsId) {
        let marks = [Counted::Credentials, Counted::SecondFactor].map(|counted| counted.mark(id));
        self.0.retain(|known| !marks.contains(&known.mark));
    }

    fn find(&self, mark: u16) -> Option<&Rejected> {
        self.0.iter().find(|known| known.mark == mark)
    }

    /// Longer than a wrong password usually stays in a configuration.
    pub(crate) fn time_to_live(&self) -> Duration {
        if self.0.is_empty() {
            Duration::ZERO
        } else {
            Duration::from_secs(30 * 24 * 3600)
        }
    }

    pub(crate) fn encode(&self, key: &Key) -> Bytes {
        let mut to = Writer::new(LOGINS_MAGIC, key, 0);
        to.number(self.0.len() as u64);
        for known in &self.0 {
            to.number(known.mark.into());
            to.number(known.times.into());
            to.time(known.age);
        }
        to.end()
    }

    pub(crate) fn decode(key: &Key, bytes: &[u8]) -> Option<Self> {
        let mut from = Reader::new(LOGINS_MAGIC, key, bytes)?;
        let count = from.number()?;
        if count > MOST_LOGINS as u64 {
            return None;
        }
        let mut known = Vec::new();
        for _ in 0..count {
            known.push(Rejected {
                mark: u16::try_from(from.number()?).ok()?,
                times: u32::try_from(from.number()?).ok()?,
                age: from.time()?,
            });
        }
        from.end()?;
        Some(Self(known))
    }
}

/// The largest number of counts for an account. Each password has up to two counts.
const MOST_LOGINS: usize = 16;

#[cfg(test)]
mod tests {
    use Counted::{Credentials, SecondFactor};
    use proptest::prelude::*;

    use super::*;
    use crate::Secret;

    const HOUR: Duration = Duration::from_secs(3600);
    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn t35_the_reserve_is_kept_for_needed_token_requests() {
        let quota = Quota::new(20, HOUR).unwrap();
        let mut account = Account::default();
        let mut taken = |slots| {
            let more = (0..100).map(|number| account.take(quota, slots, number, HOUR));
            more.filter(Result::is_ok).count()
        };
        assert_eq!(taken(Slots::ButReserve), 16);
        assert_eq!(taken(Slots::All), 4);
    }

    #[test]
    fn returns_when_the_next_slot_is_free() {
        let quota = Quota::new(2, HOUR).unwrap();
        let mut account = Account::default();
        account.take(quota, Slots::All, 1, 2 * MINUTE).unwrap();
        account.take(quota, Slots::All, 2, MINUTE).unwrap();
        let wait = account.take(quota, Slots::All, 3, MINUTE).unwrap_err();
        assert_eq!(wait, MINUTE);
        let mut later = account.aged(MINUTE);
        later.take(quota, Slots::All, 3, MINUTE).unwrap();
        let wait = later.take(quota, Slots::All, 4, MINUTE).unwrap_err();
        assert_eq!(wait, MINUTE);
        assert!(later.set(3, 4, Duration::from_secs(1)));
        let wait = later.take(quota, Slots::All, 4, MINUTE).unwrap_err();
        assert_eq!(wait, Duration::from_secs(1));
        assert!(!later.set(2, 5, MINUTE), "the slot is free already");
    }

    #[test]
    fn a_clients_tokens_count_together() {
        let key = || Key::builder("v").issuer("i").client("c");
        let account = Account::key(&key().build());
        assert_eq!(account, Account::key(&key().scope("s").build()));
        assert_ne!(account, Account::key(&key().client("d").build()));
        assert_ne!(account, key().build());
    }

    const DAY: Duration = Duration::from_secs(24 * 3600);

    /// The identity of one account with the `number`-th password.
    fn id(number: u32) -> CredentialsId {
        let password = Secret::new(format!("fake-secret-{number}"));
        let credentials = crate::Credentials::lockable(&["me"], [password]);
        credentials.id().unwrap()
    }

    #[test]
    fn g06_credentials_that_were_rejected_twice_are_sent_once_a_day() {
        let mut logins = Logins::default();
        let forbids = |logins: &Logins, number| {
            let (counted, wait) = logins.forbids(id(number))?;
            assert_eq!(counted, Credentials);
            Some(wait)
        };
        assert_eq!(forbids(&logins, 1), None);
        logins.reject(id(1), Credentials);
        assert_eq!(forbids(&logins, 1), None);
        logins.reject(id(1), Credentials);
        assert_eq!(forbids(&logins, 1), Some(DAY));
        assert_eq!(forbids(&logins, 2), None, "others were not rejected");
        let mut later = logins.clone().aged(DAY - MINUTE);
        assert_eq!(forbids(&later, 1), Some(MINUTE));
        later = later.aged(MINUTE);
        assert_eq!(forbids(&later, 1), None);
        later.reject(id(1), Credentials);
        assert_eq!(forbids(&later, 1), Some(DAY));
    }

    #[test]
    fn g06_rejected_codes_have_a_separate_count_and_pauses() {
        let mut logins = Logins::default();
        logins.reject(id(1), SecondFactor);
        assert_eq!(logins.forbids(id(1)), None);
        logins.reject(id(1), SecondFactor);
        assert_eq!(logins.forbids(id(1)), Some((SecondFactor, 10 * MINUTE)));
        assert_eq!(logins.forbids(id(2)), None, "a changed password");
        let mut later = logins.aged(10 * MINUTE);
        assert_eq!(later.forbids(id(1)), None);
        later.reject(id(1), Credentials);
        assert_eq!(later.forbids(id(1)), None, "one rejected password");
        later.reject(id(1), SecondFactor);
        assert_eq!(later.forbids(id(1)), Some((SecondFactor, 20 * MINUTE)));
        later.reject(id(1), Credentials);
        assert_eq!(later.forbids(id(1)), Some((Credentials, DAY)));
        later.accept(id(1));
        assert_eq!(later, Logins::default());
    }

    #[test]
    fn an_accepted_login_clears_its_count_only() {
        let mut logins = Logins::default();
        for number in [1, 1, 2, 2] {
            logins.reject(id(number), Credentials);
        }
        logins.accept(id(1));
        assert!(!logins.knows(id(1)) && logins.knows(id(2)));
        assert_eq!(logins.forbids(id(1)), None);
        assert_eq!(logins.forbids(id(2)), Some((Credentials, DAY)));
    }

    #[test]
    fn the_newest_rejections_are_remembered() {
        let mut logins = Logins::default();
        for number in 0..20 {
            logins.reject(id(number), Credentials);
        }
        let known: Vec<_> = (0..20).filter(|number| logins.knows(id(*number))).collect();
        assert_eq!(known, (4..20).collect::<Vec<_>>());
        assert_eq!(Logins::default().time_to_live(), Duration::ZERO);
        assert_eq!(logins.time_to_live(), 30 * DAY);
    }

    #[test]
    fn an_account_is_kept_until_its_last_slot_is_free() {
        let mut account = Account::default();
        assert_eq!(account.time_to_live(), Duration::ZERO);
        account.put(1, MINUTE);
        account.put(2, HOUR);
        account.put(3, MINUTE);
        assert_eq!(account.time_to_live(), HOUR);
        assert_eq!(account.aged(HOUR - MINUTE).time_to_live(), MINUTE);
    }

    #[test]
    fn g11_a_token_request_that_took_no_slot_is_added_once() {
        let mut account = Account::default();
        account.put(1, MINUTE);
        account.put(1, HOUR);
        assert_eq!(
            account
                .times()
                .map(|(number, frees_in)| (number, *frees_in))
                .collect::<Vec<_>>(),
            [(1, HOUR)]
        );
        account.put(2, MINUTE);
        assert_eq!(account.len(), 2);
    }

    #[test]
    fn logins_of_an_account_are_counted_together_for_all_keys() {
        let key = |client| Key::builder("v").issuer("i").client(client).build();
        assert_eq!(Logins::key(&key("a"), 7), Logins::key(&key("b"), 7));
        assert_ne!(Logins::key(&key("a"), 7), Logins::key(&key("a"), 8));
        assert_ne!(Logins::key(&key("a"), 7), Account::key(&key("a")));
    }

    proptest! {
        #[test]
        fn only_written_logins_are_read(
            known in prop::collection::vec((any::<u16>(), any::<u32>(), any::<u64>()), 0..=MOST_LOGINS),
            bytes in prop::collection::vec(any::<u8>(), 0..64),
            cut in any::<prop::sample::Index>(),
        ) {
            let rejected = |(mark, times, millis)| Rejected { mark, times, age: Duration::from_millis(millis) };
            let logins = Logins(known.into_iter().map(rejected).collect());
            let key = Key::builder("v").build();
            let written = logins.encode(&key);
            prop_assert_eq!(Logins::decode(&key, &written), Some(logins));
            prop_assert_eq!(Logins::decode(&key, &written[..cut.index(written.len())]), None);
            let bytes = [LOGINS_MAGIC, &bytes].concat();
            if let Some(read) = Logins::decode(&key, &bytes) {
                prop_assert_eq!(&read.encode(&key)[..], &bytes[..]);
            }
        }

        #[test]
        fn only_written_accounts_are_read(
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
            let bytes = [MAGIC, &bytes].concat();
            if let Some(read) = Account::decode(&key, &bytes) {
                prop_assert_eq!(&read.encode(&key)[..], &bytes[..]);
            }
        }
    }
}
