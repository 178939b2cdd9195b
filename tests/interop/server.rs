use std::{
    env, fs,
    io::Error as IoError,
    path::PathBuf,
    process::{self, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
    time,
};

/// The HTTP client below the layer.
pub(crate) type Http = Client<HttpConnector, Full<Bytes>>;

/// Makes a client without connections.
pub(crate) fn http() -> Http {
    Client::builder(TokioExecutor::new()).build_http()
}

/// A real authorization server with a protected resource, in another process.
///
/// Dropping it kills the process and removes its files.
pub(crate) struct Server {
    _process: Child,
    files: Files,
    origin: String,
    issuer: String,
    token_endpoint: String,
    http: Http,
}

impl Server {
    /// Starts a server on a free port, with flags that its README lists.
    pub(crate) async fn start(flags: &[&str]) -> Self {
        let files = Files::new();
        let log = fs::File::create(files.log()).expect("a log file can be made");
        let node = env::var_os("AUTH_INTEROP_NODE").unwrap_or_else(|| "node".into());
        let mut process = Command::new(node)
            .arg(concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/tests/interop/oidc-provider/server.mjs"
            ))
            .args(["--port", "0", "--max-seconds", "120", "--state-dir"])
            .arg(files.0.join("state"))
            .args(flags)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|error| panic!("node cannot be started ({error}): {HELP}"));

        let output = process.stdout.take().expect("the output is piped");
        let mut line = String::new();
        let mut output = BufReader::new(output);
        time::timeout(START, output.read_line(&mut line))
            .await
            .unwrap_or_else(|_| Err(IoError::other("it did not get ready in time")))
            .unwrap_or_else(|error| panic!("the server did not start: {error}\n{}", files.said()));
        let ready: Value = serde_json::from_str(&line)
            .unwrap_or_else(|_| panic!("the server did not start: {HELP}\n{}", files.said()));

        let text = |field: &str| ready[field].as_str().expect(field).to_owned();
        let resource = text("resource");
        let origin = resource
            .strip_suffix("/resource")
            .expect("the resource's path")
            .to_owned();
        Self {
            _process: process,
            files,
            origin,
            issuer: text("issuer"),
            token_endpoint: text("token_endpoint"),
            http: http(),
        }
    }

    /// Returns scheme, host and port of the authorization server and of the resource.
    pub(crate) fn origin(&self) -> &str {
        &self.origin
    }

    pub(crate) fn issuer(&self) -> &str {
        &self.issuer
    }

    pub(crate) fn token_endpoint(&self) -> &str {
        &self.token_endpoint
    }

    /// Returns the path of a file with the server's keys and certificates.
    pub(crate) fn state(&self, name: &str) -> PathBuf {
        self.files.0.join("state").join(name)
    }

    /// Returns all counters of the server.
    pub(crate) async fn stats(&self) -> Stats {
        Stats(self.ask(Method::GET, "/__stats", Bytes::new()).await)
    }

    /// Injects a fault or revokes all tokens. `what` is the body of `POST /__control`.
    pub(crate) async fn control(&self, what: Value) -> Value {
        self.ask(Method::POST, "/__control", what.to_string().into())
            .await
    }

    async fn ask(&self, method: Method, path: &str, body: Bytes) -> Value {
        let uri = format!("{}{path}", self.origin);
        let request = Request::builder()
            .method(method)
            .uri(uri)
            .body(Full::new(body));
        let response = self.http.request(request.expect("a request")).await;
        let response = response.unwrap_or_else(|e| panic!("{path}: {e}\n{}", self.files.said()));
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        let body = response
            .into_body()
            .collect()
            .await
            .expect("a whole reply")
            .to_bytes();
        serde_json::from_slice(&body).expect("JSON")
    }
}

/// Counters of the server since its start.
pub(crate) struct Stats(Value);

impl Stats {
    pub(crate) fn token_requests(&self) -> u64 {
        self.count(&["token_requests"])
    }

    pub(crate) fn discovery_requests(&self) -> u64 {
        self.count(&["discovery_requests"])
    }

    pub(crate) fn token_success(&self) -> u64 {
        self.count(&["token_success"])
    }

    /// Returns how many token requests the server rejected.
    pub(crate) fn token_errors(&self) -> u64 {
        self.count(&["token_errors"])
    }

    /// Returns how many token requests had this grant.
    pub(crate) fn token_by_grant(&self, grant: &str) -> u64 {
        self.count(&["token_by_grant", grant])
    }

    pub(crate) fn rate_limited(&self) -> u64 {
        self.count(&["rate_limited"])
    }

    pub(crate) fn resource_requests(&self) -> u64 {
        self.count(&["resource_requests"])
    }

    /// Returns how many responses of the resource had this status.
    pub(crate) fn resource_status(&self, status: StatusCode) -> u64 {
        self.count(&["resource_by_status", status.as_str()])
    }

    /// Returns how many token requests ended with this error code.
    pub(crate) fn token_error(&self, code: &str) -> u64 {
        self.count(&["token_error_codes", code])
    }

    /// How many token requests the server refused for a reason that contains this text. Clients do
    /// not see the reason.
    pub(crate) fn token_error_detail(&self, part: &str) -> u64 {
        let details = self.0["token_error_details"].as_object().into_iter();
        let details = details
            .flatten()
            .filter(|(reason, _)| reason.contains(part));
        details.filter_map(|(_, count)| count.as_u64()).sum()
    }

    fn count(&self, path: &[&str]) -> u64 {
        path.iter()
            .fold(&self.0, |value, field| &value[*field])
            .as_u64()
            .unwrap_or(0)
    }
}

/// The directory of one server, below cargo's directory for tests.
struct Files(PathBuf);

impl Files {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!(
            "interop-{}-{}",
            process::id(),
            NEXT.fetch_add(1, Ordering::Relaxed)
        );
        let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::create_dir_all(&path).expect("a directory can be made");
        Self(path)
    }

    fn log(&self) -> PathBuf {
        self.0.join("log")
    }

    fn said(&self) -> String {
        fs::read_to_string(self.log()).unwrap_or_default()
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        // A directory that remains is inside the target directory and has no effect.
        let _ = fs::remove_dir_all(&self.0);
    }
}

const START: Duration = Duration::from_secs(60);

const HELP: &str = "`cargo xtask test` installs what the server needs";
