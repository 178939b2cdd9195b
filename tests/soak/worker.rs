//! A process of the soak. It sends requests until a line of its input says otherwise.
//!
//! | line | effect |
//! |---|---|
//! | `report` | writes a line of JSON: a [`Report`] |
//! | `finish` | ends the requests, drops the clients, writes the last report, and ends |

use std::{
    collections::{BTreeMap, HashMap},
    env,
    io::{self, BufRead as _, Write as _},
    process::ExitCode,
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use auth_core::{
    Authenticator, AuthenticatorMap, AuthenticatorOptions, Key, Origins, RefreshPolicy, Secret,
};
use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use serde::{Deserialize, Serialize};
use tokio::{
    runtime::{self, Handle},
    sync::{
        mpsc::{self, UnboundedReceiver},
        watch,
    },
    task::JoinSet,
    time::{self, Instant, MissedTickBehavior},
};
use tower::ServiceExt as _;
use tracing_subscriber::{
    Layer as _, filter::Targets, fmt::format::FmtSpan, layer::SubscriberExt as _,
};

use crate::{
    client::{self, Http, Kind},
    place,
    vendors::{Access, EARLIEST, PERSON, PLAIN, POLICY_DEADLINE, REFRESH_AT},
};

/// The variable with the [`Settings`], which make this program a process of the soak.
pub(crate) const SETTINGS: &str = "AUTH_SOAK_WORKER";

#[derive(Clone, Serialize, Deserialize)]
pub(crate) enum Settings {
    /// One of the processes that share a store.
    Fleet {
        store: String,
        hyper: bool,
        plain: Access,
        person: Access,
    },
    Keyed(Access),
}

/// What a process has done since its start.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Report {
    pub(crate) traffic: BTreeMap<String, Counts>,
    /// Tasks of its runtime.
    pub(crate) tasks: usize,
}

/// What became of the requests of one kind.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Counts {
    pub(crate) requests: u64,
    /// Requests without a response, by kind of error.
    pub(crate) failed: BTreeMap<String, u64>,
    /// Responses by status.
    pub(crate) statuses: BTreeMap<u16, u64>,
    /// Keyed requests: lifetimes of tokens, if each begins at the earliest renewal of the one before.
    pub(crate) lifetimes: u64,
    /// Authenticators in the map.
    pub(crate) entries: usize,
    /// The longest request, in milliseconds.
    pub(crate) longest: u64,
    /// The latest errors, a few.
    pub(crate) errors: Vec<String>,
}

pub(crate) fn is_asked_for() -> bool {
    env::var_os(SETTINGS).is_some()
}

pub(crate) fn run() -> ExitCode {
    let settings = serde_json::from_str(&env::var(SETTINGS).unwrap()).unwrap();
    log();
    let mut builder = runtime::Builder::new_multi_thread();
    let runtime = builder.worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(work(settings));
    ExitCode::SUCCESS
}

/// Logs all of this workspace's events and spans, and other crates' from DEBUG, to the standard
/// error.
fn log() {
    let levels = Targets::new()
        .with_default(tracing::Level::DEBUG)
        .with_target("auth_", tracing::Level::TRACE);
    // Without times, so that most lines are repeated and searched once.
    let format = tracing_subscriber::fmt::layer()
        .with_ansi(false)
        .without_time()
        .with_span_events(FmtSpan::NEW)
        .with_writer(io::stderr);
    let subscriber = tracing_subscriber::registry().with(format.with_filter(levels));
    tracing::subscriber::set_global_default(subscriber).unwrap();
}

async fn work(settings: Settings) {
    let mut lines = lines();
    let mut traffic = Traffic::new();
    match settings {
        Settings::Fleet {
            store,
            hyper,
            plain,
            person,
        } => {
            let kind = if hyper { Kind::Hyper } else { Kind::Reqwest };
            let store = place::open(&store, Some(LATENCY_BUDGET));
            for (name, access) in [(PLAIN, plain), (PERSON, person)] {
                let options = options().store(store.clone());
                let authenticator = authenticator(kind, &access, name, options, None);
                let http = kind.signed(authenticator);
                traffic.start(name, http, move || get(&access));
            }
        }
        Settings::Keyed(access) => {
            let map = map(&access);
            for (name, kind) in [
                ("keyed-reqwest", Kind::Reqwest),
                ("keyed-hyper", Kind::Hyper),
            ] {
                let http = kind.keyed(map.clone());
                let mut keys = Keys::new(name, &traffic.counts, map.clone());
                let access = access.clone();
                traffic.start(name, http, move || {
                    let mut request = get(&access);
                    request.extensions_mut().insert(keys.next());
                    request
                });
            }
        }
    }
    // At the end of the input the program that started this one has ended.
    while let Some(line) = lines.recv().await {
        match line.as_str() {
            "report" => say(&traffic.report()),
            "finish" => break,
            other => panic!("`{other}` is not a command"),
        }
    }
    let mut report = traffic.end().await;
    // Whatever is left after a moment stays for ever.
    let tasks = || Handle::current().metrics().num_alive_tasks();
    let none = async {
        while tasks() > 0 {
            time::sleep(Duration::from_millis(20)).await;
        }
    };
    let _ = time::timeout(Duration::from_secs(3), none).await;
    report.tasks = tasks();
    say(&report);
}

fn options() -> AuthenticatorOptions {
    let policy = RefreshPolicy::default()
        .refresh_at(REFRESH_AT)
        .unwrap()
        .deadline(POLICY_DEADLINE)
        .unwrap()
        .backoff(Duration::from_millis(500), Duration::from_secs(2))
        .unwrap()
        // A password whose reply was lost twice is held back for so long. Default: 5 minutes.
        .probe_interval(Duration::from_secs(2))
        .unwrap();
    AuthenticatorOptions::new().policy(policy)
}

fn authenticator(
    kind: Kind,
    access: &Access,
    name: &str,
    options: AuthenticatorOptions,
    key: Option<&Key>,
) -> Authenticator {
    let client = auth_oauth2::Client::builder(
        &access.token_url,
        &access.client_id,
        client::transport(kind),
    )
    .secret(Secret::new(access.client_secret.as_str()))
    .danger_allow_http(&access.token_url)
    .unwrap()
    .build()
    .unwrap();
    let origins = Origins::danger_allow_http([&access.origin]).unwrap();
    let builder = if name == PERSON {
        let password = Secret::new(access.password.as_str());
        Authenticator::builder(client.password(&*access.user, password).unwrap(), origins)
    } else {
        Authenticator::builder(client.client_credentials(), origins)
    };
    let key = key.cloned();
    builder
        .vendor("soak")
        .key(key.unwrap_or_else(|| Key::builder("soak").client(name).build()))
        .options(options)
        .build()
        .unwrap()
}

/// Holds four times as many authenticators as are in use.
fn map(access: &Access) -> AuthenticatorMap {
    let access = access.clone();
    // One client for all keys, as in a service.
    let map = AuthenticatorMap::builder(move |key| {
        let options = options().shards(1);
        Ok(authenticator(
            Kind::Hyper,
            &access,
            "keyed",
            options,
            Some(key),
        ))
    });
    map.max_entries(4 * 2 * ACTIVE as usize).build().unwrap()
}

fn get(access: &Access) -> Request<Full<Bytes>> {
    let request = Request::get(format!("{}/things", access.api_url));
    request.body(Full::default()).unwrap()
}

/// The keys of one client: [`ACTIVE`] at a time. A key goes and another comes after [`STAYS`]
/// requests.
struct Keys {
    name: &'static str,
    counts: Arc<Mutex<BTreeMap<String, Counts>>>,
    map: AuthenticatorMap,
    requests: u64,
    random: fastrand::Rng,
    /// When each was first used, and its lifetimes so far.
    active: HashMap<u64, (Instant, u64)>,
}

impl Keys {
    fn new(
        name: &'static str,
        counts: &Arc<Mutex<BTreeMap<String, Counts>>>,
        map: AuthenticatorMap,
    ) -> Self {
        Self {
            name,
            counts: Arc::clone(counts),
            map,
            requests: 0,
            random: fastrand::Rng::with_seed(1),
            active: HashMap::new(),
        }
    }

    fn next(&mut self) -> Key {
        let first = self.requests / STAYS;
        self.requests += 1;
        self.active.retain(|number, _| *number >= first);
        let number = first + self.random.u64(..ACTIVE);
        let now = Instant::now();
        let (since, counted) = self.active.entry(number).or_insert((now, 0));
        let lifetimes = 1 + now.duration_since(*since).as_millis() / EARLIEST.as_millis();
        let new = lifetimes as u64 - *counted;
        *counted = lifetimes as u64;
        let mut counts = self.counts.lock().unwrap();
        let counts = counts.entry(self.name.to_owned()).or_default();
        counts.lifetimes += new;
        counts.entries = self.map.len();
        let subject = Secret::new(format!("user-{}-{number}", self.name));
        Key::builder("soak").subject(&subject).build()
    }
}

/// The requests of this process.
struct Traffic {
    counts: Arc<Mutex<BTreeMap<String, Counts>>>,
    tasks: JoinSet<()>,
    ends: watch::Sender<bool>,
}

impl Traffic {
    fn new() -> Self {
        Self {
            counts: Arc::default(),
            tasks: JoinSet::new(),
            ends: watch::Sender::new(false),
        }
    }

    /// Starts to send requests, a few at the same time.
    fn start(
        &mut self,
        name: &'static str,
        http: Http,
        mut next: impl FnMut() -> Request<Full<Bytes>> + Send + 'static,
    ) {
        let counts = Arc::clone(&self.counts);
        let mut ends = self.ends.subscribe();
        self.tasks.spawn(async move {
            let mut often = time::interval(EVERY);
            often.set_missed_tick_behavior(MissedTickBehavior::Delay);
            let mut sent = JoinSet::new();
            loop {
                tokio::select! {
                    biased;
                    _ = ends.wait_for(|ends| *ends) => break,
                    Some(_) = sent.join_next() => {}
                    _ = often.tick(), if sent.len() < AT_ONCE => {
                        let (http, request) = (http.clone(), next());
                        sent.spawn(one(name, http, request, Arc::clone(&counts)));
                    }
                }
            }
            // Each ends by itself.
            while sent.join_next().await.is_some() {}
        });
    }

    fn report(&self) -> Report {
        let mut counts = self.counts.lock().unwrap();
        let report = Report {
            traffic: counts.clone(),
            tasks: Handle::current().metrics().num_alive_tasks(),
        };
        counts.values_mut().for_each(|counts| counts.errors.clear());
        report
    }

    async fn end(mut self) -> Report {
        self.ends.send_replace(true);
        while self.tasks.join_next().await.is_some() {}
        self.report()
    }
}

async fn one(
    name: &'static str,
    http: Http,
    request: Request<Full<Bytes>>,
    counts: Arc<Mutex<BTreeMap<String, Counts>>>,
) {
    let sent = Instant::now();
    let ended = time::timeout(PATIENCE, http.oneshot(request)).await;
    let mut counts = counts.lock().unwrap();
    let counts = counts.entry(name.to_owned()).or_default();
    counts.requests += 1;
    counts.longest = counts.longest.max(sent.elapsed().as_millis() as u64);
    let (kind, text) = match ended {
        Ok(Ok(status)) => {
            *counts.statuses.entry(status.as_u16()).or_default() += 1;
            return;
        }
        Ok(Err(failure)) => (failure.kind, failure.text),
        Err(_) => (STUCK.to_owned(), format!("no answer within {PATIENCE:?}")),
    };
    *counts.failed.entry(kind).or_default() += 1;
    if counts.errors.len() < 10 {
        counts.errors.push(text);
    }
}

fn say(report: &Report) {
    let mut out = io::stdout().lock();
    // After an error the other process has ended, and this one ends anyway.
    let _ = writeln!(out, "{}", serde_json::to_string(report).unwrap()).and_then(|()| out.flush());
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

/// The kind of a request that has no answer within [`PATIENCE`].
pub(crate) const STUCK: &str = "stuck";
/// Longer than any request may take.
const PATIENCE: Duration = Duration::from_secs(15);
const EVERY: Duration = Duration::from_millis(50);
const AT_ONCE: usize = 8;
/// Longer than Redis needs on a busy machine.
const LATENCY_BUDGET: Duration = Duration::from_millis(500);
/// The keys of each client that are in use at the same time.
pub(crate) const ACTIVE: u64 = 8;
const STAYS: u64 = 20;
