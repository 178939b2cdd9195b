//! Executes the orders that concern the token store.

use super::*;

impl Task {
    pub(super) async fn ask_store(
        &self,
        hands: &mut Hands,
        budget: &mut Budget,
        order: Order,
    ) -> Result<Fact, Error> {
        let Some((store, key)) = self.shared.store() else {
            return Err(Error::new(ErrorKind::Store, "there is no token store"));
        };
        Ok(match order {
            Order::Load => {
                if !hands.connected {
                    // Connecting is not part of a request's latency budget.
                    let connected = time::timeout(CONNECT, store.connect()).await;
                    connected.unwrap_or_else(|_| {
                        let message =
                            format!("token store: not connected within {} s", CONNECT.as_secs());
                        Err(Error::new(ErrorKind::Store, message))
                    })?;
                    hands.connected = true;
                    budget.renew();
                }
                let entry = budget.ask(store.load(key)).await?;
                Fact::Loaded(Box::new(loaded(key, entry)))
            }
            Order::Write(write) => {
                let Write {
                    expected,
                    version,
                    record,
                    beside,
                } = *write;
                let entry = NewEntry::new(version, record.encode(key), record.time_to_live());
                if beside {
                    Fact::Wrote(
                        budget
                            .ask(self.beside_callers(store, key, expected, entry))
                            .await?,
                    )
                } else {
                    Fact::Wrote(budget.ask(store.replace(key, expected, entry)).await?)
                }
            }
            Order::Lease => {
                // No permit is held during the wait for another process.
                if let Err(error) = self.admit(hands).await {
                    return Ok(Fact::NotAdmitted(error));
                }
                budget.renew();
                let asked = self.shared.now();
                let lease = Lease::take(
                    store,
                    key,
                    self.shared.lease_owner(&self.flight),
                    self.shared.lease_time(),
                    budget,
                )
                .await?;
                match lease {
                    Some(lease) => {
                        if let Some(earlier) = hands.lease.replace(lease) {
                            earlier.forget();
                        }
                        Fact::Leased(Some(asked))
                    }
                    None => {
                        hands.permit = None;
                        Fact::Leased(None)
                    }
                }
            }
            Order::Release => {
                hands.permit = None;
                if let Some(lease) = hands.lease.take() {
                    lease.give_back(budget).await?;
                }
                Fact::Released
            }
            Order::LoadAccount => {
                let key = Account::key(key);
                let (version, bytes) = parts(budget.ask(store.load(&key)).await?);
                let account = bytes
                    .and_then(|(bytes, age)| Some(Account::decode(&key, &bytes.ok()?)?.aged(age)));
                Fact::LoadedAccount(version, account)
            }
            Order::WriteAccount(expected, version, account) => {
                let key = Account::key(key);
                let entry = NewEntry::new(version, account.encode(&key), account.time_to_live());
                Fact::Wrote(budget.ask(store.replace(&key, expected, entry)).await?)
            }
            Order::LoadLogins(account) => {
                let key = Logins::key(key, account);
                let (version, bytes) = parts(budget.ask(store.load(&key)).await?);
                let logins = bytes
                    .and_then(|(bytes, age)| Some(Logins::decode(&key, &bytes.ok()?)?.aged(age)));
                Fact::LoadedLogins(version, logins)
            }
            Order::WriteLogins(account, expected, version, logins) => {
                let key = Logins::key(key, account);
                let entry = NewEntry::new(version, logins.encode(&key), logins.time_to_live());
                Fact::Wrote(budget.ask(store.replace(&key, expected, entry)).await?)
            }
            Order::Read
            | Order::Sleep { .. }
            | Order::Request { .. }
            | Order::AskAgain
            | Order::Land(_) => {
                return Err(Error::new(ErrorKind::Store, "not an order for a store"));
            }
        })
    }
}

impl Task {
    /// Writes in a separate task. Callers continue when the store's budget is used up, and the
    /// write continues too.
    async fn beside_callers(
        &self,
        store: &SharedTokenStore,
        key: &Key,
        expected: Option<EntryVersion>,
        entry: NewEntry,
    ) -> Result<bool, Error> {
        let (store, key) = (store.clone(), key.clone());
        let writing = Writing::begin(&self.shared);
        let write = tokio::spawn(async move {
            let written = time::timeout(WRITE, store.replace(&key, expected, entry)).await;
            drop(writing);
            written
        });
        match write.await {
            Ok(Ok(written)) => written,
            _ => Err(Error::new(ErrorKind::Store, "token store: no answer")),
        }
    }
}

/// Counts a background write while it is not dropped.
struct Writing(Arc<SharedState>);

impl Writing {
    fn begin(shared: &Arc<SharedState>) -> Self {
        shared.begin_write();
        Self(Arc::clone(shared))
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        self.0.end_write();
    }
}

/// An entry's version, and its content with its age.
type Parts = (
    Option<EntryVersion>,
    Option<(Result<Bytes, Error>, Duration)>,
);

fn parts(entry: Option<StoredEntry>) -> Parts {
    match entry {
        Some(entry) => (Some(entry.version), Some((entry.content, entry.age))),
        None => (None, None),
    }
}

fn loaded(key: &Key, entry: Option<StoredEntry>) -> Loaded {
    let (version, content) = parts(entry);
    let age = content.as_ref().map_or(Duration::ZERO, |(_, age)| *age);
    let (record, sealed) = match content {
        Some((Ok(bytes), age)) => (
            Record::decode(key, &bytes).map(|record| record.aged(age)),
            None,
        ),
        Some((Err(error), _)) => (None, Some(error)),
        None => (None, None),
    };
    Loaded {
        version,
        record,
        age,
        sealed,
    }
}

/// The time limit for connecting, for stores that set none themselves.
const CONNECT: Duration = Duration::from_secs(2);
