//! Real processes: this test program, started again with instructions in its environment.

use std::{env, process::Stdio, time::Duration};

use auth_core::{
    Authenticator, AuthenticatorOptions, LONGEST_LEASE, Origins, RefreshPolicy, Secret,
    TokenStore as _,
};
use auth_store_file::FileStore;
use auth_testkit::{Gate, Reply, TestServer};
use auth_tower::ServiceTransport;
use bytes::Bytes;
use http_body_util::Full;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader, Lines},
    process::{Child, ChildStdout, Command},
    time::{self, Instant},
};

use crate::temporary::{Temporary, key, shown};

/// Another process, which requests one token.
struct Process {
    child: Child,
    says: Lines<BufReader<ChildStdout>>,
}

impl Process {
    fn start(server: &TestServer, directory: &Temporary) -> Self {
        let mut child = Command::new(env::current_exe().unwrap());
        child
            .args(["processes::child", "--exact", "--nocapture"])
            .env("FILE_STORE_DIR", directory.store_dir())
            .env("FILE_STORE_TOKEN_URL", server.token_url())
            .env("FILE_STORE_CLIENT_ID", server.client_id())
            .env("FILE_STORE_CLIENT_SECRET", server.client_secret());
        Self::of(child)
    }

    fn of(mut command: Command) -> Self {
        let command = command.stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().unwrap();
        let says = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, says }
    }

    /// Waits until the process prints this word, and returns what follows.
    async fn says(&mut self, word: &str) -> String {
        let said = async {
            loop {
                let line = self.says.next_line().await.unwrap();
                let line = line.expect("the process ended without printing it");
                if let Some(rest) = line.strip_prefix(word) {
                    return rest.trim().to_owned();
                }
            }
        };
        time::timeout(PATIENCE, said)
            .await
            .expect("the process hangs")
    }
}

/// Not a test: holds a lease until it is killed.
#[tokio::test]
async fn lease_holder() {
    let Ok(directory) = env::var("FILE_STORE_LEASE_DIR") else {
        return;
    };
    let store = FileStore::new(directory).unwrap();
    let lease = store.lease(&key(), "child", LONGEST_LEASE).await;
    println!("\nheld {}", lease.unwrap());
    std::future::pending::<()>().await;
}

#[tokio::test]
async fn g17_the_lease_of_a_process_that_is_killed_is_free_at_the_next_look() {
    let directory = Temporary::new();
    let store = directory.store();
    for round in 0..3 {
        let mut child = Command::new(env::current_exe().unwrap());
        child
            .args(["processes::lease_holder", "--exact", "--nocapture"])
            .env("FILE_STORE_LEASE_DIR", directory.store_dir());
        let mut holder = Process::of(child);
        assert_eq!(holder.says("held").await, "true");
        for _ in 0..10 {
            let lease = store.lease(&key(), "next", LONGEST_LEASE).await;
            assert!(!lease.unwrap(), "the lease was taken from a live process");
        }
        // Kills it with SIGKILL, and waits for its end.
        holder.child.kill().await.unwrap();
        let lease = store.lease(&key(), "next", LONGEST_LEASE).await;
        assert!(lease.unwrap(), "{round}");
        store.release(&key(), "next").await.unwrap();
        // Only the shared lock file remains.
        assert_eq!(directory.names().len(), 1, "{:?}", directory.names());
    }
}

/// Not a test: the process that the other tests start.
#[tokio::test]
async fn child() {
    let Ok(directory) = env::var("FILE_STORE_DIR") else {
        return;
    };
    let set = |name: &str| env::var(format!("FILE_STORE_{name}")).unwrap();
    let client =
        Client::builder(TokioExecutor::new()).build::<_, Full<Bytes>>(HttpConnector::new());
    let source = auth_oauth2::Client::builder(
        set("TOKEN_URL"),
        set("CLIENT_ID"),
        ServiceTransport::new(client),
    )
    .secret(Secret::new(set("CLIENT_SECRET")))
    .danger_allow_http(&set("TOKEN_URL"))
    .unwrap()
    .build()
    .unwrap()
    .client_credentials();
    // A wait for another process's lease is part of a token request, and may end with it. The
    // caller then starts a new one at once, so that the lease decides how long it takes.
    let policy = RefreshPolicy::default()
        .deadline(DEADLINE)
        .unwrap()
        .backoff(SOON, SOON)
        .unwrap();
    let origins = Origins::new(["https://api.example.com"]).unwrap();
    let authenticator = Authenticator::builder(source, origins)
        .key(key())
        .options(
            AuthenticatorOptions::new()
                .policy(policy)
                .store(FileStore::new(directory).unwrap()),
        )
        .build()
        .unwrap();
    // On a line after the test runner's own output.
    println!("\nstarted");
    let mut last = None;
    for _ in 0..100 {
        match authenticator.token().await {
            Ok(token) => {
                println!("token {}", shown(&token));
                return;
            }
            Err(error) => {
                println!("waits: {error}");
                time::sleep(error.retry_after().unwrap_or(SOON)).await;
                last = Some(error);
            }
        }
    }
    panic!("no token: {last:?}");
}

#[tokio::test]
async fn processes_that_start_together_make_one_token_request() {
    let directory = Temporary::new();
    let server = TestServer::start().await;
    let gate = Gate::new();
    server.token().then(Reply::normal().answer_after(&gate));
    let mut processes: Vec<_> = (0..2)
        .map(|_| Process::start(&server, &directory))
        .collect();
    for process in &mut processes {
        process.says("started").await;
    }
    time::timeout(PATIENCE, gate.reached(1)).await.unwrap();
    gate.open();
    let one = processes[0].says("token").await;
    assert_eq!(one, processes[1].says("token").await);
    // And the processes that start later.
    for _ in 0..3 {
        let mut later = Process::start(&server, &directory);
        assert_eq!(one, later.says("token").await);
        assert!(later.child.wait().await.unwrap().success());
    }
    assert_eq!(server.counters().token_requests, 1);
    server.shutdown().await;
}

#[tokio::test]
async fn t33_a_killed_lease_holder_delays_the_next_process_by_two_seconds_at_most() {
    let directory = Temporary::new();
    let server = TestServer::start().await;
    let gate = Gate::new();
    server.token().then(Reply::normal().answer_after(&gate));
    let mut holder = Process::start(&server, &directory);
    time::timeout(PATIENCE, gate.reached(1)).await.unwrap();
    let mut next = Process::start(&server, &directory);
    next.says("started").await;
    let killed = Instant::now();
    // By its process id, with SIGKILL.
    holder.child.kill().await.unwrap();
    next.says("token").await;
    let waited = killed.elapsed();
    assert!(waited < Duration::from_secs(2), "{waited:?}");
    assert_eq!(server.counters().token_requests, 2);
    gate.open();
    server.shutdown().await;
}

/// The lease of one token request lasts 12 s.
const DEADLINE: Duration = Duration::from_secs(10);
const SOON: Duration = Duration::from_millis(50);
const PATIENCE: Duration = Duration::from_secs(60);
