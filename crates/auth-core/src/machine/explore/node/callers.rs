//! Callers: they ask the machine, get an answer, wait and ask again.

use super::*;

impl Node {
    /// A caller asks the machine.
    pub(super) fn ask(&mut self, world: &World, p: usize, event: Event) -> Result<(), Violation> {
        let now = self.clock(p);
        let true_now = self.now;
        let before = (
            self.store.entry.as_ref().and_then(|entry| {
                let record = entry.content.clone()?;
                Some(record.aged(self.store.age(entry, true_now)))
            }),
            self.slots(),
        );
        let clean = !self.so_far.store;
        let process = &mut self.processes[p];
        let action = process.key.ask(&world.policy, event, now);
        let is_young = action == Action::RefusalBackOff && process.key.state.is_young(now);
        if is_young || matches!(action, Action::ServePrevious | Action::SendAgain { .. }) {
            // The API may not know the token yet.
            if let Event::Refused { generation, .. } = event {
                if let Some(token) = process.token(generation) {
                    process.refused &= !bit(token);
                }
            }
        }
        process.follow();
        if let Action::ServeAndSettle(start) = action {
            // The flight runs in parallel, like a flight that was given up.
            if process.ghost.is_none() {
                process.flights = (process.flights + 1) % 4;
                process.ghost = Some(Air {
                    number: process.flights,
                    flight: Flight::new(start),
                    step: Step::Begins(true_now),
                    since: true_now,
                    orders: 0,
                    asked_again: false,
                    refused: process.refused,
                    told_refused: 0,
                    before: before.clone(),
                    not_sent: false,
                    clean,
                    heard: None,
                });
            }
        }
        if let Action::Fly(start) | Action::ServeAndFly(start) = action {
            process.flights = (process.flights + 1) % 16;
            if world.quota.is_none() {
                process.flights %= 4;
            }
            let ready = true_now + ceil(start.after);
            process.air = Some(Air {
                number: process.flights,
                flight: Flight::new(start),
                step: Step::Begins(ready),
                since: ready,
                orders: 0,
                asked_again: false,
                refused: process.refused,
                told_refused: 0,
                before,
                not_sent: false,
                clean,
                heard: None,
            });
        }
        let instead = match event {
            Event::Refused { generation, .. } => Some(generation),
            _ => None,
        };
        match action {
            Action::Serve
            | Action::ServePrevious
            | Action::ServeAndFly(_)
            | Action::ServeAndSettle(_) => {
                self.serve(world, p, instead.is_some())?;
            }
            Action::Fly(_) | Action::Wait => {
                match instead {
                    Some(_) => process.waits_instead = instead,
                    None => process.waits = true,
                }
                if instead.is_some() {
                    process.replaces_since.get_or_insert(true_now);
                }
            }
            Action::Fail { .. }
            | Action::OverQuota { .. }
            | Action::RefusalBackOff
            | Action::SendAgain { .. } => {}
            action => return Err(format!("a caller was told {action:?}")),
        }
        self.begin(world, p)
    }

    /// A request is signed with the token that the machine names.
    fn serve(&mut self, world: &World, p: usize, instead: bool) -> Result<(), Violation> {
        let now = self.clock(p);
        let process = &mut self.processes[p];
        let generation = process.key.state.serves(now);
        let Some(token) = generation.and_then(|generation| process.token(generation)) else {
            return Err("the machine names a token that does not exist".to_owned());
        };
        process.satisfied = true;
        let issued = self.vendor.issued[usize::from(token)];
        // An entry written by a process that stood still looks younger than it is.
        let ages = !world.vendor.expired && !self.so_far.stopped;
        if self.now >= issued + world.lifetime && ages {
            return Err(format!(
                "t{token} is sent {} s after it was issued",
                self.now - issued
            ));
        }
        let is_refused = process.refused & bit(token) != 0;
        if is_refused && instead {
            return Err(format!(
                "t{token} is sent again by the caller that was refused with it"
            ));
        }
        let recent = process
            .replaces_since
            .is_some_and(|since| self.now < since + 2);
        if is_refused && recent && process.air.is_some() {
            return Err(format!(
                "t{token} is sent while its replacement is being requested"
            ));
        }
        Ok(())
    }

    /// The waiting callers ask again.
    pub(super) fn wake(&mut self, world: &World, p: usize) -> Result<(), Violation> {
        let process = &mut self.processes[p];
        let waits = std::mem::take(&mut process.waits);
        let instead = process.waits_instead.take();
        process.rounds += 1;
        if process.rounds > 6 {
            return Err("callers wait for one flight after another".to_owned());
        }
        if waits {
            self.ask(world, p, Event::Demand)?;
        }
        if let Some(generation) = instead {
            let event = Event::Refused {
                generation,
                permanent: false,
            };
            self.ask(world, p, event)?;
        }
        let process = &mut self.processes[p];
        if process.air.is_none() && (process.waits || process.waits_instead.is_some()) {
            return Err("a caller waits for no flight".to_owned());
        }
        if process.air.is_none() {
            process.rounds = 0;
        }
        Ok(())
    }
}
