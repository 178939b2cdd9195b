//! The memory of the layer and of the machine behind it: bytes of a response future, of a key, and
//! of a task that waits for a token.
#![expect(clippy::print_stdout, reason = "a bench prints its figures")]

#[path = "support/crowd.rs"]
#[allow(dead_code, reason = "shared with other benches")]
mod crowd;
#[path = "support/report.rs"]
#[allow(dead_code, reason = "shared with other benches")]
mod report;
#[path = "support/warm.rs"]
#[allow(dead_code, reason = "shared with other benches")]
mod warm;

use std::{
    convert::Infallible,
    future::{Future, Ready},
    marker::PhantomData,
    pin::Pin,
    process::ExitCode,
    task::{Context, Poll},
};

use auth_core::{AuthenticatorBuilder, AuthenticatorOptions};
use auth_tower::AuthLayer;
use bytes::Bytes;
use crowd::Crowd;
use http::{Request, Response};
use http_body_util::{Empty, Full};
use peak_alloc::PeakAlloc;
use report::{Limit, Report, Table};
use tower::{Layer, Service};

#[global_allocator]
static HEAP: PeakAlloc = PeakAlloc;

fn main() -> ExitCode {
    let mut report = Report::new("memory");
    futures(&mut report);
    keys(&mut report);
    waiters(&mut report);
    report.finish()
}

// --- response futures ---

fn futures(report: &mut Report) {
    let mut table = Table::new(&[
        "future, bytes",
        "inner",
        "replay off",
        "more",
        "replay",
        "more",
    ]);
    for (name, [inner, off, on]) in [
        ("one that is ready", sizes::<Ready<Answer>>()),
        ("one without spare bits", sizes::<Dense>()),
    ] {
        let numbers = [inner, off, off - inner, on, on - inner].map(|bytes| bytes.to_string());
        table.row([name.to_owned()].into_iter().chain(numbers));
        for (replay, size, limit) in [("replay off", off, 32.0), ("replay", on, 112.0)] {
            report.gate(
                format!("future, {replay}: bytes more than {name}"),
                (size - inner) as f64,
                Limit::AtMost(limit),
            );
        }
    }
    table.print();
}

/// The sizes of a service's future, and of the layer's future around it with replay off and on.
fn sizes<F: Future<Output = Answer>>() -> [usize; 3] {
    fn future<S: Service<Request<Full<Bytes>>>>(_: &S) -> usize {
        size_of::<S::Future>()
    }
    let layer = AuthLayer::new(warm::warm(warm::builder(40)));
    let inner = Answering(PhantomData::<fn() -> F>);
    [
        future(&inner),
        future(&layer.clone().replay_off().layer(inner.clone())),
        future(&layer.layer(inner)),
    ]
}

type Answer = Result<Response<Empty<Bytes>>, Infallible>;

/// A service without state whose future is an `F`.
struct Answering<F>(PhantomData<fn() -> F>);

impl<F> Clone for Answering<F> {
    fn clone(&self) -> Self {
        Self(PhantomData)
    }
}

impl<F: Future<Output = Answer>> Service<Request<Full<Bytes>>> for Answering<F> {
    type Response = Response<Empty<Bytes>>;
    type Error = Infallible;
    type Future = F;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<Full<Bytes>>) -> F {
        unreachable!("only its size is wanted")
    }
}

/// A future without unused values, so that an enum around it needs a separate tag.
struct Dense(#[allow(dead_code, reason = "only its size is used")] [u64; 14]);

impl Future for Dense {
    type Output = Answer;

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Answer> {
        unreachable!("only its size is wanted")
    }
}

// --- keys ---

fn keys(report: &mut Report) {
    const TOKEN: usize = 1024;
    let default = warm::warm(warm::builder(TOKEN)).shards();
    let mut table = Table::new(&[
        &format!("{KEYS} keys, token of {TOKEN} bytes"),
        "bytes a key",
    ]);
    let mut row = |name: String, shards: usize| {
        let options = AuthenticatorOptions::new().shards(shards);
        let bytes = bytes_of_a_key(&|| warm::builder(TOKEN).options(options.clone()));
        report.note(format!("a key, shards({shards}): bytes"), bytes as f64);
        table.row([name, bytes.to_string()]);
    };
    row(String::from("shards(1)"), 1);
    row(format!("the default here, shards({default})"), default);
    row(String::from("the default's most, shards(8)"), 8);
    table.print();
}

const KEYS: usize = 1000;

fn bytes_of_a_key(builder: &dyn Fn() -> AuthenticatorBuilder) -> usize {
    let mut keys = Vec::with_capacity(KEYS);
    let before = HEAP.current_usage();
    keys.extend((0..KEYS).map(|_| warm::warm(builder())));
    (HEAP.current_usage() - before) / KEYS
}

// --- waiting tasks ---

fn waiters(report: &mut Report) {
    let runtime = crowd::runtime();
    // The first crowd grows the runtime's queues.
    bytes_of_a_task(|| Crowd::bare(&runtime, TASKS));
    let bare = bytes_of_a_task(|| Crowd::bare(&runtime, TASKS));
    let token = bytes_of_a_task(|| Crowd::for_token(&runtime, TASKS));
    let mut table = Table::new(&[&format!("{TASKS} tasks that wait"), "bytes a task"]);
    table.row(["to be woken".to_owned(), format!("{bare:.1}")]);
    table.row(["for one token".to_owned(), format!("{token:.1}")]);
    table.print();
    report.note("a task that waits to be woken: bytes", bare);
    report.note("a task that waits for a token: bytes", token);
    report.gate(
        "a task that waits for a token: bytes more than a bare one",
        token - bare,
        Limit::AtMost(32.0),
    );
}

const TASKS: u32 = 100_000;

fn bytes_of_a_task<'a>(crowd: impl FnOnce() -> Crowd<'a>) -> f64 {
    let before = HEAP.current_usage();
    let crowd = crowd();
    let bytes = HEAP.current_usage() - before;
    crowd.wake();
    bytes as f64 / f64::from(TASKS)
}
