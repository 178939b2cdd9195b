//! One request from its start to its end, or until its caller is cancelled.

use std::{
    fmt,
    future::Future,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use auth_core::ErrorKind;
use auth_testkit::{MemoryBody, MemoryError};
use auth_tower::{AuthOutcome, Error, NotReplayed};
use bytes::Bytes;
use fastrand::Rng;
use http::{Method, Request, Response};
use tokio::time;
use tower::{Service, ServiceExt};

use crate::{
    api::{ANSWERS, ID, OWN, is_refusal},
    body::SimBody,
    faults::event,
    scenario::ReplayMode,
    world::World,
};

type Answer = Result<Response<MemoryBody>, Error<MemoryError>>;

/// The request of a caller, and when the caller is cancelled.
#[derive(Clone)]
pub(crate) struct Plan {
    pub(crate) id: u64,
    method: Method,
    body: Bytes,
    one_shot: bool,
    place: Place,
    latency_budget: Option<Duration>,
    polls: Option<u32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Api,
    /// With a credential that the caller set.
    Own,
    Foreign,
}

impl Plan {
    pub(crate) fn draw(id: u64, rng: &mut Rng, fair: bool) -> Self {
        let length = rng.usize(1..200);
        let bytes: Bytes = (0..length).map(|_| rng.u8(..)).collect();
        let (method, body, one_shot) = match rng.u8(0..5) {
            0..2 => (Method::GET, Bytes::new(), false),
            2..4 => (Method::POST, bytes, false),
            _ => (Method::PUT, bytes, true),
        };
        let place = match rng.u8(0..40) {
            0 => Place::Own,
            1 => Place::Foreign,
            _ => Place::Api,
        };
        let latency_budget = (!fair && rng.u8(0..8) == 0).then(|| {
            let most = if rng.bool() { 500 } else { 15_000 };
            Duration::from_millis(rng.u64(0..most))
        });
        let polls = (!fair && rng.u8(0..12) == 0).then(|| rng.u32(1..6));
        Self {
            id,
            method,
            body,
            one_shot,
            place: if fair { Place::Api } else { place },
            latency_budget,
            polls,
        }
    }

    fn request(&self, world: &World) -> Request<SimBody> {
        let url = match self.place {
            Place::Foreign => "https://evil.test".to_owned(),
            _ => world.server.api_url(),
        };
        let body = if self.one_shot {
            SimBody::one_shot(&self.body)
        } else {
            SimBody::whole(self.body.clone())
        };
        let mut request = Request::new(body);
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = format!("{url}/things?id={}", self.id).parse().unwrap();
        let headers = request.headers_mut();
        headers.insert(ID, self.id.into());
        headers.append("x-note", "first".parse().unwrap());
        headers.append("x-note", "second".parse().unwrap());
        if self.place == Place::Own {
            headers.insert("authorization", OWN.parse().unwrap());
        }
        request
    }

    /// Returns whether the layer keeps such a request for a second send.
    fn is_kept(&self, mode: ReplayMode) -> bool {
        match mode {
            ReplayMode::Cheap => self.body.is_empty() && !self.one_shot,
            ReplayMode::With => !self.one_shot,
            ReplayMode::Off => false,
        }
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let length = self.body.len();
        let body = if self.one_shot { "one-shot" } else { "whole" };
        write!(f, "{} {:?}, {length} bytes {body}", self.method, self.place)?;
        if let Some(latency_budget) = self.latency_budget {
            write!(f, ", patient for {latency_budget:?}")?;
        }
        self.polls
            .map_or(Ok(()), |polls| write!(f, ", for {polls} polls"))
    }
}

/// Sends a request, and checks everything that is visible of it.
pub(crate) async fn run<S>(world: Arc<World>, client: S, plan: Plan) -> Option<Answer>
where
    S: Service<Request<SimBody>, Response = Response<MemoryBody>, Error = Error<MemoryError>>,
{
    let id = plan.id;
    world.note(format_args!("request {id} begins: {plan}"));
    match plan.place {
        Place::Api if plan.one_shot => world.hit(event::STREAM),
        Place::Api => {}
        Place::Own => world.hit(event::OWN_CREDENTIAL),
        Place::Foreign => world.hit(event::FOREIGN),
    }
    let call = pin!(client.oneshot(plan.request(&world)));
    let watched = Watched {
        call,
        world: &world,
        plan: &plan,
        polls: 0,
    };
    let ended = time::timeout(plan.latency_budget.unwrap_or(LONGEST), watched).await;
    let answer = match ended {
        Ok(answer) => answer,
        Err(_) => {
            let silent = sends(&world, id).last().is_some_and(|send| send.silent);
            if plan.latency_budget.is_some() {
                world.hit(event::CANCELLED_BY_TIME);
            } else if !silent {
                world.violation(format_args!("request {id} hangs"));
            }
            None
        }
    };
    check_sends(&world, &plan);
    if let Some(answer) = &answer {
        check_answer(&world, &plan, answer);
    }
    world.lock().sends.remove(&id);
    answer
}

/// Checks the world before and after each poll. Ends without an answer when the caller is
/// cancelled.
struct Watched<'a, F> {
    call: Pin<&'a mut F>,
    world: &'a World,
    plan: &'a Plan,
    polls: u32,
}

impl<F: Future<Output = Answer>> Future for Watched<'_, F> {
    type Output = Option<Answer>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Answer>> {
        let (world, plan) = (self.world, self.plan);
        let first = self.polls == 0;
        self.polls += 1;
        let usable = world.lock().model.usable(world.now()).map(str::to_owned);
        let polled = self.call.as_mut().poll(cx);
        if first
            && plan.place == Place::Api
            && !world.scenario.slow_readiness
            && let Some(token) = usable
        {
            let sent = sends(world, plan.id);
            let line = sent.first().and_then(|send| send.credential.as_deref());
            if line.and_then(|line| line.strip_prefix("Bearer ")) != Some(&*token) {
                let id = plan.id;
                world.violation(format_args!(
                    "request {id} was not sent at once with {token}"
                ));
            }
        }
        match polled {
            Poll::Ready(answer) => {
                if let Ok(response) = &answer {
                    let_stand(world, plan.id, response);
                }
                Poll::Ready(Some(answer))
            }
            Poll::Pending if plan.polls == Some(self.polls) => {
                world.hit(event::CANCELLED_BY_POLLS);
                Poll::Ready(None)
            }
            Poll::Pending => Poll::Pending,
        }
    }
}

/// A refusal without consequence leaves its token in use.
fn let_stand(world: &World, id: u64, response: &Response<MemoryBody>) {
    let outcome = AuthOutcome::of(response);
    let (kind, twice) = match outcome.not_replayed() {
        Some(NotReplayed::RefusalBackOff) => (event::REFUSAL_BACK_OFF, false),
        Some(NotReplayed::Twice) => (event::TWICE, true),
        _ => return,
    };
    world.hit(kind);
    let Some(token) = sends(world, id).pop().and_then(|send| send.refused) else {
        return;
    };
    let model = &mut world.lock().model;
    if twice {
        model.refused_twice(&token, world.now())
    } else {
        model.let_stand(&token)
    }
}

/// For any result of the request: each send was complete, and all sends were equal.
fn check_sends(world: &World, plan: &Plan) {
    let id = plan.id;
    let sends = sends(world, id);
    let most = if plan.is_kept(world.scenario.replay) {
        2
    } else {
        1
    };
    if sends.len() > most {
        world.violation(format_args!("request {id} was sent {} times", sends.len()));
    }
    if sends.iter().any(|send| send.head != sends[0].head) {
        world.violation(format_args!(
            "the sends of request {id} have different heads"
        ));
    }
    for send in sends {
        let body = send.body.lock().unwrap().clone();
        let whole = body.ended && body.bytes == plan.body;
        if send.early && !body.ended && plan.body.starts_with(&body.bytes) {
            continue;
        }
        // Its reader may have been dropped.
        if !whole && plan.place != Place::Foreign {
            let read = body.bytes.len();
            world.violation(format_args!(
                "{read} bytes of the body of request {id} were sent"
            ));
        }
    }
}

fn check_answer(world: &World, plan: &Plan, answer: &Answer) {
    let id = plan.id;
    let sends = sends(world, id);
    match answer {
        Ok(response) => {
            world.note(format_args!("request {id} ends with {}", response.status()));
            let outcome = AuthOutcome::of(response);
            let last = sends.len().checked_sub(1);
            let answers = response.headers().get(ANSWERS);
            let answers = answers.and_then(|number| number.to_str().ok()?.parse().ok());
            if answers != last || usize::from(outcome.sends()) != sends.len() {
                world.violation(format_args!("request {id} got an answer to another send"));
            }
            let ours = plan.place == Place::Api;
            if ours && is_refusal(response) && outcome.not_replayed().is_none() {
                world.violation(format_args!("the refusal of request {id} has no reason"));
            }
        }
        Err(Error::Auth(error)) => {
            world.note(format_args!("request {id} fails: {error}"));
            if error.kind() == ErrorKind::Quota {
                world.hit(event::OVER_QUOTA);
            }
            // A refusal is dropped before readiness is polled again, and cannot be returned if the
            // new token expires meanwhile.
            if !sends.is_empty() && !world.scenario.slow_readiness {
                world.violation(format_args!(
                    "request {id} was sent and failed for its token"
                ));
            }
            if error.retry_after().is_none_or(|wait| wait > LONGEST_WAIT) {
                world.violation(format_args!("the error of request {id} says no time"));
            }
        }
        Err(Error::Inner(error)) => {
            world.note(format_args!("request {id} fails below: {error}"));
            if !sends.last().is_some_and(|send| send.reset) {
                world.violation(format_args!(
                    "request {id} has an error that no component reported"
                ));
            }
        }
    }
}

fn sends(world: &World, id: u64) -> Vec<crate::world::Send> {
    world.lock().sends.get(&id).cloned().unwrap_or_default()
}

/// Longer than two token requests with their floors and two slow answers.
const LONGEST: Duration = Duration::from_secs(60);
/// The longest `Retry-After` that is obeyed, which is also the quota's window.
const LONGEST_WAIT: Duration = Duration::from_secs(3_600);
