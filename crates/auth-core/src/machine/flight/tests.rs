//! Stories of single flights, with a small store and a clock that the test sets.

use std::sync::Arc;

use super::*;
use crate::{Credentials, RefreshPolicy, Secret, policy::Jitter};

mod asking;
mod claims;
mod closing;
mod cover;
mod driver;
mod ended;
mod logins;
mod quotas;
mod records;
mod refused;
mod world;

use world::World;

struct Process {
    rules: Rules,
    memory: Memory,
    own: Own,
}

/// A flight, and its current order.
struct Air {
    flight: Flight,
    order: Order,
}

impl Process {
    fn new(name: &str) -> Self {
        Self {
            rules: Rules {
                policy: Arc::new(RefreshPolicy::default()),
                quota: None,
                shares: true,
                keeps_refresh_tokens: false,
                needs_refresh_token: false,
                owner: name.into(),
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

    /// The process learns that the API refused a token.
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

    fn takes_off(&mut self, world: &mut World, reason: TokenRequestReason) -> Air {
        self.takes_off_for(world, reason, 10)
    }

    /// The token request may take this number of seconds.
    fn takes_off_for(
        &mut self,
        world: &mut World,
        reason: TokenRequestReason,
        seconds: u64,
    ) -> Air {
        let mut flight = Flight::new(Start {
            reason,
            after: Duration::ZERO,
            deadline: secs(seconds),
            beyond: Duration::ZERO,
            unless: None,
            settles: false,
        });
        let order = self.step(world, &mut flight, Fact::Begun);
        Air { flight, order }
    }

    /// Executes orders until one is `wanted`, a token is requested, or the flight ends. The last
    /// order is not executed.
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

    /// Executes orders until a token is requested or the flight ends.
    fn flies(&mut self, world: &mut World, air: &mut Air) {
        self.flies_to(world, air, |_| false);
    }

    /// Executes the order; then the process stands still for `seconds`.
    fn stops(&mut self, world: &mut World, air: &mut Air, seconds: u64) {
        let fact = world.execute(self, &air.order);
        world.pass(seconds);
        air.order = self.step(world, &mut air.flight, fact);
    }

    /// Ends the token request after `seconds`.
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

    /// Runs a whole flight. Its token request, if any, ends with `result`.
    fn gets(
        &mut self,
        world: &mut World,
        reason: TokenRequestReason,
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

    /// Returns the text of the token that callers get.
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

/// A token that is valid for an hour.
fn token(text: &str) -> AccessToken {
    AccessToken::new(text).expires_in(secs(3600))
}

fn with_token(text: &str, left: u64) -> Record {
    Record {
        token: Some(super::super::record::Kept {
            number: left,
            secret: Secret::from(text),
            scope: None,
            left: secs(left),
            lifetime: secs(3600),
        }),
        ..Record::default()
    }
}

fn begins(process: &mut Process, world: &mut World, start: Start) -> Air {
    let mut flight = Flight::new(start);
    let order = process.step(world, &mut flight, Fact::Begun);
    Air { flight, order }
}

fn fails(process: &mut Process, world: &mut World, air: &mut Air) {
    air.order = process.step(world, &mut air.flight, Fact::StoreFailed);
}

fn quota(process: &mut Process, limit: u32) {
    let quota = Quota::new(limit, secs(60)).unwrap();
    process.rules.quota = Some(quota);
    process.memory = Memory::new(Some(quota));
}

fn with_refresh_token(text: &str) -> Record {
    Record {
        refresh: Some(Refresh {
            secret: Secret::from(text),
            uncertain: 0,
            is_first: false,
        }),
        ..Record::default()
    }
}

fn page() -> Error {
    Error::new(ErrorKind::Protocol, "an HTML page").with_outcome(TokenRequestOutcome::NotUnderstood)
}

fn not_sent() -> Error {
    Error::new(ErrorKind::Unavailable, "connection refused")
        .with_outcome(TokenRequestOutcome::NotSent)
}

fn rejected(part: RejectedPart) -> Error {
    Error::new(ErrorKind::Rejected, "rejected").with_rejected_part(part)
}

fn lost() -> Error {
    Error::new(ErrorKind::TimedOut, "no reply").with_outcome(TokenRequestOutcome::Unknown)
}
