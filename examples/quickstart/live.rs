//! The same client with the user's server.

use std::{
    error::Error,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use auth_core::{AccessToken, Authenticator, Credentials, Origins, TokenRequest, TokenSource};
use auth_oauth2::{Client, ClientCredentials};
use auth_reqwest::{ReqwestService, ReqwestTransport};
use auth_tower::{AuthLayer, AuthOutcome};
use http::{Request, StatusCode};
use serde_json::json;
use tokio::{
    sync::Semaphore,
    task::JoinSet,
    time::{self, Instant},
};
use tower::{ServiceBuilder, ServiceExt};

use crate::{arguments::Live, client::Body, report::Report};

pub(crate) async fn run(live: &Live, report: &mut Report) -> Result<(), Box<dyn Error>> {
    let token_requests = Arc::new(AtomicU64::new(0));
    let lifetime = Arc::new(OnceLock::new());
    let source = Counted {
        source: source(live)?,
        token_requests: Arc::clone(&token_requests),
        lifetime: Arc::clone(&lifetime),
    };
    let authenticator =
        Authenticator::builder(source, Origins::danger_allow_http([&live.api_url])?)
            .vendor("the server")
            .build()?;
    let client = ServiceBuilder::new()
        .layer(AuthLayer::new(authenticator))
        .service(ReqwestService::new()?);

    let start = Instant::now();
    let mut ticks =
        time::interval((live.spread / live.requests.max(1)).max(Duration::from_micros(1)));
    ticks.set_missed_tick_behavior(time::MissedTickBehavior::Burst);
    let room = Arc::new(Semaphore::new(live.concurrency));
    let mut requests = JoinSet::new();
    for _ in 0..live.requests {
        ticks.tick().await;
        let place = Arc::clone(&room).acquire_owned().await?;
        let request = Request::get(&live.api_url).body(Body::default())?;
        let response = client.clone().oneshot(request);
        requests.spawn(async move {
            let result = response.await;
            drop(place);
            result.map(|response| (response.status(), AuthOutcome::of(&response)))
        });
    }
    let mut seen = Seen::default();
    while let Some(result) = requests.join_next().await {
        seen.add(result?);
    }
    let Seen {
        failed,
        replays,
        waited,
        first_failure,
    } = seen;
    let token_requests = token_requests.load(Ordering::Relaxed);
    let lifetimes = lifetime.get().map(|lifetime| {
        let renewed_after = lifetime.mul_f64(RENEWED_AFTER);
        start.elapsed().div_duration_f64(renewed_after).ceil() as u64
    });
    report.story(
        "live",
        json!({
            "requests": live.requests,
            "failed": failed,
            "replays": replays,
            "token_requests": token_requests,
            "lifetimes": lifetimes,
            "waited_ms_max": waited.as_millis() as u64,
        }),
        &format!(
            "{} requests: {failed} failed, {replays} sent once more, {token_requests} token requests, at most \
             {} ms waited for a token{}",
            live.requests,
            waited.as_millis(),
            first_failure.map(|failure| format!("; first failure: {failure}")).unwrap_or_default()
        ),
        &[("0 failed requests", failed == 0)],
    );
    Ok(())
}

fn source(live: &Live) -> Result<ClientCredentials, Box<dyn Error>> {
    let mut client = Client::builder(&live.token_url, &live.client_id, ReqwestTransport::new()?)
        .secret(live.client_secret.clone());
    if live.token_url.starts_with("http:") {
        client = client.danger_allow_http(&live.token_url)?;
    }
    if let Some(scope) = &live.scope {
        client = client.scope(scope);
    }
    if let Some(resource) = &live.resource {
        client = client.resource(resource);
    }
    Ok(client.build()?.client_credentials())
}

/// Counts the token requests of a source.
struct Counted {
    source: ClientCredentials,
    token_requests: Arc<AtomicU64>,
    /// The lifetime that the server states for its first token.
    lifetime: Arc<OnceLock<Duration>>,
}

impl TokenSource for Counted {
    async fn fetch(&self, token_request: TokenRequest) -> Result<AccessToken, auth_core::Error> {
        self.token_requests.fetch_add(1, Ordering::Relaxed);
        let token = self.source.fetch(token_request).await?;
        if let Some(lifetime) = token.lifetime() {
            self.lifetime.get_or_init(|| lifetime);
        }
        Ok(token)
    }

    async fn credentials(&self) -> Result<Credentials, auth_core::Error> {
        self.source.credentials().await
    }
}

#[derive(Default)]
struct Seen {
    failed: u64,
    replays: u64,
    waited: Duration,
    first_failure: Option<String>,
}

impl Seen {
    fn add<E: Error>(&mut self, result: Result<(StatusCode, AuthOutcome), E>) {
        let failure = match result {
            Ok((status, outcome)) => {
                self.replays += u64::from(outcome.sends() > 1);
                self.waited = self.waited.max(outcome.waited());
                (!status.is_success()).then(|| status.to_string())
            }
            Err(error) => Some(error.to_string()),
        };
        if let Some(failure) = failure {
            self.failed += 1;
            self.first_failure.get_or_insert(failure);
        }
    }
}

/// A token is renewed after this share of the stated lifetime on average: the default policy
/// chooses a random share between 0.75 and 0.8.
const RENEWED_AFTER: f64 = 0.775;
