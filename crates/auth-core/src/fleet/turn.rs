use tokio::time;

use super::{
    Fleet, Own,
    ask::Budget,
    entry::Seen,
    lease::Lease,
    record::{self, Record, Refresh},
};
use crate::{AccessToken, Error, ErrorKind, Exchange, Reason, TokenStore as _, source::Obtained};

/// How a turn went.
pub(super) enum Step {
    Done(Obtained),
    /// Somebody else was faster: look again.
    Again,
}

impl Fleet {
    /// Makes the exchange, with the lease, and gives that back.
    pub(super) async fn turn(
        &self,
        lease: Lease,
        seen: Seen,
        reason: Reason,
        own: &Own,
        budget: &Budget,
    ) -> Result<Step, Error> {
        // From here on somebody waits for an answer that is there already.
        let after = Budget::new(self.store.patience());
        let step = self
            .spend(&lease, seen, reason, own, (budget, &after))
            .await?;
        if let Err(error) = lease.give_back(&after).await {
            self.give_up(&error);
        }
        Ok(step)
    }

    async fn spend(
        &self,
        lease: &Lease,
        mut seen: Seen,
        reason: Reason,
        own: &Own,
        (budget, after): (&Budget, &Budget),
    ) -> Result<Step, Error> {
        let credential = own.credential;
        loop {
            let refresh = match self.refresh_token(&seen.record, own) {
                Ok(refresh) => refresh,
                Err(error) => return Ok(Step::Done(self.found(Err(error)))),
            };
            let slot = match self.take_slot(reason, budget).await? {
                Ok(slot) => slot,
                Err(wait) => return Ok(Step::Done(self.over_quota(wait))),
            };
            let before = self.before(&seen.record, refresh.as_ref(), reason);
            // A process that was stopped may have lost the lease meanwhile.
            let is_held = || lease.covers(self.exchange_deadline());
            let written = match before == seen.record {
                true => Some(seen.clone()),
                false if !is_held() => None,
                false => self.write(&seen, before, budget).await?,
            };
            seen = match written {
                Some(ready) if is_held() => ready,
                written => {
                    if let Some(marked) = written {
                        self.unmark(&marked, seen.record.refresh, after).await;
                    }
                    self.return_slot(slot, after).await;
                    return Ok(Step::Again);
                }
            };
            let rejected = record::rejected(&seen.record.logins, credential);
            let mut exchange = Exchange::new(reason);
            exchange.refresh_token = refresh.map(|refresh| refresh.secret);
            let spends = exchange.refresh_token.is_some();
            let sent = self.clock.now();
            let error = match self.exchange(exchange, rejected).await {
                Ok(token) => {
                    let lifetime = token.lifetime();
                    let token = self.publish(seen, token, sent, credential, after).await;
                    self.close_slot(slot, lifetime, after).await;
                    return Ok(Step::Done(Obtained::fetched(Ok(token), sent)));
                }
                Err(error) => error,
            };
            if spends && is_worth_nothing(&error) {
                self.close_slot(slot, None, after).await;
                budget.renew();
                let without = without_refresh(&seen.record);
                // It may be so because somebody else has spent it: then look again, once.
                let Some(written) = self.write(&seen, without, budget).await? else {
                    return Ok(Step::Again);
                };
                tracing::info!("a refresh token is worth nothing any more");
                seen = written;
                after.renew();
                continue;
            }
            let error = self.tell(seen, error, credential, spends, after).await;
            self.close_slot(slot, None, after).await;
            return Ok(Step::Done(Obtained::fetched(Err(error), sent)));
        }
    }

    /// One exchange with the vendor.
    pub(super) async fn exchange(
        &self,
        exchange: Exchange,
        rejected: u32,
    ) -> Result<AccessToken, Error> {
        let deadline = self.exchange_deadline();
        let request = self
            .requests
            .send(&*self.source, exchange, &self.clock, rejected);
        match time::timeout(deadline, request).await {
            Ok(result) => result,
            Err(_) => {
                let seconds = deadline.as_secs_f64();
                let message = format!("the exchange did not end within {seconds} s");
                Err(Error::new(ErrorKind::TimedOut, message))
            }
        }
    }

    /// The refresh token to spend, if there is one that may be.
    fn refresh_token(&self, record: &Record, own: &Own) -> Result<Option<Refresh>, Error> {
        if !self.source.keeps_refresh_tokens() {
            return Ok(None);
        }
        // Sent once without an answer that is known, it is sent once more, and not again.
        if let Some(refresh) = record.refresh.clone() {
            return Ok(Some(refresh).filter(|refresh| refresh.spent < 2));
        }
        let first = own.first.clone()?;
        let first = first.filter(|first| record.dead.as_ref() != Some(first));
        Ok(first.map(|secret| Refresh {
            secret,
            spent: 0,
            is_first: true,
        }))
    }

    pub(super) async fn first_refresh_token(&self) -> Result<Option<crate::Secret>, Error> {
        let first = self.source.first_refresh_token();
        let first = time::timeout(self.exchange_deadline(), first).await;
        first.unwrap_or_else(|_| {
            let message = "the first refresh token could not be read in time";
            Err(Error::new(ErrorKind::TimedOut, message))
        })
    }

    /// What the store says while the exchange is under way, and after it if this process dies.
    fn before(&self, record: &Record, refresh: Option<&Refresh>, reason: Reason) -> Record {
        let mut before = match refresh {
            Some(_) => record.clone(),
            None => without_refresh(record),
        };
        before.refresh = refresh.cloned().map(|mut refresh| {
            refresh.spent = refresh.spent.saturating_add(1);
            refresh
        });
        // So that nobody takes it, also if no other can be had for it.
        if let Some(kept) = before.token.as_mut().filter(|_| reason == Reason::Refused) {
            kept.refused |= self.memory.is_at_hand(&kept.secret);
        }
        before
    }

    /// Says that a refresh token was not sent after all. Whoever has the lease by now has noted its
    /// own use before it sends it; then this comes too late, and changes nothing.
    async fn unmark(&self, marked: &Seen, refresh: Option<Refresh>, budget: &Budget) {
        let mut record = marked.record.clone();
        record.refresh = refresh;
        if record != marked.record {
            if let Err(error) = self.write_beside(marked, record, budget).await {
                self.give_up(&error);
            }
        }
    }
}

fn without_refresh(record: &Record) -> Record {
    let mut record = record.clone();
    if let Some(refresh) = record.refresh.take().filter(|refresh| refresh.is_first) {
        record.dead = Some(refresh.secret);
    }
    record
}

/// Tells whether a refresh token is what the vendor did not take.
fn is_worth_nothing(error: &Error) -> bool {
    error.kind() == ErrorKind::Rejected && error.code() == Some("invalid_grant")
}
