//! The routes, and how the service starts and ends.

use std::{
    future::Future,
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use auth_core::SharedClock;
use axum::{Router, body::Body, extract::State, routing::get};
use http::{HeaderMap, Response, header};
use tokio::net::TcpListener;

use crate::{
    failure::{Behalf, Failure},
    inbound::{User, Verify},
    outbound::{Answer, Outbound},
};

#[derive(Clone)]
struct Service {
    outbound: Outbound,
    verify: Verify,
    clock: SharedClock,
    is_ready: Arc<AtomicBool>,
}

/// All that the service does.
pub(crate) fn router(outbound: Outbound, verify: Verify, clock: SharedClock) -> Router {
    Router::new()
        .route("/things", get(things))
        .route("/my/things", get(my_things))
        .route("/readyz", get(ready))
        .route("/healthz", get(health))
        .with_state(Service {
            outbound,
            verify,
            clock,
            is_ready: Arc::default(),
        })
}

/// Serves until `stop` comes: then nobody new is let in, and who is in is served to the end.
pub(crate) async fn serve(
    listener: TcpListener,
    router: Router,
    stop: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    axum::serve(listener, router)
        .with_graceful_shutdown(stop)
        .await
}

async fn things(State(service): State<Service>) -> Result<Response<Body>, Failure> {
    let answer = service.outbound.get("/things").await;
    pass_on(answer, Behalf::Itself)
}

async fn my_things(
    State(service): State<Service>,
    headers: HeaderMap,
) -> Result<Response<Body>, Failure> {
    let user = User::of(&headers, &service.verify).ok_or(Failure::SignIn)?;
    if user.has_expired(service.clock.now()) {
        service.outbound.forget(&user);
        return Err(Failure::SignIn);
    }
    let answer = service.outbound.get_as(&user, "/things").await;
    pass_on(answer, Behalf::User)
}

/// Not ready before there is a token. Each probe asks for one, so nothing has to run beside; the
/// authenticator takes care that the vendor is not asked too often. Once ready it stays so: when
/// the vendor fails, no balancer is to take all instances away, for some things may still go well.
async fn ready(State(service): State<Service>) -> Result<&'static str, Failure> {
    if !service.is_ready.load(Ordering::Relaxed) {
        let warm = service.outbound.warm_up().await;
        warm.map_err(|error| Failure::Unavailable(error.retry_after()))?;
        service.is_ready.store(true, Ordering::Relaxed);
    }
    Ok("ready\n")
}

async fn health(State(service): State<Service>) -> String {
    let Service { outbound, .. } = service;
    format!("{}\n{} users\n", outbound.health(), outbound.users())
}

/// Gives the caller the body of a good answer, and nothing else of it: its other headers are
/// between the API and this service.
fn pass_on(answer: Answer, behalf: Behalf) -> Result<Response<Body>, Failure> {
    let answer = answer.map_err(|error| Failure::of_call(error, behalf))?;
    if !answer.status().is_success() {
        return Err(Failure::of_answer(&answer, behalf));
    }
    let content_type = answer.headers().get(header::CONTENT_TYPE).cloned();
    let mut response = Response::new(answer.into_body());
    if let Some(content_type) = content_type {
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, content_type);
    }
    Ok(response)
}
