use std::time::Duration;

use super::{
    Fleet,
    ask::Budget,
    entry::Seen,
    record::{self, Kept, Pause, Record, Refresh},
};
use crate::{AccessToken, Error, ErrorKind, Moment, Quota, Reason, RejectedPart, policy::Jitter};

impl Fleet {
    /// Puts a token where the others find it, and returns the one to use. It is good whatever becomes
    /// of this.
    pub(super) async fn publish(
        &self,
        mut seen: Seen,
        token: AccessToken,
        sent: Moment,
        credential: Option<u16>,
        budget: &Budget,
    ) -> AccessToken {
        for _ in 0..TRIES {
            let record = self.after(&seen.record, &token, sent, credential);
            match self.write_beside(&seen, record.clone(), budget).await {
                Ok(Some(_)) => return token,
                Ok(None) => {}
                Err(error) => {
                    self.memory.keep(seen.version, record, self.clock.now());
                    self.give_up(&error);
                    return token;
                }
            }
            // The lease was lost: whoever had it next may have put a token there, too.
            match self.look(budget).await {
                Ok(now) => seen = now,
                Err(error) => {
                    self.give_up(&error);
                    return token;
                }
            }
            if let Some(theirs) = self.adopt(&seen.record, Reason::Needed) {
                return theirs;
            }
        }
        token
    }

    /// Tells the others of a failure. Returns it as whoever waits is told.
    pub(super) async fn tell(
        &self,
        seen: Seen,
        error: Error,
        credential: Option<u16>,
        spent: bool,
        budget: &Budget,
    ) -> Error {
        let mut record = seen.record.clone();
        // The vendor said something else than a token: then it is not spent.
        let is_known = error.code().is_some() || error.kind() == ErrorKind::Throttled;
        if let Some(refresh) = record.refresh.as_mut().filter(|_| spent && is_known) {
            refresh.spent = refresh.spent.saturating_sub(1);
        }
        let mut told = error.clone();
        if record::is_shared(error.kind()) {
            record.failures = record.failures.saturating_add(1);
            let usable = record.token.as_ref().filter(|kept| !kept.refused);
            let usable = usable.map(|kept| (self.usable(kept), kept.lifetime));
            let usable = usable.filter(|(left, _)| !left.is_zero());
            let left = self.pause(&error, record.failures, usable);
            if error.is_transient() && usable.is_none() {
                told = told.with_retry_after(left);
            }
            let about = credential.filter(|_| !error.is_transient());
            record.pause = Some(Pause::new(&self.owner, left, about, &error));
        }
        if let Some(credential) =
            credential.filter(|_| error.rejected_part() == Some(RejectedPart::Credentials))
        {
            record::reject(&mut record.logins, credential, 1);
        }
        if record != seen.record {
            match self.write_beside(&seen, record, budget).await {
                Ok(_) => {}
                Err(error) => self.give_up(&error),
            }
        }
        told
    }

    /// What the store says after an exchange that brought a token.
    fn after(
        &self,
        record: &Record,
        token: &AccessToken,
        sent: Moment,
        credential: Option<u16>,
    ) -> Record {
        let lifetime = token.lifetime().filter(|_| !token.is_permanent());
        let kept = lifetime.map(|lifetime| Kept {
            secret: token.secret().clone(),
            scope: token.granted_scope().map(ToOwned::to_owned),
            left: lifetime.saturating_sub(self.clock.now().wait_since(sent)),
            lifetime,
            refused: false,
        });
        let keeps = self.source.keeps_refresh_tokens();
        let refresh = match token.kept_refresh_token().filter(|_| keeps) {
            Some(secret) => Some(Refresh {
                secret: secret.clone(),
                spent: 0,
                is_first: false,
            }),
            None => record.refresh.clone().map(|refresh| Refresh {
                spent: 0,
                ..refresh
            }),
        };
        // The first one has been replaced, and is not sent again when its successors are worth nothing.
        let spent = record.refresh.as_ref().filter(|spent| spent.is_first);
        let replaced = spent.filter(|_| refresh.as_ref().is_some_and(|next| !next.is_first));
        let dead = replaced.map(|spent| spent.secret.clone());
        let mut logins = record.logins.clone();
        logins.retain(|logins| Some(logins.credential) != credential);
        Record {
            token: kept.filter(|kept| !kept.left.is_zero()),
            dead: dead.or_else(|| record.dead.clone()),
            refresh,
            pause: None,
            failures: 0,
            logins,
        }
    }

    /// For how long nobody asks again.
    fn pause(
        &self,
        error: &Error,
        failures: u32,
        usable: Option<(Duration, Duration)>,
    ) -> Duration {
        let policy = &self.policy;
        let jitter = Jitter(fastrand::u32(..));
        match (error.retry_after(), usable) {
            _ if !error.is_transient() => policy.probe_after(jitter),
            (Some(asked), _) => policy.retry_after(asked),
            (None, _) if error.kind() == ErrorKind::Quota => {
                policy.quota_backoff(self.quota.map(Quota::spacing))
            }
            (None, Some((left, lifetime))) => {
                policy.backoff_while_usable(failures, jitter, left, lifetime)
            }
            (None, None) => policy.backoff_after(failures, jitter),
        }
    }
}

/// How often a token is written over what others wrote.
const TRIES: u32 = 3;
