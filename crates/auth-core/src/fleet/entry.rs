use std::time::Duration;

use tokio::time;

use super::{Fleet, ask::Budget, record::Record};
use crate::{Error, ErrorKind, NewEntry, TokenStore as _, Version};

/// What the store had for the key.
#[derive(Clone)]
pub(super) struct Seen {
    pub(super) version: Option<Version>,
    pub(super) record: Record,
}

impl Fleet {
    pub(super) async fn look(&self, budget: &Budget) -> Result<Seen, Error> {
        let entry = budget.ask(self.store.load(&self.key)).await?;
        let version = entry.as_ref().map(|entry| entry.version);
        // What a hostile or restored store brings back is older than what was there before.
        let entry = entry.filter(|entry| !self.memory.is_outdated(entry.version));
        let record = entry.and_then(|entry| {
            Some(Record::decode(&self.key, entry.content.as_ref().ok()?)?.aged(entry.age))
        });
        let unsaved = self.memory.unsaved(version, self.clock.now());
        let record = match unsaved.or(record) {
            Some(record) => record,
            // Rejected logins are forgotten by nobody who knows of them.
            None => Record {
                logins: self.memory.logins(),
                ..Record::default()
            },
        };
        self.memory.see(version, &record);
        Ok(Seen { version, record })
    }

    /// Returns what is there now, unless somebody was faster.
    pub(super) async fn write(
        &self,
        seen: &Seen,
        record: Record,
        budget: &Budget,
    ) -> Result<Option<Seen>, Error> {
        let entry = self.new_entry(seen, &record);
        let version = entry.version;
        let replace = self.store.replace(&self.key, seen.version, entry);
        let is_written = budget.ask(replace).await?;
        Ok(is_written.then(|| self.wrote(version, record)))
    }

    /// Goes on beside the caller, where it takes longer than that should wait.
    pub(super) async fn write_beside(
        &self,
        seen: &Seen,
        record: Record,
        budget: &Budget,
    ) -> Result<Option<Seen>, Error> {
        let entry = self.new_entry(seen, &record);
        let version = entry.version;
        let (store, key, expected) = (self.store.clone(), self.key.clone(), seen.version);
        let write = tokio::spawn(async move {
            time::timeout(WRITE, store.replace(&key, expected, entry)).await
        });
        let written = async {
            match write.await {
                Ok(Ok(written)) => written,
                _ => Err(Error::new(ErrorKind::Store, "token store: no answer")),
            }
        };
        let is_written = budget.ask(written).await?;
        Ok(is_written.then(|| self.wrote(version, record)))
    }

    fn new_entry(&self, seen: &Seen, record: &Record) -> NewEntry {
        let wall = self.clock.now().since_unix_epoch();
        let version = Version::after(self.memory.highest(seen.version), wall);
        NewEntry::new(version, record.encode(&self.key), record.lives())
    }

    fn wrote(&self, version: Version, record: Record) -> Seen {
        let version = Some(version);
        self.memory.see(version, &record);
        Seen { version, record }
    }
}

/// How long a write may take that nobody waits for.
pub(super) const WRITE: Duration = Duration::from_secs(1);
