//! The service below the layer: the API in memory, observed and with faults.

use std::{
    future::Future,
    mem,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use auth_testkit::{MemoryBody, MemoryError, MemoryService};
use http::{HeaderMap, Request, Response};
use tokio::time::{Sleep, sleep};
use tower::Service;

use crate::{
    body::{SimBody, Witnessed},
    faults,
    model::Signed,
    world::{Send as Sent, World},
};

/// The header with the number of the request.
pub(crate) const ID: &str = "x-sim-id";
/// The header with the number of the send that a response answers.
pub(crate) const ANSWERS: &str = "x-sim-answers";
/// A credential that the caller set.
pub(crate) const OWN: &str = "Bearer fake-own";

/// The client of the API. Like many clients, each clone must be made ready before each call.
pub(crate) struct Api {
    inner: MemoryService,
    world: Arc<World>,
    ready: bool,
    opening: Option<Pin<Box<Sleep>>>,
}

impl Api {
    pub(crate) fn new(world: &Arc<World>) -> Self {
        Self {
            inner: world.server.service(),
            world: Arc::clone(world),
            ready: false,
            opening: None,
        }
    }

    /// Records a request that arrived. Returns the plan for its answer.
    fn arrives(
        &self,
        request: &Request<SimBody>,
    ) -> (u64, usize, Sent, Option<auth_testkit::Reply>) {
        let world = &*self.world;
        let id = request.headers()[ID].to_str().unwrap().parse().unwrap();
        let credential = credential(request.headers());
        let is_api = request.uri().host() == Some(API_HOST);
        let (number, kind, reply) = {
            let mut inner = world.lock();
            inner.sends_total += 1;
            let faults = if inner.weather.fair || !is_api {
                0
            } else {
                world.scenario.api_faults
            };
            let planned = inner.chance(faults).then(|| faults::api(&mut inner.rng));
            let number = inner.sends.entry(id).or_default().len();
            let (kind, reply) = planned.unzip();
            (number, kind, reply)
        };
        world.note(format_args!("request {id} arrives with {credential:?}"));
        if let Some(kind) = kind {
            world.hit(kind);
        }
        self.judge(id, is_api, credential.as_deref());
        let sent = Sent {
            head: head(request),
            credential,
            body: Arc::default(),
            silent: kind == Some(faults::SILENT),
            reset: kind == Some(faults::RESET) || !is_api,
            early: kind == Some(faults::EARLY),
            status: None,
            refused: None,
        };
        (id, number, sent, reply)
    }

    fn judge(&self, id: u64, is_api: bool, credential: Option<&str>) {
        let world = &*self.world;
        match credential {
            Some(OWN) => {}
            Some(_) if !is_api => world.violation(format_args!("request {id} left with a secret")),
            None if !is_api => {}
            None => world.violation(format_args!("request {id} left unsigned")),
            Some(line) => {
                let late = if world.scenario.slow_readiness {
                    LATE
                } else {
                    Duration::ZERO
                };
                let token = line.strip_prefix("Bearer ").unwrap_or_default();
                let mut inner = world.lock();
                let before = inner.sends.get(&id).and_then(|sends| sends.last());
                let again = before.is_some_and(|before| before.credential.as_deref() == Some(line));
                let wrong = inner
                    .model
                    .sends(token, world.now(), Signed { late, again });
                drop(inner);
                world.violations(wrong);
            }
        }
    }
}

impl Clone for Api {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
            world: Arc::clone(&self.world),
            ready: false,
            opening: None,
        }
    }
}

impl Service<Request<SimBody>> for Api {
    type Response = Response<MemoryBody>;
    type Error = MemoryError;
    type Future = Pin<Box<dyn Future<Output = Result<Response<MemoryBody>, MemoryError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), MemoryError>> {
        if self.ready {
            return Poll::Ready(Ok(()));
        }
        if self.world.scenario.slow_readiness && self.opening.is_none() {
            let mut inner = self.world.lock();
            let millis = if inner.chance(50) {
                inner.rng.u64(1..LATE.as_millis() as u64)
            } else {
                0
            };
            self.opening = Some(Box::pin(sleep(Duration::from_millis(millis))));
        }
        if let Some(opening) = &mut self.opening {
            ready!(opening.as_mut().poll(cx));
        }
        self.opening = None;
        self.ready = true;
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<SimBody>) -> Self::Future {
        if !mem::take(&mut self.ready) {
            self.world
                .violation("a service was called that was not ready");
        }
        let (id, number, sent, reply) = self.arrives(&request);
        let read = Arc::clone(&sent.body);
        self.world.lock().sends.entry(id).or_default().push(sent);
        let (world, mut inner) = (Arc::clone(&self.world), self.inner.clone());
        Box::pin(async move {
            // Removed from the queue in the same poll.
            if let Some(reply) = reply {
                world.server.api().then(reply);
            }
            let request = request.map(|body| Witnessed { body, read });
            let mut response = inner.call(request).await?;
            returns(&world, id, number, &response);
            response.headers_mut().insert(ANSWERS, number.into());
            Ok(response)
        })
    }
}

/// A response is about to reach the layer.
fn returns(world: &World, id: u64, number: usize, response: &Response<MemoryBody>) {
    let status = response.status().as_u16();
    world.note(format_args!("request {id} is answered {status}"));
    let now = world.now();
    let mut inner = world.lock();
    let Some(mut sent) = inner
        .sends
        .get(&id)
        .and_then(|sends| sends.get(number))
        .cloned()
    else {
        return;
    };
    sent.status = Some(status);
    let token = sent.credential.as_deref().filter(|line| *line != OWN);
    if let Some(token) = token.and_then(|line| line.strip_prefix("Bearer ")) {
        if response.status().is_success() {
            inner.model.served();
        }
        if !is_refusal(response) {
            inner.model.accepted(token, now);
        } else if inner.model.refused(token, now) {
            sent.refused = Some(token.to_owned());
        }
    }
    inner.sends.entry(id).or_default()[number] = sent;
}

/// Returns whether a response refuses the token, and states nothing else.
pub(crate) fn is_refusal(response: &Response<MemoryBody>) -> bool {
    const OTHERWISE: [&str; 3] = [
        "insufficient_scope",
        "invalid_request",
        "insufficient_user_authentication",
    ];
    let challenge = response.headers().get("www-authenticate");
    let challenge = challenge
        .and_then(|line| line.to_str().ok())
        .unwrap_or_default();
    response.status() == 401 && !OTHERWISE.iter().any(|code| challenge.contains(code))
}

fn credential(headers: &HeaderMap) -> Option<String> {
    Some(headers.get("authorization")?.to_str().unwrap().to_owned())
}

/// Returns everything in a request's head that must be equal in both sends.
fn head(request: &Request<SimBody>) -> String {
    let headers: Vec<_> = request
        .headers()
        .iter()
        .filter(|(name, _)| *name != "authorization")
        .collect();
    format!("{} {} {headers:?}", request.method(), request.uri())
}

const API_HOST: &str = "server.test";
/// The longest time until the service is ready. A token may become outdated meanwhile; the layer
/// then requests another one, a limited number of times.
const LATE: Duration = Duration::from_millis(300);
