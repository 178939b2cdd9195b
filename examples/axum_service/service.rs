//! The routes, among them those for operators, and how the service starts and ends.

use std::{
    future::Future,
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use auth_core::{Health, MapHealth, SharedClock};
use axum::{
    Json, Router,
    body::Body,
    extract::State,
    response::{Html, IntoResponse},
    routing::get,
};
use http::{HeaderMap, Response, StatusCode, header};
use metrics_exporter_prometheus::PrometheusHandle;
use serde::Serialize;
use tokio::net::TcpListener;

use crate::{
    failure::{Behalf, Failure},
    inbound::{User, Verify},
    journal::Journal,
    outbound::{Answer, Outbound},
    page::Page,
};

#[derive(Clone)]
struct Service {
    outbound: Outbound,
    verify: Verify,
    clock: SharedClock,
    operator: Operator,
    is_ready: Arc<AtomicBool>,
}

/// What the routes for operators read.
#[derive(Clone)]
pub(crate) struct Operator {
    pub(crate) journal: Arc<Journal>,
    pub(crate) metrics: PrometheusHandle,
}

/// All that the service does.
///
/// The routes for operators are among the others here, so that the example is short. A service on
/// the internet serves them on a separate port that only operators reach.
pub(crate) fn router(
    outbound: Outbound,
    verify: Verify,
    clock: SharedClock,
    operator: Operator,
) -> Router {
    Router::new()
        .route("/things", get(things))
        .route("/my/things", get(my_things))
        .route("/readyz", get(ready))
        .route("/healthz", get(health))
        .route("/metrics", get(metrics))
        .route("/tokens", get(tokens))
        .with_state(Service {
            outbound,
            verify,
            clock,
            operator,
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

#[derive(Serialize)]
struct Report {
    itself: Health,
    users: MapHealth,
}

/// 503 while requests fail for want of a token, or because the API refuses it; before the first
/// request, all is well. The body says why.
async fn health(State(service): State<Service>) -> impl IntoResponse {
    let report = Report {
        itself: service.outbound.health(),
        users: service.outbound.users_health(),
    };
    let status = if report.itself.is_failing() {
        StatusCode::SERVICE_UNAVAILABLE
    } else {
        StatusCode::OK
    };
    (status, Json(report))
}

/// For Prometheus.
async fn metrics(State(service): State<Service>) -> impl IntoResponse {
    let content_type = [(header::CONTENT_TYPE, "text/plain; version=0.0.4")];
    (content_type, service.operator.metrics.render())
}

/// For people.
async fn tokens(State(service): State<Service>) -> impl IntoResponse {
    let page = Page {
        itself: service.outbound.health(),
        users: service.outbound.users_health(),
        kept: service.operator.journal.kept(),
        now: service.clock.now(),
    };
    let headers = [
        // The page has its own style, and nothing else is loaded or run.
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; style-src 'unsafe-inline'",
        ),
        (header::CACHE_CONTROL, "no-store"),
    ];
    (headers, Html(page.html()))
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
