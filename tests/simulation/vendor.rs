//! The source under test, observed and with faults below it.

use std::{
    panic::panic_any,
    sync::{Arc, Mutex},
    time::Duration,
};

use auth_core::{
    AccessToken, Credentials, CredentialsId, Error, ErrorKind, Secret, SecretFn, TokenRequest,
    TokenSource, Transport,
};
use auth_oauth2::{Client, ClientCredentials};
use auth_testkit::MemoryTransport;
use bytes::Bytes;
use http::{Request, Response};

use crate::{
    faults::{TokenFault, event},
    model::Ended,
    world::World,
};

/// The message of a planned panic of the source.
pub(crate) const PLANNED_PANIC: &str = "the seed planned this panic";

/// Client credentials, observed.
pub(crate) struct Vendor {
    inner: ClientCredentials,
    world: Arc<World>,
    /// When credentials were rejected last, and which.
    rejected: Mutex<Option<(Duration, Option<CredentialsId>)>>,
    /// Shows that the authenticator was dropped.
    _alive: Arc<()>,
}

impl Vendor {
    pub(crate) fn new(world: &Arc<World>, alive: Arc<()>) -> Self {
        let vault = Arc::clone(world);
        let secret = SecretFn::new(move || {
            let secret = read(&vault);
            async move { secret }
        });
        let wire = Wire {
            inner: world.server.transport(),
            world: Arc::clone(world),
        };
        let server = &world.server;
        let client = Client::builder(server.token_url(), server.client_id(), wire).secret(secret);
        Self {
            inner: client
                .clock(world.clock.clone())
                .build()
                .unwrap()
                .client_credentials(),
            world: Arc::clone(world),
            rejected: Mutex::default(),
            _alive: alive,
        }
    }
}

impl TokenSource for Vendor {
    async fn fetch(&self, token_request: TokenRequest) -> Result<AccessToken, Error> {
        let world = &*self.world;
        world.note(format_args!(
            "token request: {}",
            token_request.reason.as_str()
        ));
        let now = world.now();
        let (wrong, planned) = {
            let mut inner = world.lock();
            inner.token_requests += 1;
            (
                inner.model.begins(token_request.reason, now),
                inner.plan_token_request(),
            )
        };
        world.violations(wrong);
        if let Some(kind) = planned {
            world.hit(kind);
        }
        let landing = Landing(world);
        let used = token_request.credentials.id();
        let result = self.inner.fetch(token_request).await;
        if let Err(error) = &result
            && error.kind() == ErrorKind::Rejected
        {
            *self.rejected.lock().unwrap() = Some((world.now().monotonic(), used));
        }
        let ended = match &result {
            Ok(token) => {
                let lifetime = token.lifetime();
                world.note(format_args!(
                    "fetched {} for {lifetime:?}",
                    token.secret().expose()
                ));
                Ended::Token(token)
            }
            Err(error) => {
                world.note(format_args!("no token: {error}"));
                Ended::Error(error.kind(), error.retry_after())
            }
        };
        landing.ends(&ended);
        result
    }

    async fn credentials(&self) -> Result<Credentials, Error> {
        let read = self.inner.credentials().await;
        let now = self.world.now().monotonic();
        let rejected = *self.rejected.lock().unwrap();
        // Credentials other than the rejected ones may be tried at once, at any time.
        if let Some((at, used)) = rejected {
            let changed = read.as_ref().is_ok_and(|read| read.id() != used);
            if changed && at == now {
                self.world.hit(event::SECOND_TRY);
            }
            self.world.lock().model.second_try = changed.then_some(now);
        }
        read
    }
}

/// Tells the model how a token request ended, also if it is dropped.
struct Landing<'a>(&'a World);

impl Landing<'_> {
    fn ends(&self, ended: &Ended<'_>) {
        let now = self.0.now();
        self.0.lock().model.ends(ended, now);
    }
}

impl Drop for Landing<'_> {
    fn drop(&mut self) {
        if self.0.lock().model.is_flying() {
            self.0.note("the token request was dropped");
            self.ends(&Ended::Dropped);
        }
    }
}

/// Reads the vault, unless the seed decides that it fails.
fn read(world: &World) -> Result<Secret, Error> {
    let mut inner = world.lock();
    let secret = Secret::new(inner.vault.clone());
    match inner.planned.take() {
        Some(TokenFault::NoSecret) => Err(Error::new(
            ErrorKind::Unavailable,
            "the vault does not open",
        )),
        Some(TokenFault::Rotation) => {
            let next = inner.next_secret();
            inner.vault.clone_from(&next);
            world.server.change_client_secret(next);
            Ok(secret)
        }
        other => {
            inner.planned = other;
            Ok(secret)
        }
    }
}

/// The connection to the token endpoint.
struct Wire {
    inner: MemoryTransport,
    world: Arc<World>,
}

impl Transport for Wire {
    async fn send(
        &self,
        request: Request<Bytes>,
        max_reply: usize,
    ) -> Result<Response<Bytes>, Error> {
        let planned = self.world.lock().planned.take();
        match planned {
            Some(TokenFault::Panic) => panic_any(PLANNED_PANIC),
            // Removed from the queue in the same poll.
            Some(TokenFault::Reply(reply)) => {
                self.world.server.token().then(reply);
            }
            _ => {}
        }
        self.inner.send(request, max_reply).await
    }
}
