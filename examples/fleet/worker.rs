//! One process of the fleet: sends requests like a real service, and reports its counts.

use std::{
    error::Error,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    io::{self, BufRead as _, Write as _},
    pin::pin,
    process::ExitCode,
    thread,
    time::Duration,
};

use auth_core::{Authenticator, AuthenticatorOptions, Quota, Secret, Token};
use auth_reqwest::{ReqwestService, ReqwestTransport};
use auth_tower::{Auth, AuthLayer, AuthOutcome};
use auth_verdigris::Verdigris;
use bytes::Bytes;
use http::{HeaderMap, Request, header};
use http_body_util::Full;
use serde::{Deserialize, Serialize};
use tokio::{
    sync::mpsc::{self, UnboundedReceiver},
    task::JoinSet,
    time::{self, MissedTickBehavior},
};
use tower::{ServiceBuilder, ServiceExt};

use crate::{
    meter::{Counts, Meter, MeteredStore, MeteredTransport},
    phase::{PerPhase, Phase},
    store::StoreSettings,
};

/// The argument that starts this process.
pub(crate) const NAME: &str = "worker";

/// The first line of a worker's input. Secrets in it do not appear in the list of processes.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Settings {
    pub(crate) token_url: String,
    pub(crate) base_url: String,
    pub(crate) client_id: String,
    pub(crate) client_secret: String,
    pub(crate) store: Option<StoreSettings>,
    /// Tokens per window, for all processes that share the store, or for this process without a
    /// store.
    pub(crate) quota: u32,
    /// The number of them that one process may use while the store is down.
    pub(crate) share: u32,
    pub(crate) window: Duration,
    pub(crate) requests_per_second: u32,
    /// The time after which the process ends in any case.
    pub(crate) longest: Duration,
}

/// Each following line. At the end of the input the program has ended, and the worker ends too.
#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Order {
    Enter(Phase),
    Finish,
}

/// Each line that a worker prints: once when it is ready, then every second, and at its end.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Report {
    pub(crate) counts: PerPhase<Counts>,
    pub(crate) first_failure: Option<String>,
    /// A number that identifies the worker's token.
    pub(crate) token: Option<u64>,
    pub(crate) finished: bool,
}

pub(crate) fn main() -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let ended = runtime
        .map_err(Into::into)
        .and_then(|runtime| runtime.block_on(work()));
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => crate::program::fail(&*error),
    }
}

async fn work() -> Result<(), Box<dyn Error>> {
    let mut lines = lines();
    let Some(first) = lines.recv().await else {
        return Ok(());
    };
    let settings: Settings = serde_json::from_str(&first)?;
    let meter = Meter::new();
    let authenticator = authenticator(&settings, &meter)?;
    let mut tokens = authenticator.watch();
    let client = ServiceBuilder::new()
        .layer(AuthLayer::new(authenticator))
        .service(ReqwestService::new()?);
    let url = format!("{}/core/v1/buildings/", settings.base_url);
    let mut token = None;
    say(&meter, token, false)?;

    let mut longest = pin!(time::sleep(settings.longest));
    let mut ticks = time::interval(Duration::from_secs(1) / settings.requests_per_second);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut reports = time::interval(Duration::from_secs(1));
    let mut requests = JoinSet::new();
    let mut begun = false;
    loop {
        tokio::select! {
            line = lines.recv() => {
                let Some(line) = line else { return Ok(()) };
                match serde_json::from_str(&line)? {
                    Order::Enter(phase) => meter.enter(phase),
                    Order::Finish => break,
                }
                begun = true;
            }
            _ = ticks.tick(), if begun => {
                requests.spawn(request(client.clone(), url.clone(), meter.clone()));
            }
            _ = reports.tick(), if begun => say(&meter, token, false)?,
            next = tokens.next(), if begun => token = next.ok().as_ref().map(fingerprint),
            Some(_) = requests.join_next() => {}
            () = &mut longest => return Err("the worker was not ended in time".into()),
        }
    }
    // Each of them ends in time.
    while requests.join_next().await.is_some() {}
    say(&meter, token, true)?;
    Ok(())
}

/// Makes the authenticator of a service with several instances. The measurement changes nothing.
fn authenticator(settings: &Settings, meter: &Meter) -> Result<Authenticator, auth_core::Error> {
    let secret = Secret::new(settings.client_secret.as_str());
    let transport = MeteredTransport {
        inner: ReqwestTransport::new()?,
        meter: meter.clone(),
    };
    let quota = Quota::new(settings.quota, settings.window)?.without_store(settings.share)?;
    let mut options = AuthenticatorOptions::new().quota(quota);
    if let Some(store) = settings.store.clone() {
        options = options.store(MeteredStore {
            inner: store.open()?,
            meter: meter.clone(),
        });
    }
    Verdigris::builder(&settings.client_id, secret, transport)
        .options(options)
        .token_url(&settings.token_url)
        .base_url(&settings.base_url)
        // The vendor is on this machine. A real one is reached over https.
        .danger_allow_http(&settings.base_url)?
        .danger_allow_http(&settings.token_url)?
        .build()
}

async fn request(client: Auth<ReqwestService>, url: String, meter: Meter) {
    match time::timeout(PATIENCE, send(client, &url)).await {
        Ok(Ok(waited)) => meter.succeeded(waited),
        Ok(Err(error)) => meter.failed(|| error.to_string()),
        Err(_) => meter.failed(|| format!("no answer within {PATIENCE:?}")),
    }
}

/// Sends a request. Returns how long it waited for a token.
async fn send(
    client: Auth<ReqwestService>,
    url: &str,
) -> Result<Duration, Box<dyn Error + Send + Sync>> {
    let request = Request::get(url).body(Full::<Bytes>::default())?;
    let response = client.oneshot(request).await?;
    let waited = AuthOutcome::of(&response).waited();
    let response = reqwest::Response::from(response).error_for_status()?;
    // Read completely, so that the connection can be used again.
    response.bytes().await?;
    Ok(waited)
}

fn say(meter: &Meter, token: Option<u64>, finished: bool) -> Result<(), Box<dyn Error>> {
    let report = Report {
        counts: meter.counts(),
        first_failure: meter.first_failure(),
        token,
        finished,
    };
    let mut out = io::stdout().lock();
    writeln!(out, "{}", serde_json::to_string(&report)?)?;
    out.flush()?;
    Ok(())
}

/// Returns a number that is equal in all processes that use the same token.
fn fingerprint(token: &Token) -> u64 {
    let mut headers = HeaderMap::new();
    token.sign(&mut headers);
    let mut hasher = DefaultHasher::new();
    headers[header::AUTHORIZATION].as_bytes().hash(&mut hasher);
    hasher.finish()
}

/// Read by a thread, because a read of the standard input cannot be cancelled.
fn lines() -> UnboundedReceiver<String> {
    let (to, lines) = mpsc::unbounded_channel();
    thread::spawn(move || {
        let mut lines = io::stdin().lock().lines().map_while(Result::ok);
        lines.all(|line| to.send(line).is_ok());
    });
    lines
}

const PATIENCE: Duration = Duration::from_secs(10);
