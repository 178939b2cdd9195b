use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use auth_core::Error;
use redis::Value;
use tokio::{runtime::Handle, sync, time};

use crate::{
    call::{Call, Order},
    error::{failed, is_stale, spoils, store},
    target::{Connection, Target},
};

/// The connection that all clones of a store share: made when first needed, and again after it
/// breaks.
pub(crate) struct Link {
    target: Target,
    line: Mutex<Option<Line>>,
    /// Held by the caller that connects, so that many callers make one connection; contains the
    /// error of the last failed try.
    turn: sync::Mutex<Option<Error>>,
    failures: AtomicU64,
    made: AtomicU64,
}

#[derive(Clone)]
struct Line {
    number: u64,
    connection: Connection,
    /// Whether the server has the scripts.
    is_ready: Arc<AtomicBool>,
}

/// A connection, and whether it is a new one.
struct Connected {
    line: Line,
    is_new: bool,
}

impl Link {
    pub(crate) fn new(target: Target) -> Self {
        Self {
            target,
            line: Mutex::new(None),
            turn: sync::Mutex::new(None),
            failures: AtomicU64::new(0),
            made: AtomicU64::new(0),
        }
    }

    pub(crate) fn target(&self) -> &Target {
        &self.target
    }

    /// Connects and loads the scripts, unless done.
    pub(crate) async fn connect(self: &Arc<Self>, scripts: [&'static str; 4]) -> Result<(), Error> {
        let line = self.slot().clone();
        if line.is_some_and(|line| line.is_ready.load(Ordering::Acquire)) {
            return Ok(());
        }
        let limit = self.target.connect_timeout;
        self.send(CONNECT, Order::Load(scripts), limit).await?;
        Ok(())
    }

    /// Sends a call in a separate task, which a cancelled caller does not end, so that no
    /// connection stays between a request and its answer.
    pub(crate) async fn ask(
        self: &Arc<Self>,
        step: &'static str,
        call: Call,
    ) -> Result<Value, Error> {
        let limit = self.target.timeout;
        self.send(step, Order::Call(call), limit).await
    }

    async fn send(
        self: &Arc<Self>,
        step: &'static str,
        order: Order,
        limit: Duration,
    ) -> Result<Value, Error> {
        let Ok(runtime) = Handle::try_current() else {
            return Err(store(step, "called outside a tokio runtime"));
        };
        let this = Arc::clone(self);
        let task = runtime.spawn(async move { this.send_in_time(step, &order, limit).await });
        let answer = match task.await {
            Ok(answer) => answer,
            Err(_) => Err(store(step, "the tokio runtime shut down during the call")),
        };
        answer.map_err(|error| error.with_host(self.target.servers.names()))
    }

    async fn send_in_time(
        &self,
        step: &'static str,
        order: &Order,
        limit: Duration,
    ) -> Result<Value, Error> {
        let mut used = None;
        let answer = time::timeout(limit, self.try_twice(step, order, &mut used));
        match answer.await {
            Ok(answer) => answer,
            Err(_) => {
                // A silent connection may stay silent, while a new one is answered.
                if let Some(number) = used {
                    self.drop_line(number);
                }
                Err(store(step, "no answer in time"))
            }
        }
    }

    /// Tries once more if the connection had broken before: all scripts may run twice.
    async fn try_twice(
        &self,
        step: &'static str,
        order: &Order,
        used: &mut Option<u64>,
    ) -> Result<Value, Error> {
        let mut is_last = false;
        loop {
            let Connected { mut line, is_new } = self.line().await?;
            *used = Some(line.number);
            let error = match line.connection.send(order).await {
                Ok(answer) => {
                    if matches!(order, Order::Load(_)) {
                        line.is_ready.store(true, Ordering::Release);
                    }
                    return Ok(answer);
                }
                Err(error) => error,
            };
            if spoils(&error) {
                self.drop_line(line.number);
            }
            if is_last || is_new || !is_stale(&error) {
                return Err(failed(step, &error));
            }
            is_last = true;
        }
    }

    /// Returns the existing connection, or makes one.
    async fn line(&self) -> Result<Connected, Error> {
        if let Some(line) = self.slot().clone() {
            let is_new = false;
            return Ok(Connected { line, is_new });
        }
        let failures = self.failures.load(Ordering::Acquire);
        let mut last = self.turn.lock().await;
        if let Some(line) = self.slot().clone() {
            let is_new = true;
            return Ok(Connected { line, is_new });
        }
        // All callers that waited for this try get its error.
        if let (Some(error), true) = (&*last, self.failures.load(Ordering::Acquire) != failures) {
            return Err(error.clone());
        }
        let connection = match self.target.connect().await {
            Ok(connection) => connection,
            Err(error) => {
                *last = Some(error.clone());
                self.failures.fetch_add(1, Ordering::Release);
                return Err(error);
            }
        };
        let number = self.made.fetch_add(1, Ordering::Relaxed);
        let line = Line {
            number,
            connection,
            is_ready: Arc::default(),
        };
        *self.slot() = Some(line.clone());
        let is_new = true;
        Ok(Connected { line, is_new })
    }

    /// Other callers still get their answers on the old connection.
    fn drop_line(&self, number: u64) {
        let mut slot = self.slot();
        if slot.as_ref().is_some_and(|line| line.number == number) {
            *slot = None;
        }
    }

    fn slot(&self) -> MutexGuard<'_, Option<Line>> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const CONNECT: &str = "connect";
