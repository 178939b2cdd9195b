//! A process of the fleet: obeys one line of input after the other, until the input ends.
//!
//! | line | effect |
//! |---|---|
//! | `use KEY` | sends one request with that key's token, then writes `used KEY TOKEN` |
//! | `use KEY STEP` | the same, but stops at that step after writing `at KEY` |
//! | `load KEY` | sends one request after another; writes `now KEY TOKEN` when the token changes |
//! | `stop KEY` | ends the load, then writes `sum KEY REQUESTS LONGEST`, in milliseconds |
//! | `go` | releases the callers that wait at a point |
//!
//! It writes `failed KEY WHY` for a request that failed, and `lost KEY` for a lease that ended
//! before it was released.

use std::{
    collections::HashMap,
    env,
    io::{self, BufRead as _},
    net::SocketAddr,
    process,
    sync::Arc,
    time::Duration,
};

use auth_core::{
    AccessToken, Authenticator, AuthenticatorOptions, Credentials, Error, HttpHosts, Key, Origins,
    RefreshPolicy, Refusal, Secret, SharedTokenStore, Token, TokenRequest, TokenSource,
};
use auth_oauth2::ResourceOwnerPassword;
use http::{HeaderMap, header};
use tokio::{
    runtime, select,
    sync::mpsc::{self, UnboundedReceiver, UnboundedSender},
    time::{self, Instant},
};

use crate::{
    place,
    points::{Go, Halt, Step, Watched, say},
    server,
    wire::{self, Wire},
};

pub(crate) const STORE: &str = "AUTH_FLEET_STORE";
pub(crate) const SERVER: &str = "AUTH_FLEET_SERVER";
/// In milliseconds. Default: that of the store.
pub(crate) const LATENCY_BUDGET: &str = "AUTH_FLEET_LATENCY_BUDGET";
/// The deadline of one token request. It decides the length of leases, and how long a waiting
/// request continues after them: one second on each side is enough for a busy machine.
pub(crate) const DEADLINE: Duration = Duration::from_secs(1);

pub(crate) fn is_asked_for() -> bool {
    env::var_os(STORE).is_some()
}

pub(crate) fn run() -> ! {
    let mut builder = runtime::Builder::new_multi_thread();
    let runtime = builder.worker_threads(2).enable_all().build().unwrap();
    let process = Arc::new(Process::from_env());
    let mut keys: HashMap<String, UnboundedSender<Vec<String>>> = HashMap::new();
    for line in io::stdin().lock().lines().map_while(Result::ok) {
        let words: Vec<_> = line.split(' ').map(str::to_owned).collect();
        let Some(name) = words.get(1) else {
            process.go.on();
            continue;
        };
        let key = keys.entry(name.clone()).or_insert_with(|| {
            let (told, tells) = mpsc::unbounded_channel();
            let client = runtime.block_on(async { Client::new(&process, name) });
            runtime.spawn(client.obey(tells));
            told
        });
        key.send(words).unwrap();
    }
    // A caller that waits at a point must not outlive the process that started this one.
    process::exit(0);
}

struct Process {
    store: SharedTokenStore,
    server: SocketAddr,
    latency_budget: Option<Duration>,
    go: Arc<Go>,
}

impl Process {
    fn from_env() -> Self {
        let latency_budget = env::var(LATENCY_BUDGET).ok();
        Self {
            store: place::open(&env::var(STORE).unwrap(), None),
            server: env::var(SERVER).unwrap().parse().unwrap(),
            latency_budget: latency_budget
                .map(|millis| Duration::from_millis(millis.parse().unwrap())),
            go: Arc::default(),
        }
    }
}

/// The requests of one key.
struct Client {
    name: String,
    server: SocketAddr,
    halt: Arc<Halt>,
    authenticator: Authenticator,
}

impl Client {
    fn new(process: &Process, name: &str) -> Self {
        let server = process.server;
        let halt = Arc::new(Halt::new(name, Arc::clone(&process.go)));
        let store = Watched::new(
            process.store.clone(),
            Arc::clone(&halt),
            process.latency_budget,
        );
        let soon = Duration::from_millis(50);
        let policy = RefreshPolicy::default()
            .deadline(DEADLINE)
            .unwrap()
            .min_interval(Duration::from_millis(10))
            .unwrap()
            .backoff(soon, soon)
            .unwrap();
        let (url, secret) = (format!("http://{server}/token/{name}"), "fake-secret-1");
        let wire = Wire::new(server, Arc::clone(&halt));
        let mut http = HttpHosts::default();
        http.allow(&url).unwrap();
        let client = auth_oauth2::Client::builder(url, name, wire)
            .secret(Secret::new(secret))
            .danger_http_hosts(http)
            .build()
            .unwrap();
        let origins = Origins::new(["https://api.example.com"]).unwrap();
        let builder = if server::is_person(name) {
            let password = Secret::new("fake-password-1");
            let login = client.password("fake-user", password).unwrap();
            let first = Secret::new(server::first_refresh_token(name));
            Authenticator::builder(Person { login, first }, origins)
        } else {
            Authenticator::builder(client.client_credentials(), origins)
        };
        let authenticator = builder
            .key(Key::builder("fleet").client(name).build())
            .options(AuthenticatorOptions::new().policy(policy).store(store))
            .build();
        Self {
            name: name.to_owned(),
            server,
            halt,
            authenticator: authenticator.unwrap(),
        }
    }

    async fn obey(self, mut tells: UnboundedReceiver<Vec<String>>) {
        let name = &self.name;
        while let Some(words) = tells.recv().await {
            match words[0].as_str() {
                "load" => self.load(&mut tells).await,
                "use" => {
                    if let Some(step) = words.get(2) {
                        self.halt.arm(Step::of(step));
                    }
                    match self.request().await {
                        Ok(token) => say(&format!("used {name} {token}")),
                        Err(why) => say(&format!("failed {name} {why}")),
                    }
                }
                other => panic!("`{other}` is not a command"),
            }
        }
    }

    /// Sends requests until the next line of input.
    async fn load(&self, tells: &mut UnboundedReceiver<Vec<String>>) {
        let name = &self.name;
        let (mut requests, mut longest, mut last) = (0, Duration::ZERO, String::new());
        let mut often = time::interval(Duration::from_millis(5));
        loop {
            select! {
                biased;
                _ = tells.recv() => break,
                _ = often.tick() => {}
            }
            let sent = Instant::now();
            match self.request().await {
                Ok(token) if token == last => {}
                Ok(token) => {
                    say(&format!("now {name} {token}"));
                    last = token;
                }
                Err(why) => say(&format!("failed {name} {why}")),
            }
            requests += 1;
            longest = longest.max(sent.elapsed());
        }
        say(&format!("sum {name} {requests} {}", longest.as_millis()));
    }

    /// Sends a request like the layer: a refused token is replaced once. Returns the accepted
    /// token.
    async fn request(&self) -> Result<String, String> {
        let text = |error: Error| error.to_string();
        let token = self.authenticator.token().await.map_err(text)?;
        let (status, shown) = self.send(&token)?;
        if status != 401 {
            self.authenticator.report_accepted(token.generation());
            return Ok(shown);
        }
        let token = match self.authenticator.report_refused(token.generation()) {
            Refusal::Superseded(token) => token,
            Refusal::Renewing(acquire) | Refusal::TooYoung(acquire) => {
                acquire.await.map_err(text)?
            }
            Refusal::Failed(error) => return Err(text(error)),
            other => return Err(format!("a token was refused: {other:?}")),
        };
        let (status, shown) = self.send(&token)?;
        if status == 401 {
            return Err(format!("{shown} was refused in place of another"));
        }
        self.authenticator.report_accepted(token.generation());
        Ok(shown)
    }

    fn send(&self, token: &Token) -> Result<(u16, String), String> {
        let mut headers = HeaderMap::new();
        token.sign(&mut headers);
        let path = format!("/api/{}", self.name);
        let reply = wire::call(self.server, "GET", &path, &headers, b"");
        let (status, _) = reply.map_err(|error| error.to_string())?;
        let shown = headers[header::AUTHORIZATION].to_str().unwrap();
        Ok((status, shown.trim_start_matches("Bearer ").to_owned()))
    }
}

/// A login by password that has a refresh token at the start, so that the first token request
/// spends it.
struct Person {
    login: ResourceOwnerPassword,
    first: Secret,
}

impl TokenSource for Person {
    async fn fetch(&self, token_request: TokenRequest) -> Result<AccessToken, Error> {
        self.login.fetch(token_request).await
    }

    async fn credentials(&self) -> Result<Credentials, Error> {
        self.login.credentials().await
    }

    fn keeps_refresh_tokens(&self) -> bool {
        true
    }

    async fn first_refresh_token(&self) -> Result<Option<Secret>, Error> {
        Ok(Some(self.first.clone()))
    }
}
