//! The rules of a flight until it has the lease: what it takes from the store, and when it waits.

use super::*;

impl Flight {
    pub(super) fn begin(&mut self, cx: &mut Cx<'_>) -> Order {
        if cx.rules.shares && cx.memory.store_is_paused(cx.now) {
            self.without_store = true;
        }
        if self.start.settles && (self.without_store || !cx.memory.has_to_settle(cx.now)) {
            return self.settled(cx);
        }
        if self.is_alone(cx) {
            self.go(Phase::Reading, Order::Read)
        } else {
            self.go(Phase::Looking, Order::Load)
        }
    }

    pub(super) fn see(&mut self, cx: &mut Cx<'_>, loaded: Loaded) {
        cx.memory.store_answered();
        let Loaded {
            version,
            record,
            age,
            sealed,
        } = loaded;
        // A hostile or restored store may return an entry that is older than one before.
        let known = version.zip(record);
        let known = known.filter(|(version, _)| !cx.memory.is_outdated(*version));
        if let Some((version, _)) = &known {
            cx.memory.see(*version);
        }
        let known = known.map(|(version, record)| {
            let first_seen = cx.memory.first_seen();
            let record = first_seen.record(version, record, age, cx.now);
            (version, record)
        });
        let unsaved = cx.memory.unsaved(version, cx.now);
        let record = unsaved.or(known.map(|(_, record)| record));
        self.seen = Seen {
            version,
            record: record.unwrap_or_default(),
            at: Some(cx.now),
        };
        if let Some(error) = sealed {
            self.landing = Some(Landing {
                end: End::Failed(error),
                ..self.landing_at(cx.now)
            });
        }
    }

    pub(super) fn looked(&mut self, cx: &mut Cx<'_>) -> Order {
        // An entry that cannot be decrypted may hold the only refresh token: no process overwrites
        // it.
        if self.landing.is_some() && cx.rules.keeps_refresh_tokens {
            return if self.start.settles {
                self.settled(cx)
            } else {
                self.release_and_land(cx)
            };
        }
        self.landing = None;
        let record = &self.seen.record;
        let print = record.token.as_ref().map(|kept| Print::of(&kept.secret));
        let refused = print.filter(|print| cx.memory.refused.contains(*print));
        if let Some(print) = refused {
            // First of all, so that no other process takes the token.
            let mut marked = record.clone();
            marked.token = None;
            marked.refused.add(print);
            return self.write(cx, Phase::MarkingRefused, marked);
        }
        self.decide(cx)
    }

    /// Takes what the store has, or continues towards a token request.
    pub(super) fn decide(&mut self, cx: &mut Cx<'_>) -> Order {
        if self.start.settles {
            return self.settle(cx);
        }
        if let Some((token, age)) = sharing::adopt(cx, &self.seen.record, &self.start) {
            cx.memory.asked();
            self.landing = Some(Landing {
                end: End::Token(token, age),
                ..self.landing_at(cx.now)
            });
            return self.release_and_land(cx);
        }
        let told = sharing::obey(cx, &self.seen.record, self.own.as_ref(), &self.start);
        if let Some((error, wait)) = told {
            self.landing = Some(Landing {
                end: End::Told(error, wait),
                row: self.seen.record.row,
                ..self.landing_at(cx.now)
            });
            return self.release_and_land(cx);
        }
        match (&self.own, self.lease) {
            // Read before the lease is taken, because a lease is short and reading secrets may be
            // slow.
            (None, _) => self.go(Phase::Reading, Order::Read),
            (Some(_), None) => self.go(Phase::Leasing, Order::Lease),
            // Another process sends a token request without the lease.
            (Some(_), Some(_)) if self.is_claimed() => {
                self.lease = None;
                self.go(Phase::GivingWay, Order::Release)
            }
            (Some(_), Some(_)) => self.check(cx),
        }
    }

    /// The store contains the refused tokens. Token requests without a slot remain to be written.
    fn settle(&mut self, cx: &mut Cx<'_>) -> Order {
        if !cx.memory.owes(cx.now) {
            return self.settled(cx);
        }
        self.landing = Some(Landing {
            end: End::Settled,
            ..self.landing_at(cx.now)
        });
        self.todo = vec![Todo::Slot(Duration::ZERO)];
        self.close(cx)
    }

    pub(super) fn settled(&mut self, cx: &mut Cx<'_>) -> Order {
        self.landing = Some(Landing {
            end: End::Settled,
            ..self.landing_at(cx.now)
        });
        self.release_and_land(cx)
    }

    pub(super) fn read(&mut self, cx: &mut Cx<'_>, read: Result<Own, Error>) -> Order {
        let own = match read {
            Ok(own) => own,
            Err(error) => return self.fail(cx, error),
        };
        let unchanged = self.start.unless.is_some() && self.start.unless == own.id;
        let forbidden = own.forbidden.clone();
        let has_refresh_token =
            self.seen.record.refresh.is_some() || matches!(own.first, Ok(Some(_)));
        self.own = Some(own);
        if unchanged {
            self.landing = Some(self.landing_at(cx.now));
            return self.release_and_land(cx);
        }
        // A refresh token does not contain a password, so no password is tested.
        if let Some(forbidden) = forbidden.filter(|_| !has_refresh_token) {
            return self.forbidden(cx, &forbidden);
        }
        if self.is_alone(cx) {
            return self.go_alone(cx);
        }
        self.decide(cx)
    }

    pub(super) fn forbidden(&mut self, cx: &mut Cx<'_>, forbidden: &Forbidden) -> Order {
        let error = too_often(forbidden);
        self.landing = Some(Landing {
            end: End::Told(error, forbidden.wait),
            ..self.landing_at(cx.now)
        });
        self.release_and_land(cx)
    }

    pub(super) fn denied(&mut self, cx: &mut Cx<'_>) -> Order {
        if let Some(account) = self.account(cx).filter(|_| self.logins.is_none()) {
            return self.go(Phase::LookingAtLogins, Order::LoadLogins(account));
        }
        let since = *self.denied.get_or_insert(cx.now);
        let waited = cx.now.wait_since(since);
        if waited > cx.rules.lease_patience() {
            self.problem =
                Some("token store: the lease is held for longer than two token requests take");
            let order = self.store_failed(cx);
            cx.memory.store_denied(cx.now, cx.draw.jitter);
            return order;
        }
        let seen = self.seen.version;
        let silent = self.silent.filter(|(version, _)| *version == seen);
        let (_, silent) = *self.silent.insert(silent.unwrap_or((seen, cx.now)));
        let is_claimed = self.is_claimed();
        if is_claimed {
            cx.memory.doubt_lease();
        }
        let lockable = self.own.as_ref().is_some_and(|own| own.lockable);
        let doubted = cx.memory.doubts_lease();
        let patience = cx.rules.claim_after(self.start.reason, lockable, doubted);
        // Only the holder of the lease sends a refresh token.
        let is_silent = cx.now.wait_since(silent) >= patience;
        if is_silent && !is_claimed && !cx.rules.keeps_refresh_tokens {
            return self.claim(cx);
        }
        let time = self.pace.saturating_sub(cx.draw.jitter.of(self.pace / 2));
        let longest = (waited / 4).clamp(EARLY_LOOK, LONGEST_LOOK);
        self.pace = self.pace.saturating_mul(2).min(longest);
        self.go(Phase::Waiting, Order::Sleep { time, others: true })
    }

    /// Claims a token request, because the holder of the lease has been silent for too long. Of all
    /// waiting processes, the one whose write succeeds sends the token request.
    fn claim(&mut self, cx: &mut Cx<'_>) -> Order {
        let number = cx.draw.number;
        let left = cx.rules.lease_time();
        let mut claimed = self.seen.record.clone();
        claimed.claim = Some(Claim { number, left });
        self.claim = Some(number);
        self.lease = Some(cx.now + left);
        self.contested = true;
        self.write(cx, Phase::Claiming, claimed)
    }

    /// Returns whether another process has claimed a token request.
    pub(super) fn is_claimed(&self) -> bool {
        let claim = self.seen.record.claim.map(|claim| claim.number);
        claim.is_some() && claim != self.claim
    }
}

const EARLY_LOOK: Duration = Duration::from_millis(160);
const LONGEST_LOOK: Duration = Duration::from_millis(600);

/// Returns the error that says that no login is sent after several rejected ones.
fn too_often(forbidden: &Forbidden) -> Error {
    let (part, message) = match forbidden.counted {
        Counted::Credentials => (
            RejectedPart::Credentials,
            "the credentials are not sent, because the vendor rejected them twice and may lock the \
             account; correct them where they are kept, or call Authenticator::clear_rejections",
        ),
        Counted::SecondFactor => (
            RejectedPart::SecondFactor,
            "no login is sent yet, because each one sends the user a code and the second factors of \
             the last logins failed; check where the codes are read, or call \
             Authenticator::clear_rejections",
        ),
    };
    let error = Error::new(ErrorKind::Rejected, message)
        .with_rejected_part(part)
        .with_retry_after(forbidden.wait);
    match &forbidden.cause {
        Some(cause) => error.with_source(cause.clone()),
        None => error,
    }
}
