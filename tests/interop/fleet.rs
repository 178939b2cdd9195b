//! Twenty processes that prove themselves by assertions and share a store.
//!
//! A process is this program again, told by its environment to be a worker. A worker says `ready`,
//! and sends one request for each line that it is told; then it says the status.

use std::{
    env,
    io::{self, BufRead as _, Write as _},
    process::Stdio,
};

use auth_core::{AuthenticatorOptions, Secret, SharedTokenStore};
use auth_jwt::{JwtAlgorithm, JwtSigner, ServiceAccount};
use auth_oauth2::Client;
use auth_reqwest::ReqwestTransport;
use auth_store_file::FileStore;
use http::StatusCode;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
    runtime,
    task::JoinSet,
};

use crate::{
    assertions::ES256,
    bearer::{self, ROBOT},
    server::Server,
    stack::Api,
};

/// What a worker has to know, in JSON.
const WORKER: &str = "AUTH_INTEROP_WORKER";

pub(crate) fn is_worker() -> bool {
    env::var_os(WORKER).is_some()
}

/// Until nobody tells it any more.
#[expect(
    clippy::print_stdout,
    reason = "the process that started this one reads it"
)]
pub(crate) fn work() {
    let facts: Value = serde_json::from_str(&env::var(WORKER).unwrap()).unwrap();
    let mut builder = runtime::Builder::new_current_thread();
    let runtime = builder.enable_all().build().unwrap();
    let api = runtime.block_on(async { member(&facts) });
    println!("ready");
    for _ in io::stdin().lock().lines().map_while(Result::ok) {
        match runtime.block_on(api.get()) {
            Ok(answer) => println!("{}", answer.status.as_u16()),
            Err(error) => println!("{error}"),
        }
        io::stdout().flush().unwrap();
    }
}

fn member(facts: &Value) -> Api {
    let text = |name: &str| facts[name].as_str().unwrap();
    let (issuer, endpoint, key) = (text("issuer"), text("endpoint"), text("key"));
    let transport = ReqwestTransport::new().unwrap();
    let store = SharedTokenStore::new(FileStore::new(text("store")).unwrap());
    let options = AuthenticatorOptions::new().store(store);
    if key.contains(ROBOT) {
        let source = ServiceAccount::builder(Secret::new(key), transport);
        let source = source.danger_allow_http(endpoint).unwrap().build().unwrap();
        return Api::with_options(issuer, source, ROBOT, options);
    }
    let signer = JwtSigner::new(JwtAlgorithm::Es256, Secret::new(key));
    let client = Client::builder(endpoint, ES256, transport)
        .danger_allow_http(endpoint)
        .unwrap()
        .issuer(issuer)
        .client_assertion(signer)
        .build();
    let source = client.unwrap().client_credentials();
    Api::with_options(issuer, source, ES256, options)
}

/// One process; killed when it is dropped.
struct Worker {
    _process: Child,
    tells: ChildStdin,
    says: Lines<BufReader<ChildStdout>>,
}

impl Worker {
    async fn start(facts: &Value) -> Self {
        let mut process = Command::new(env::current_exe().unwrap())
            .env(WORKER, facts.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let tells = process.stdin.take().unwrap();
        let says = BufReader::new(process.stdout.take().unwrap()).lines();
        let mut this = Self {
            _process: process,
            tells,
            says,
        };
        assert_eq!(this.says().await, "ready");
        this
    }

    async fn says(&mut self) -> String {
        let line = self.says.next_line().await.unwrap();
        line.expect("the worker ended")
    }

    /// Lets the worker send one request, which is answered with 200.
    async fn request(mut self) -> Self {
        self.tells.write_all(b"go\n").await.unwrap();
        assert_eq!(self.says().await, StatusCode::OK.as_str());
        self
    }
}

pub(crate) async fn one_assertion_for_twenty_processes() {
    let server = Server::start(&[]).await;
    let key = std::fs::read_to_string(server.state("cc-jwt-es256.jwk.json")).unwrap();
    let key_file = bearer::key_file(&server, ROBOT).expose().to_owned();
    let mut made = 0;
    for (store, key) in [("fleet-1", key), ("fleet-2", key_file)] {
        let facts = json!({
            "issuer": server.issuer(), "endpoint": server.token_endpoint(), "key": key,
            "store": server.state(store),
        });
        let mut fleet = Vec::new();
        for _ in 0..20 {
            fleet.push(Worker::start(&facts).await);
        }
        // Cold, warm, and after the API refuses the token that all of them have.
        for requests in [1, 1, 2] {
            if requests == 2 {
                server.control(json!({ "revoke_all": true })).await;
            }
            let at_once: JoinSet<_> = fleet.into_iter().map(Worker::request).collect();
            fleet = at_once.join_all().await;
            let stats = server.stats().await;
            let counted = (stats.token_requests(), stats.token_success());
            assert_eq!(counted, (made + requests, made + requests));
        }
        made += 2;
    }
    let answered = server.stats().await.resource_status(StatusCode::OK);
    assert_eq!(answered, 2 * 3 * 20);
}
