//! Rejected logins, counted for the whole process: an account is one account, whoever logs in.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use crate::{
    AccessToken, CredentialsId, Error, ErrorKind, Exchange, Moment, RejectedPart, SharedClock,
    source::DynSource,
};

/// How often the vendor rejected which credentials. Holds only credentials that may lock an account.
#[derive(Default)]
pub(crate) struct Rejections(HashMap<CredentialsId, Count>);

struct Count {
    times: u32,
    last: Moment,
    error: Error,
}

impl Rejections {
    /// Returns why these credentials must not be sent now, and for how long.
    pub(crate) fn forbid(&self, id: CredentialsId, now: Moment) -> Option<(Error, Duration)> {
        let count = self.0.get(&id).filter(|count| count.times >= ALLOWED)?;
        let wait = now.wait_until(count.last + PROBE);
        (!wait.is_zero()).then(|| (count.error.clone(), wait))
    }

    pub(crate) fn reject(&mut self, id: CredentialsId, error: &Error, now: Moment) {
        let error = error.clone();
        let count = self.0.entry(id).or_insert(Count {
            times: 0,
            last: now,
            error: error.clone(),
        });
        count.times = count.times.saturating_add(1);
        count.last = now;
        count.error = error;
    }

    pub(crate) fn accept(&mut self, id: CredentialsId) {
        self.0.remove(&id);
    }

    /// Forgets all that is known of an account.
    pub(crate) fn clear(&mut self, account: u64) {
        self.0.retain(|id, _| id.account() != account);
    }
}

/// The counts of this process, one set for each clock.
pub(crate) fn of_process<T>(clock: &SharedClock, look: impl FnOnce(&mut Rejections) -> T) -> T {
    static ALL: Mutex<Option<HashMap<usize, Rejections>>> = Mutex::new(None);
    let mut all = ALL.lock().unwrap_or_else(PoisonError::into_inner);
    look(
        all.get_or_insert_default()
            .entry(clock.identity())
            .or_default(),
    )
}

/// Sends token requests with the credentials as they are now.
#[derive(Default)]
pub(crate) struct Requests {
    last: Mutex<Option<CredentialsId>>,
}

impl Requests {
    /// `rejected`: how often the other processes saw these credentials rejected.
    pub(crate) async fn send(
        &self,
        source: &dyn DynSource,
        mut exchange: Exchange,
        clock: &SharedClock,
        rejected: u32,
    ) -> Result<AccessToken, Error> {
        let credentials = source.credentials().await?;
        let id = credentials.id();
        *self.last() = id;
        let lockable = id.filter(|_| credentials.is_lockable() && exchange.refresh_token.is_none());
        exchange.credentials = credentials;
        let Some(id) = lockable else {
            return source.fetch(exchange).await;
        };
        let forbidden = of_process(clock, |known| known.forbid(id, clock.now()));
        if forbidden.is_some() || rejected >= ALLOWED {
            return Err(locked(forbidden));
        }
        let result = source.fetch(exchange).await;
        of_process(clock, |known| match &result {
            Ok(_) => known.accept(id),
            Err(error) if error.rejected_part() == Some(RejectedPart::Credentials) => {
                known.reject(id, error, clock.now());
            }
            Err(_) => {}
        });
        result
    }

    pub(crate) async fn credentials_changed(&self, source: &dyn DynSource) -> bool {
        let read = source.credentials().await;
        read.is_ok_and(|read| read.id() != *self.last())
    }

    fn last(&self) -> MutexGuard<'_, Option<CredentialsId>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn locked(forbidden: Option<(Error, Duration)>) -> Error {
    let message = format!(
        "the credentials are not sent again because the vendor rejected them {ALLOWED} times and \
         may lock the account; correct them where they are kept, or call \
         Authenticator::clear_rejections"
    );
    let error = Error::new(ErrorKind::Rejected, message);
    match forbidden {
        Some((cause, wait)) => error.with_source(cause).with_retry_after(wait),
        None => error,
    }
}

/// How often rejected credentials are sent. Vendors lock accounts after three to ten rejected logins
/// in a row, and a person may have made one of them.
const ALLOWED: u32 = 2;
/// The distance of two attempts with credentials that were rejected more often.
const PROBE: Duration = Duration::from_secs(24 * 3600);
