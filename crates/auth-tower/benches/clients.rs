//! The cost of a signed request around hyper-util's client, which sends HTTP/1.1 over loopback to a
//! server in the same thread. Counts the instructions of the whole program (client, server and
//! runtime) minus those of the same program without a layer, and measures its processor time.
#![expect(clippy::print_stdout, reason = "a bench prints its figures")]

#[path = "support/callgrind.rs"]
#[allow(dead_code, reason = "shared with other benches")]
mod callgrind;
#[path = "support/processor.rs"]
mod processor;
#[path = "support/report.rs"]
#[allow(dead_code, reason = "shared with other benches")]
mod report;
#[path = "support/retry.rs"]
mod retry;
#[path = "support/rw_lock.rs"]
mod rw_lock;
#[path = "support/warm.rs"]
#[allow(dead_code, reason = "shared with other benches")]
mod warm;

use std::{env, io, net::Ipv4Addr, process::ExitCode, time::Duration};

use auth_core::Origins;
use auth_tower::{AuthLayer, ReplayBodyLayer};
use bytes::Bytes;
use callgrind::Counts;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use report::{Limit, Report, Table, cell, median};
use retry::OnceMore;
use rw_lock::RwLockLayer;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tower::{Layer, Service, ServiceExt, retry::RetryLayer};
use tower_http::auth::AddAuthorizationLayer;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    if let [mode, contender, requests] = &arguments[..] {
        if mode == SEND {
            send(contender, requests.parse().expect("a number"));
            return ExitCode::SUCCESS;
        }
    }
    let mut report = Report::new("clients");
    futures(&mut report);
    time(&mut report);
    if !callgrind::is_installed() {
        report.not_measured(callgrind::MISSING);
        return report.finish();
    }
    match count(&mut report) {
        Ok(()) => report.finish(),
        Err(error) => {
            println!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// The first argument of a run that only sends requests. The others are the contender and the
/// number of requests.
const SEND: &str = "send";
const TOKEN: usize = 1024;

const BARE: &str = "hyper-util's client without a layer";
const STATIC: &str = "tower-http AddAuthorization";
const OFF: &str = "AuthLayer, replay off";
const RETRY: &str = "tower Retry(clone) + AddAuthorization";
const ON: &str = "AuthLayer";
const BODY: &str = "ReplayBodyLayer + AuthLayer";
const LOCK: &str = "hand-written layer, RwLock";
const CONTENDERS: [&str; 7] = [BARE, STATIC, OFF, RETRY, ON, BODY, LOCK];

fn count(report: &mut Report) -> Result<(), String> {
    let counts: Result<Vec<_>, String> = CONTENDERS
        .into_iter()
        .map(|contender| Counts::per_round(&[SEND, contender], 500, 1_500))
        .collect();
    let counts = counts?;
    let of = |name| {
        let at = CONTENDERS.iter().position(|contender| *contender == name);
        counts[at.expect("it is one of them")]
    };
    let mut table = Table::new(&[
        "HTTP/1.1 over loopback, a request",
        "instructions",
        "over AddAuthorization",
        "allocs",
    ]);
    for name in CONTENDERS {
        let counts = of(name);
        let over = counts - of(STATIC);
        report.note(format!("{name}: instructions"), counts.instructions);
        report.note(format!("{name}: allocations"), counts.allocations);
        table.row([
            name.to_owned(),
            cell(counts.instructions, 0),
            cell(over.instructions, 0),
            cell(counts.allocations, 2),
        ]);
    }
    table.print();
    let over = |name, base| (of(name) - of(base)).instructions;
    let added = over(STATIC, BARE);
    for (name, base, limit, goal) in [
        (OFF, BARE, 1.75, 1.0 + 320.0 / added),
        (ON, BARE, 2.55, 1.0 + 920.0 / added),
        (BODY, ON, 0.15, 120.0 / added),
    ] {
        report.goal(
            format!("{name}, instructions over {base}, of AddAuthorization's"),
            over(name, base) / added,
            Limit::AtMost(limit),
            Limit::AtMost(goal),
        );
    }
    Ok(())
}

// --- time ---

/// Measures the processor time of a request: client, server, runtime, and their system calls. The
/// contenders run in turn, and the median of the rounds counts.
fn time(report: &mut Report) {
    let rounds: Vec<Vec<f64>> = (0..ROUNDS)
        .map(|_| {
            let micros = |contender: &str| {
                send(contender, REQUESTS).as_secs_f64() * 1e6 / f64::from(REQUESTS)
            };
            CONTENDERS.into_iter().map(micros).collect()
        })
        .collect();
    let mut table = Table::new(&["HTTP/1.1 over loopback, processor time", "µs", "more"]);
    for (at, name) in CONTENDERS.into_iter().enumerate() {
        let micros = median(rounds.iter().map(|round| round[at]).collect());
        let more = median(rounds.iter().map(|round| round[at] - round[0]).collect());
        report.note(format!("{name}: µs"), micros);
        table.row([name.to_owned(), cell(micros, 1), cell(more, 2)]);
    }
    table.print();
}

const ROUNDS: u32 = 21;
const REQUESTS: u32 = 500;

// --- one contender ---

/// Sends this number of requests, one after the other. Returns the processor time.
fn send(contender: &str, requests: u32) -> Duration {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = runtime.expect("a runtime");
    runtime.block_on(async {
        let server = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
        let server = server.expect("a free port");
        let port = server.local_addr().expect("a socket").port();
        tokio::spawn(async move {
            loop {
                let (stream, _) = server.accept().await.expect("a connection");
                tokio::spawn(async move { serve(stream).await.expect("a client that asks") });
            }
        });
        // Made for every contender, because system calls cost more in a program with threads.
        let authenticator = authenticator(port);
        let layer = || AuthLayer::new(authenticator.clone());
        let token = warm::token(TOKEN);
        let added = || AddAuthorizationLayer::bearer(&token);
        let body = ReplayBodyLayer::new(64 * 1024);
        match contender {
            BARE => drive(client(), port, requests).await,
            STATIC => drive(added().layer(client()), port, requests).await,
            OFF => drive(layer().replay_off().layer(client()), port, requests).await,
            RETRY => {
                let signed = added().layer(client());
                drive(RetryLayer::new(OnceMore).layer(signed), port, requests).await
            }
            ON => drive(layer().layer(client()), port, requests).await,
            BODY => drive(body.layer(layer().layer(client())), port, requests).await,
            LOCK => {
                let lock = RwLockLayer::new(&token);
                drive(lock.layer(client()), port, requests).await
            }
            _ => panic!("no such contender: {contender}"),
        }
    })
}

fn client<B>() -> Client<HttpConnector, B>
where
    B: hyper::body::Body<Data = Bytes> + Send + 'static,
{
    Client::builder(TokioExecutor::new()).build_http()
}

fn authenticator(port: u16) -> auth_core::Authenticator {
    let origin = format!("http://127.0.0.1:{port}");
    let origins = Origins::danger_allow_http([origin]).expect("an origin");
    // In its own thread, because this thread runs a runtime.
    let make = move || warm::warm(warm::builder_to(TOKEN, origins));
    std::thread::spawn(make).join().expect("a token")
}

/// One request after the other, each with a clone of the service, as `oneshot` does. Returns the
/// processor time, without that of the first requests, which open the connection.
async fn drive<S>(service: S, port: u16, requests: u32) -> Duration
where
    S: Service<Request<Full<Bytes>>, Response = Response<Incoming>> + Clone,
    S::Error: std::fmt::Debug,
{
    let mut start = processor::time();
    for number in 0..FIRST + requests {
        if number == FIRST {
            start = processor::time();
        }
        let response = service.clone().oneshot(request(port)).await;
        let body = response.expect("an answer").into_body();
        body.collect().await.expect("a body");
    }
    processor::time() - start
}

const FIRST: u32 = 10;

fn request(port: u16) -> Request<Full<Bytes>> {
    let mut request = Request::new(Full::default());
    *request.uri_mut() = format!("http://127.0.0.1:{port}/v1/things/17?expand=all")
        .parse()
        .expect("a valid URI");
    let mut headers = HeaderMap::with_capacity(12);
    headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
    headers.insert(header::USER_AGENT, HeaderValue::from_static("bench/1.0"));
    headers.insert(
        HeaderName::from_static("x-request-id"),
        HeaderValue::from_str("01890a5d-ac96-774b-bcce-b302099a8057").expect("a valid value"),
    );
    *request.headers_mut() = headers;
    request
}

/// Answers each head with the same text.
async fn serve(mut stream: TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut read = Vec::with_capacity(64 * 1024);
    while stream.read_buf(&mut read).await? > 0 {
        if read.ends_with(b"\r\n\r\n") {
            read.clear();
            stream
                .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")
                .await?;
        }
    }
    Ok(())
}

// --- bytes of futures ---

fn futures(report: &mut Report) {
    fn future<S: Service<Request<Full<Bytes>>>>(_: &S) -> usize {
        size_of::<S::Future>()
    }
    let layer = AuthLayer::new(warm::warm(warm::builder(TOKEN)));
    let bare = future(&client());
    let off = future(&layer.clone().replay_off().layer(client()));
    let on = future(&layer.layer(client()));
    let mut table = Table::new(&["future around hyper-util's client", "bytes", "more"]);
    for (name, bytes) in [(BARE, bare), (OFF, off), (ON, on)] {
        table.row([
            name.to_owned(),
            bytes.to_string(),
            (bytes - bare).to_string(),
        ]);
    }
    table.print();
    for (name, bytes, limit) in [(OFF, off, 32.0), (ON, on, 112.0)] {
        report.goal(
            format!("future around hyper-util's client, {name}: bytes more"),
            (bytes - bare) as f64,
            Limit::AtMost(limit),
            Limit::AtMost(limit),
        );
    }
}
