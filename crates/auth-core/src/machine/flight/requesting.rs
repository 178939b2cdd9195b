//! The rules of a flight from the lease to the token request: what is written before the token
//! request is sent.

use super::*;

impl Flight {
    /// Continues with the lease, if the store has no token to take.
    pub(super) fn check(&mut self, cx: &mut Cx<'_>) -> Order {
        match self.account(cx) {
            Some(account) => self.go(Phase::CheckingLogins, Order::LoadLogins(account)),
            None => self.prepare_slot(cx),
        }
    }

    /// Returns the account whose rejected logins count, if the vendor may lock it and a login is
    /// sent.
    pub(super) fn account(&self, cx: &mut Cx<'_>) -> Option<u64> {
        let own = self.own.as_ref().filter(|own| own.lockable)?;
        let refresh = sharing::next_refresh_token(cx, &self.seen.record, Some(own));
        own.id.filter(|_| refresh.is_none()).map(|id| id.account())
    }

    pub(super) fn check_logins(
        &mut self,
        cx: &mut Cx<'_>,
        version: Option<EntryVersion>,
        logins: Logins,
    ) -> Order {
        match self.forbids(cx, version, logins) {
            Some(forbidden) => self.forbidden(cx, &forbidden),
            None => self.prepare_slot(cx),
        }
    }

    /// Returns whether all processes together have had too many logins rejected.
    pub(super) fn forbids(
        &mut self,
        cx: &mut Cx<'_>,
        version: Option<EntryVersion>,
        mut logins: Logins,
    ) -> Option<Forbidden> {
        cx.memory.first_seen().logins(&mut logins, cx.now);
        let id = self.own.as_ref().and_then(|own| own.id);
        let forbids = id.and_then(|id| logins.forbids(id));
        let forbids = forbids.filter(|_| !cx.memory.ignores_rejections());
        self.logins = Some((version, logins));
        forbids.map(|(counted, wait)| Forbidden {
            counted,
            cause: None,
            wait,
        })
    }

    fn prepare_slot(&mut self, cx: &mut Cx<'_>) -> Order {
        match cx.rules.quota {
            Some(_) => self.go(Phase::TakingSlot, Order::LoadAccount),
            None => self.mark(cx),
        }
    }

    pub(super) fn take_slot(
        &mut self,
        cx: &mut Cx<'_>,
        version: Option<EntryVersion>,
        mut account: Account,
    ) -> Order {
        let Some(quota) = cx.rules.quota else {
            return self.fail(
                cx,
                Error::new(ErrorKind::Closed, "no quota to take a slot of"),
            );
        };
        let repeats = self.seen.record.refusals.is_some();
        let slots = match self.start.reason {
            TokenRequestReason::Ahead => Slots::ButReserve,
            TokenRequestReason::Refused if repeats => Slots::Doubtful,
            TokenRequestReason::Needed | TokenRequestReason::Refused => Slots::All,
        };
        // The end of the token request is not known yet; the slot is corrected after it.
        let frees_in = quota
            .window()
            .saturating_add(cx.rules.policy.token_request_deadline());
        cx.memory.first_seen().account(&mut account, cx.now);
        let mut account = account.aged(Duration::ZERO);
        let owes = cx.memory.pay(&mut account, cx.now);
        if let Err(wait) = account.take(quota, slots, cx.draw.number, frees_in) {
            self.landing = Some(Landing {
                end: End::OverQuota(wait),
                ..self.landing_at(cx.now)
            });
            self.todo = if owes {
                vec![Todo::Slot(Duration::ZERO)]
            } else {
                Vec::new()
            };
            return self.close(cx);
        }
        cx.memory.first_seen().note_account(&mut account, cx.now);
        self.slot = Some(cx.draw.number);
        let next = next_version(version, cx.now.since_unix_epoch(), cx.draw.number);
        Order::WriteAccount(version, next, account)
    }

    pub(super) fn try_account_again(&mut self, cx: &mut Cx<'_>) -> Order {
        self.tries += 1;
        if self.tries >= ACCOUNT_TRIES {
            self.tries = 0;
            self.problem = Some("token store: too many processes change one account at once");
            return self.borrow_slot(cx);
        }
        let time = cx.draw.jitter.of(Duration::from_millis(4));
        Order::Sleep {
            time,
            others: false,
        }
    }

    /// Takes a slot of this process's share because the account could not be changed. The account
    /// is written later.
    fn borrow_slot(&mut self, cx: &mut Cx<'_>) -> Order {
        if self.start.reason == TokenRequestReason::Ahead {
            let message = "too many processes change the account of the quota at once; the token is \
                           renewed later";
            let error = Error::new(ErrorKind::Store, message);
            return self.fail(cx, error.with_outcome(TokenRequestOutcome::NotSent));
        }
        if let Err(wait) = cx.memory.take_share(cx.now) {
            self.landing = Some(Landing {
                end: End::OverQuota(wait),
                ..self.landing_at(cx.now)
            });
            return self.release_and_land(cx);
        }
        self.borrowed = true;
        self.mark(cx)
    }

    /// Writes what the token request will use up, before the request is sent.
    pub(super) fn mark(&mut self, cx: &mut Cx<'_>) -> Order {
        self.refresh = sharing::next_refresh_token(cx, &self.seen.record, self.own.as_ref());
        let unread = self.own.as_ref().and_then(|own| own.first.clone().err());
        if let (None, Some(error)) = (&self.refresh, unread) {
            self.landing = Some(Landing {
                end: End::Failed(error.with_outcome(TokenRequestOutcome::NotSent)),
                ..self.landing_at(cx.now)
            });
            let slot = self.slot.is_some().then_some(Todo::Slot(Duration::ZERO));
            self.todo = slot.into_iter().collect();
            return self.close(cx);
        }
        let mut marked = self.seen.record.clone();
        marked.refresh = self.refresh.clone().map(|refresh| Refresh {
            uncertain: refresh.uncertain.saturating_add(1),
            ..refresh
        });
        if let (None, Some(given_up)) = (&marked.refresh, &self.seen.record.refresh) {
            marked.spent.add(Print::of(&given_up.secret));
        }
        if !self.is_covered(cx) {
            self.lost_lease = true;
            return self.start_again(cx);
        }
        if marked == self.seen.record {
            self.request(cx)
        } else {
            self.write(cx, Phase::Marking, marked)
        }
    }

    /// Returns whether the lease still covers the token request. A process that stood still may
    /// have lost the lease.
    pub(super) fn is_covered(&self, cx: &mut Cx<'_>) -> bool {
        let needed = cx.now + self.request_deadline(cx);
        self.lease.is_some_and(|until| until.waited_for(needed))
    }

    pub(super) fn request_deadline(&self, cx: &mut Cx<'_>) -> Duration {
        self.start
            .deadline
            .min(cx.rules.policy.token_request_deadline())
    }

    /// Handles a lease that ended before the refresh token was sent: the new holder may send it.
    pub(super) fn unmark(&mut self, cx: &mut Cx<'_>) -> Order {
        let mut record = self.seen.record.clone();
        record.refresh = self
            .refresh
            .take()
            .filter(|refresh| !refresh.is_first || refresh.uncertain > 0);
        self.write(cx, Phase::Unmarking, record)
    }

    /// Starts again, after giving back the slot and releasing the lease.
    pub(super) fn start_again(&mut self, cx: &mut Cx<'_>) -> Order {
        self.landing = None;
        self.todo = if self.slot.is_some() {
            vec![Todo::Slot(Duration::ZERO)]
        } else {
            Vec::new()
        };
        self.lease = None;
        self.return_share(cx);
        self.pace = FIRST_LOOK;
        self.tries = 0;
        if self.todo.is_empty() {
            self.go(Phase::Looking, Order::Load)
        } else {
            self.go(Phase::Closing, Order::LoadAccount)
        }
    }

    /// Handles a write that failed because another process wrote first.
    pub(super) fn lost_write(&mut self, cx: &mut Cx<'_>) -> Order {
        self.contested = true;
        self.lost_lease |= self.lease.is_some() && self.phase != Phase::Claiming;
        self.lost += 1;
        if self.lost >= MOST_LOST {
            self.problem = Some("token store: every write loses against another one");
            return self.store_failed(cx);
        }
        self.start_again(cx)
    }

    /// Gives back the slot of this process's share, because no token request is sent.
    pub(super) fn return_share(&mut self, cx: &mut Cx<'_>) {
        if std::mem::take(&mut self.borrowed) {
            cx.memory.cancel_share();
        }
    }

    /// Continues to a further token request of this flight.
    pub(super) fn prepare(&mut self, cx: &mut Cx<'_>) -> Order {
        self.landing = None;
        if self.is_alone(cx) {
            return self.go_alone(cx);
        }
        self.prepare_slot(cx)
    }

    pub(super) fn request(&mut self, cx: &mut Cx<'_>) -> Order {
        self.requests += 1;
        let order = Order::Request {
            reason: self.start.reason,
            refresh_token: self.refresh.as_ref().map(|refresh| refresh.secret.clone()),
            deadline: self.request_deadline(cx),
        };
        self.go(Phase::Requesting, order)
    }

    /// Sends a token request without the store, within limits that allow many processes to do so at
    /// once.
    pub(super) fn go_alone(&mut self, cx: &mut Cx<'_>) -> Order {
        self.refresh = None;
        if cx.rules.shares {
            let first = self.own.as_ref().map(|own| &own.first);
            if cx.rules.needs_refresh_token || matches!(first, Some(Ok(Some(_)))) {
                let message = "the refresh token is sent only while the token store answers, because \
                               two processes that send it lose it; the token store does not answer";
                return self.fail(cx, Error::new(ErrorKind::Store, message));
            }
            // The share is too small for a reserve.
            if let Err(wait) = cx.memory.take_share(cx.now) {
                self.landing = Some(Landing {
                    end: End::OverQuota(wait),
                    ..self.landing_at(cx.now)
                });
                return self.land(cx);
            }
            self.borrowed = true;
        }
        self.request(cx)
    }

    /// Returns whether this flight uses no store.
    pub(super) fn is_alone(&self, cx: &Cx<'_>) -> bool {
        !cx.rules.shares || self.without_store
    }
}

/// This number of failed writes in a row counts as a failure of the store.
const MOST_LOST: u8 = 4;
