//! The rules of a flight after its token request: what is written into the store, and what callers
//! get.

use std::time::Duration;

use super::*;
use crate::machine::{memory::is_shared, orders::MOST_REQUESTS};

impl Flight {
    pub(super) fn ended(&mut self, cx: &mut Cx<'_>, ended: Ended) -> Order {
        let Ended { result, sent, late } = ended;
        let lifetime = result.as_ref().ok().and_then(AccessToken::lifetime);
        let not_sent = result
            .as_ref()
            .is_err_and(|error| !Failure::of(error).may_count());
        if not_sent {
            self.return_share(cx);
        } else {
            if std::mem::take(&mut self.borrowed) {
                cx.memory.close_share(cx.now, lifetime);
                let frees = cx.now + slot_of(cx.rules.quota, lifetime);
                cx.memory.owe(cx.draw.number, frees, cx.now);
            }
            cx.memory.asked();
        }
        let landing = Landing {
            sent,
            requested: !not_sent,
            ..self.landing_at(cx.now)
        };
        let error = match result {
            Ok(token) => return self.succeeded(cx, token, landing),
            Err(error) => error,
        };
        let failure = Failure::of(&error);
        self.landing = Some(Landing {
            end: End::Failed(error.clone()),
            ..landing
        });
        if late && failure == Failure::Unknown && !self.is_alone(cx) {
            // Another process may have sent a token request while this one stood still.
            return self.go(Phase::LookingLate, Order::Load);
        }
        self.failed(cx, &error)
    }

    pub(super) fn succeeded(
        &mut self,
        cx: &mut Cx<'_>,
        token: AccessToken,
        landing: Landing,
    ) -> Order {
        let sent = Sent {
            at: landing.sent,
            reason: self.start.reason,
            refresh: self.refresh.as_ref(),
        };
        let mut record = sharing::after(cx, &self.seen.record, &token, sent);
        let lifetime = cx.rules.policy.lifetime(token.lifetime());
        let usable = cx.rules.policy.usable_for(lifetime);
        if usable
            .saturating_sub(cx.now.wait_since(landing.sent))
            .is_zero()
        {
            let message = "the tokens of the token endpoint have expired when they arrive; check the lifetime that the vendor sets";
            let error = Error::new(ErrorKind::Protocol, message);
            // This is one more failure in a row, and a valid token of another process stays in the
            // record.
            let seen = &self.seen.record;
            record.token = seen.token.clone();
            record.failing_for = Some(seen.failing_for.unwrap_or_default());
            record.row = seen.row;
            record.failed_by = seen.failed_by.clone();
            sharing::tell(
                cx,
                &mut record,
                self.own.as_ref(),
                self.is_lockable(),
                &error,
            );
        }
        let frees_in = slot_of(cx.rules.quota, token.lifetime());
        self.landing = Some(Landing {
            end: End::Token(token, Duration::ZERO),
            ..landing
        });
        if self.is_alone(cx) {
            return self.land(cx);
        }
        let id = self.own.as_ref().and_then(|own| own.id);
        let known = self.logins.as_ref().zip(id);
        let known = known.filter(|((_, logins), id)| logins.knows(*id));
        let accepted = known.map(|_| LoginChange::Accept);
        self.todo = Vec::new();
        self.todo.extend(accepted.map(Todo::Logins));
        let counts = self.slot.is_some() || cx.memory.owes(cx.now);
        self.todo.extend(counts.then_some(Todo::Slot(frees_in)));
        if record != self.seen.record {
            self.todo.push(Todo::Record(Box::new(record)));
        }
        self.close(cx)
    }

    pub(super) fn failed(&mut self, cx: &mut Cx<'_>, error: &Error) -> Order {
        let failure = Failure::of(error);
        let rejected = match failure {
            Failure::Rejected(part) => Some(part),
            _ => None,
        };
        let sent_refresh = self.refresh.is_some();
        let refresh_rejected = sent_refresh
            && (rejected == Some(RejectedPart::RefreshToken)
                || rejected.is_some() && error.code() == Some("invalid_grant"));
        let credentials = self.own.as_ref().and_then(|own| own.id);
        // --- what the store has to say ---
        let mut record = self.seen.record.clone();
        if refresh_rejected {
            self.contested = true;
            if let Some(refresh) = record.refresh.take() {
                record.spent.add(Print::of(&refresh.secret));
                cx.memory.spend(Print::of(&refresh.secret));
            }
            if self.requests < MOST_REQUESTS {
                self.refresh = None;
                self.landing = None;
                return self.write(cx, Phase::DroppingRefreshToken, record);
            }
        } else if failure != Failure::Unknown {
            // The vendor answered, or received nothing: the refresh token is not used up.
            if let Some(refresh) = record.refresh.as_mut().filter(|_| sent_refresh) {
                refresh.uncertain = refresh.uncertain.saturating_sub(1);
            }
        }
        if record.claim.map(|claim| claim.number) == self.claim {
            record.claim = None;
        }
        self.todo = Vec::new();
        if !self.is_alone(cx) {
            // A time-out of a shortened deadline says little about the vendor.
            let is_cut = self.request_deadline(cx) < cx.rules.policy.token_request_deadline()
                && error.kind() == ErrorKind::TimedOut;
            if is_shared(failure) && !(is_cut && failure == Failure::Unknown) {
                let told = sharing::tell(
                    cx,
                    &mut record,
                    self.own.as_ref(),
                    self.is_lockable(),
                    error,
                );
                self.told(error, told);
            }
            let counts = self.is_lockable() && credentials.is_some();
            let reject = Counted::of(error).filter(|_| counts);
            let reject = reject.map(LoginChange::Reject);
            let frees_in = if failure.may_count() {
                slot_of(cx.rules.quota, None)
            } else {
                Duration::ZERO
            };
            let counts = self.slot.is_some() || cx.memory.owes(cx.now);
            self.todo.extend(counts.then_some(Todo::Slot(frees_in)));
            if record != self.seen.record {
                self.todo.push(Todo::Record(Box::new(record)));
            }
            self.todo.extend(reject.map(Todo::Logins));
        }
        let again = matches!(
            rejected,
            Some(RejectedPart::Credentials | RejectedPart::RefreshToken)
        );
        if again && credentials.is_some() && self.requests < MOST_REQUESTS {
            return self.go(Phase::Rereading, Order::Read);
        }
        self.close(cx)
    }

    /// Handles credentials that were read again after they were rejected.
    pub(super) fn read_again(&mut self, cx: &mut Cx<'_>, read: Result<Own, Error>) -> Order {
        let changed = read.ok().filter(|read| {
            let before = self.own.as_ref().and_then(|own| own.id);
            read.id != before && read.forbidden.is_none()
        });
        match changed {
            Some(own) => {
                self.own = Some(own);
                self.go(Phase::AskingAgain, Order::AskAgain)
            }
            None => self.close(cx),
        }
    }

    /// Records that the failure holds for all processes.
    pub(super) fn told(&mut self, error: &Error, told: Told) {
        let Some(landing) = &mut self.landing else {
            return;
        };
        landing.failing_for = told.failing_for;
        landing.row = told.row;
        if told.holds_for_callers {
            let error = error.clone().with_retry_after(told.left);
            landing.end = End::Told(error, told.left);
        }
    }

    pub(super) fn looked_late(&mut self, cx: &mut Cx<'_>, loaded: Loaded) -> Order {
        let failed = self.landing.take();
        self.see(cx, loaded);
        if let Some((token, age)) = sharing::adopt(cx, &self.seen.record, &self.start) {
            self.landing = Some(Landing {
                end: End::Token(token, age),
                ..self.landing_at(cx.now)
            });
            self.todo = Vec::new();
            return self.close(cx);
        }
        self.landing = failed;
        let error = match self.landing.as_ref().map(|landing| &landing.end) {
            Some(End::Failed(error)) => error.clone(),
            _ => return self.land(cx),
        };
        self.failed(cx, &error)
    }

    /// Writes the result, releases the lease, and lands.
    pub(super) fn close(&mut self, cx: &mut Cx<'_>) -> Order {
        self.tries = 0;
        self.close_next(cx)
    }

    pub(super) fn close_next(&mut self, cx: &mut Cx<'_>) -> Order {
        match self.todo.last().cloned() {
            Some(Todo::Record(record)) => self.write(cx, Phase::Closing, *record),
            Some(Todo::Slot(_)) => self.go(Phase::Closing, Order::LoadAccount),
            Some(Todo::Logins(_)) => match self.own.as_ref().and_then(|own| own.id) {
                Some(id) => self.go(Phase::Closing, Order::LoadLogins(id.account())),
                None => self.release_and_land(cx),
            },
            None => self.release_and_land(cx),
        }
    }

    pub(super) fn closing(&mut self, cx: &mut Cx<'_>, fact: Fact) -> Order {
        match (self.todo.last().cloned(), fact) {
            (Some(Todo::Record(_)), Fact::Wrote(false)) => {
                self.contested = true;
                self.tries += 1;
                if self.tries < RECORD_TRIES {
                    Order::Load
                } else {
                    self.done(cx)
                }
            }
            (Some(Todo::Record(record)), Fact::Loaded(loaded)) => {
                self.rewrite(cx, *record, *loaded)
            }
            (Some(Todo::Slot(frees_in)), Fact::LoadedAccount(version, account)) => {
                let mut account = account.unwrap_or_default();
                cx.memory.first_seen().account(&mut account, cx.now);
                let is_set = self
                    .slot
                    .is_some_and(|number| account.set(number, cx.draw.number, frees_in));
                if !cx.memory.pay(&mut account, cx.now) && !is_set {
                    return self.done(cx);
                }
                cx.memory.first_seen().note_account(&mut account, cx.now);
                let next = next_version(version, cx.now.since_unix_epoch(), cx.draw.number);
                Order::WriteAccount(version, next, account)
            }
            (Some(Todo::Logins(change)), Fact::LoadedLogins(version, logins)) => {
                let Some(id) = self.own.as_ref().and_then(|own| own.id) else {
                    return self.done(cx);
                };
                let mut logins = logins.unwrap_or_default();
                cx.memory.first_seen().logins(&mut logins, cx.now);
                match change {
                    LoginChange::Reject(counted) => logins.reject(id, counted),
                    LoginChange::Accept => logins.accept(id),
                }
                cx.memory.first_seen().note_logins(&mut logins, cx.now);
                let next = next_version(version, cx.now.since_unix_epoch(), cx.draw.number);
                Order::WriteLogins(id.account(), version, next, logins)
            }
            (Some(Todo::Slot(_) | Todo::Logins(_)), Fact::Wrote(false)) => {
                self.tries += 1;
                if self.tries < ACCOUNT_TRIES {
                    self.close_next(cx)
                } else {
                    self.done(cx)
                }
            }
            (Some(Todo::Slot(_)), Fact::Wrote(true)) => {
                cx.memory.paid();
                self.done(cx)
            }
            (Some(Todo::Record(_)), Fact::Wrote(true)) => {
                cx.memory.forget_unsaved();
                self.done(cx)
            }
            (Some(_), Fact::Wrote(true)) => self.done(cx),
            _ => self.release_and_land(cx),
        }
    }

    /// Handles a finished write.
    pub(super) fn done(&mut self, cx: &mut Cx<'_>) -> Order {
        if let Some(Todo::Slot(_)) = self.todo.pop() {
            self.slot = None;
        }
        if self.landing.is_none() && self.todo.is_empty() {
            return self.go(Phase::Looking, Order::Load);
        }
        self.close(cx)
    }

    /// Handles a write that failed because another process has written.
    pub(super) fn rewrite(&mut self, cx: &mut Cx<'_>, record: Record, loaded: Loaded) -> Order {
        let landing = self.landing.take();
        self.see(cx, loaded);
        let adopted = sharing::adopt(cx, &self.seen.record, &self.start);
        self.landing = landing;
        let is_being_sent = self.is_being_sent();
        let seen = &self.seen.record;
        let is_claimed = self.is_claimed();
        let told_beside = Record {
            token: seen.token.clone(),
            refused: seen.refused.clone(),
            claim: seen.claim,
            ..record.clone()
        };
        let Some(landing) = &mut self.landing else {
            return self.done(cx);
        };
        match (&landing.end, adopted) {
            // All other processes use the token of the other process.
            (End::Token(..), Some((token, age))) => {
                landing.end = End::Token(token, age);
                self.done(cx)
            }
            // Another process is sending the refresh token that this process sent, and gets the
            // later reply. This process keeps its own token in case the other process dies.
            (End::Token(..), None) if is_being_sent => {
                cx.memory.keep_unsaved(self.seen.version, record, cx.now);
                self.done(cx)
            }
            (End::Token(..), None) => {
                // Another process may send a token request without the lease.
                let claim = self.seen.record.claim.filter(|_| is_claimed);
                self.write(cx, Phase::Closing, Record { claim, ..record })
            }
            // The entry's time to live has ended, and no process has written since.
            _ if self.seen.version.is_none() => self.write(cx, Phase::Closing, record),
            // Another process sends a token request without the lease: all processes are told of
            // the failure.
            _ if is_claimed => self.write(cx, Phase::Closing, told_beside),
            // A failure is not written a second time.
            _ => self.done(cx),
        }
    }

    /// Returns whether another process recorded that it sends the refresh token.
    fn is_being_sent(&self) -> bool {
        let refresh = self.seen.record.refresh.as_ref();
        self.refresh.is_some() && refresh.is_some_and(|refresh| refresh.uncertain > 0)
    }

    pub(super) fn release_and_land(&mut self, cx: &mut Cx<'_>) -> Order {
        let lease = self.lease.take();
        self.return_share(cx);
        let claim = self.seen.record.claim.map(|claim| claim.number);
        if lease.is_some() && self.claim.is_some() && claim == self.claim {
            // Nothing was written that ended the claim.
            let mut record = self.seen.record.clone();
            record.claim = None;
            return self.write(cx, Phase::Releasing, record);
        }
        match lease {
            Some(_) if self.claim.is_none() => self.go(Phase::Releasing, Order::Release),
            _ => self.land(cx),
        }
    }

    pub(super) fn fail(&mut self, cx: &mut Cx<'_>, error: Error) -> Order {
        self.landing = Some(Landing {
            end: End::Failed(error),
            ..self.landing_at(cx.now)
        });
        self.release_and_land(cx)
    }

    pub(super) fn land(&mut self, cx: &mut Cx<'_>) -> Order {
        let landing = self.landing.take().unwrap_or_else(|| Landing {
            end: End::Failed(Error::new(
                ErrorKind::Closed,
                "the flight ended without a result",
            )),
            ..self.landing_at(cx.now)
        });
        let settle_at = if cx.rules.shares {
            cx.memory.settle_at(cx.now)
        } else {
            None
        };
        let silent = match &landing.end {
            End::Failed(error) => cx.rules.is_silent(&landing, error),
            _ => false,
        };
        Order::Land(Box::new(Landing {
            contested: self.contested,
            silent,
            settle_at,
            ..landing
        }))
    }

    /// Returns whether the token request may count as a rejected login. A refresh token locks no
    /// account.
    fn is_lockable(&self) -> bool {
        self.refresh.is_none() && self.own.as_ref().is_some_and(|own| own.lockable)
    }

    /// Returns the end of a flight that changes nothing.
    pub(super) fn landing_at(&self, now: Moment) -> Landing {
        let own = self.own.as_ref();
        Landing {
            end: End::Unchanged,
            sent: now,
            requested: self.requests > 0,
            about: own.and_then(|own| own.id),
            lockable: self.is_lockable(),
            failing_for: self.seen.record.failing_for.unwrap_or_default(),
            row: None,
            contested: false,
            silent: false,
            settle_at: None,
        }
    }

    pub(super) fn store_failed(&mut self, cx: &mut Cx<'_>) -> Order {
        cx.memory.store_failed(cx.now, cx.draw.jitter);
        let over = matches!(
            self.phase,
            Phase::Closing | Phase::Releasing | Phase::LookingLate
        );
        if self.landing.is_some() && over {
            if let Some(record) = self.record_to_keep() {
                cx.memory.keep_unsaved(self.replaces, record, cx.now);
            }
            return self.land(cx);
        }
        self.landing = None;
        self.lease = None;
        self.claim = None;
        self.slot = None;
        self.return_share(cx);
        self.todo = Vec::new();
        self.without_store = true;
        if self.start.settles {
            return self.settled(cx);
        }
        match &self.own {
            Some(own) => match own.forbidden.clone() {
                Some(forbidden) => self.forbidden(cx, &forbidden),
                None => self.go_alone(cx),
            },
            None => self.go(Phase::Reading, Order::Read),
        }
    }

    /// Returns the record that the store did not take.
    pub(super) fn record_to_keep(&self) -> Option<Record> {
        self.todo.iter().find_map(|todo| match todo {
            Todo::Record(record) => Some((**record).clone()),
            _ => None,
        })
    }
}
