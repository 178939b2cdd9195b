//! Stories of single flights, with a small store and a clock that is turned by hand.

use super::*;
use crate::{Credentials, RefreshPolicy, Secret, policy::Jitter};

mod cover;
mod logins;
mod records;
mod refused;

/// The store and the clock that all processes share.
struct World {
    now: Moment,
    entry: Option<Kept<Record>>,
    account: Option<Kept<Account>>,
    logins: Option<Kept<Logins>>,
    /// Who has the lease, and until when.
    lease: Option<(String, Moment)>,
    drawn: u64,
    /// Token requests so far.
    requests: usize,
}

struct Kept<T> {
    version: Version,
    content: T,
    written: Moment,
}

struct Process {
    rules: Rules,
    memory: Memory,
    own: Own,
}

/// A flight, and the order that it waits for.
struct Air {
    flight: Flight,
    order: Order,
}

impl World {
    fn new() -> Self {
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

    fn pass(&mut self, seconds: u64) {
        self.now = self.now + secs(seconds);
    }

    /// Puts an entry into the store, as another process would.
    fn put(&mut self, record: Record) {
        let last = self.entry.as_ref().map(|entry| entry.version);
        self.drawn += 1;
        self.entry = Some(Kept {
            version: next_version(last, self.now.since_unix_epoch(), self.drawn),
            content: record,
            written: self.now,
        });
    }

    fn record(&self) -> Record {
        self.live_entry()
            .map_or_else(Record::default, |(_, record)| record)
    }

    fn live_entry(&self) -> Option<(Version, Record)> {
        let entry = self.entry.as_ref()?;
        let age = self.now.wait_since(entry.written);
        let lives = age < entry.content.time_to_live();
        lives.then(|| (entry.version, entry.content.clone().aged(age)))
    }

    /// Does what a flight orders the driver to do, unless that is a token request or the end.
    fn execute(&mut self, process: &Process, order: &Order) -> Fact {
        let now = self.now;
        match order {
            Order::Read => Fact::Read(Ok(process.own.clone())),
            Order::Sleep { time, .. } => {
                self.now = self.now + *time;
                Fact::Slept
            }
            Order::Load => {
                let (version, record) = self.live_entry().unzip();
                Fact::Loaded(Box::new(Loaded {
                    version,
                    record,
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
                    |(owner, until): &(String, Moment)| owner != me && !now.waited_for(*until);
                if self.lease.as_ref().is_some_and(others) {
                    return Fact::Leased(None);
                }
                self.lease = Some((me.clone(), now + process.rules.lease_time()));
                Fact::Leased(Some(now))
            }
            Order::Release => {
                let me = &process.rules.owner;
                self.lease.take_if(|(owner, _)| owner == me);
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

impl Process {
    fn new(name: &str) -> Self {
        Self {
            rules: Rules {
                policy: RefreshPolicy::default(),
                quota: None,
                shares: true,
                keeps_refresh_tokens: false,
                needs_refresh_token: false,
                owner: name.to_owned(),
            },
            memory: Memory::new(None),
            own: Own {
                id: Credentials::new(&["fake-client"], [Secret::from("fake-secret-1")]).id(),
                lockable: false,
                first: Ok(None),
                forbidden: None,
            },
        }
    }

    fn with_refresh_tokens(name: &str) -> Self {
        let mut process = Self::new(name);
        process.rules.keeps_refresh_tokens = true;
        process
    }

    /// The process hears that the API refused a token.
    fn hears_of_refusal(&mut self, token: &str) {
        self.memory.refused.add(Print::of_text(token));
    }

    fn step(&mut self, world: &mut World, flight: &mut Flight, fact: Fact) -> Order {
        world.drawn += 1;
        let draw = Draw {
            jitter: Jitter(0),
            number: world.drawn,
        };
        let order = flight.step(&self.rules, &mut self.memory, fact, world.now, draw);
        world.requests += usize::from(matches!(order, Order::Request { .. }));
        order
    }

    fn takes_off(&mut self, world: &mut World, reason: Reason) -> Air {
        let mut flight = Flight::new(Start {
            reason,
            after: Duration::ZERO,
            deadline: secs(10),
            beyond: Duration::ZERO,
            unless: None,
        });
        let order = self.step(world, &mut flight, Fact::Begun);
        Air { flight, order }
    }

    /// Goes on until an order as wanted is given, which is not executed, or to a token request, or to
    /// the end.
    fn flies_to(&mut self, world: &mut World, air: &mut Air, wanted: fn(&Order) -> bool) {
        for _ in 0..1000 {
            if wanted(&air.order) || matches!(air.order, Order::Request { .. } | Order::Land(_)) {
                return;
            }
            let fact = world.execute(self, &air.order);
            air.order = self.step(world, &mut air.flight, fact);
        }
        panic!("the flight goes round in circles: {:?}", air.order);
    }

    /// Goes on until a token request or the end.
    fn flies(&mut self, world: &mut World, air: &mut Air) {
        self.flies_to(world, air, |_| false);
    }

    /// The order is executed, and the process stands still before it goes on.
    fn stops(&mut self, world: &mut World, air: &mut Air, seconds: u64) {
        let fact = world.execute(self, &air.order);
        world.pass(seconds);
        air.order = self.step(world, &mut air.flight, fact);
    }

    /// The token request ends after so many seconds.
    fn ends(
        &mut self,
        world: &mut World,
        air: &mut Air,
        after: u64,
        result: Result<AccessToken, Error>,
    ) {
        assert!(
            matches!(air.order, Order::Request { .. }),
            "{:?}",
            air.order
        );
        let sent = world.now;
        world.pass(after);
        let ended = Ended {
            result,
            sent,
            late: after > 10,
        };
        air.order = self.step(world, &mut air.flight, Fact::Ended(ended));
    }

    /// A whole flight, whose token request ends like this, if there is one.
    fn gets(
        &mut self,
        world: &mut World,
        reason: Reason,
        result: Result<AccessToken, Error>,
    ) -> Landing {
        let mut air = self.takes_off(world, reason);
        self.flies(world, &mut air);
        while matches!(air.order, Order::Request { .. }) {
            self.ends(world, &mut air, 0, result.clone());
            self.flies(world, &mut air);
        }
        air.landing()
    }
}

impl Air {
    fn landing(&self) -> Landing {
        match &self.order {
            Order::Land(landing) => (**landing).clone(),
            order => panic!("not landed: {order:?}"),
        }
    }

    /// The text of the token that callers get.
    fn brings(&self) -> String {
        match self.landing().end {
            End::Token(token, _) => token.secret().expose().to_owned(),
            end => panic!("no token: {end:?}"),
        }
    }
}

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A token of an hour.
fn token(text: &str) -> AccessToken {
    AccessToken::new(text).expires_in(secs(3600))
}

fn with_token(text: &str, left: u64) -> Record {
    Record {
        token: Some(super::super::record::Kept {
            secret: Secret::from(text),
            scope: None,
            left: secs(left),
            lifetime: secs(3600),
        }),
        ..Record::default()
    }
}

fn page() -> Error {
    Error::new(ErrorKind::Protocol, "example: an HTML page")
        .with_outcome(RequestOutcome::NotUnderstood)
}

fn lost() -> Error {
    Error::new(ErrorKind::TimedOut, "example: no reply").with_outcome(RequestOutcome::Unknown)
}
