//! The cost of keeping a stream while it is sent: memory, and time compared with the plain stream.
#![expect(clippy::print_stdout, reason = "a bench prints its figures")]

#[path = "support/processor.rs"]
mod processor;
#[path = "support/report.rs"]
#[allow(dead_code, reason = "shared with other benches")]
mod report;
#[path = "support/warm.rs"]
#[allow(dead_code, reason = "shared with other benches")]
mod warm;

use std::{
    convert::Infallible,
    future::Future,
    hint::black_box,
    pin::{Pin, pin},
    process::ExitCode,
    task::{Context, Poll, Waker, ready},
};

use auth_tower::{AuthLayer, ReplayBodyLayer};
use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame};
use http_body_util::Empty;
use peak_alloc::PeakAlloc;
use report::{Limit, Report, Table, median};
use tower::{Layer, Service};

#[global_allocator]
static HEAP: PeakAlloc = PeakAlloc;

const KIB: usize = 1024;
const KEPT: usize = 64 * KIB;
/// The stream, its lock, and the growth of the future.
const SMALL: usize = 4 * KIB;
const ROUNDS: usize = 7;

fn main() -> ExitCode {
    let mut report = Report::new("bodies");
    memory(&mut report);
    time(&mut report);
    report.finish()
}

// --- memory ---

fn memory(report: &mut Report) {
    let mut table = Table::new(&[
        "64 KiB kept of",
        "plain, peak bytes",
        "kept, peak bytes",
        "more",
    ]);
    for (frame, frames, limit) in [
        (16 * KIB, 64 * KIB, KEPT + SMALL),
        // Every frame is copied.
        (KIB, 64 * KIB, KEPT + 2 * SMALL),
        // The maximum number of frames that are kept.
        (124, 64 * KIB, 2 * KEPT),
        (1, 64 * KIB, KEPT),
        // A request without a body.
        (1, 0, 0),
    ] {
        let [plain, kept] = peaks(frame, frames);
        let what = format!("{frames} frames of {frame} bytes");
        let more = kept.saturating_sub(plain);
        let numbers = [plain, kept, more].map(|bytes| bytes.to_string());
        table.row([what.clone()].into_iter().chain(numbers));
        report.gate(
            format!("{what}: bytes more than plain"),
            more as f64,
            Limit::AtMost(limit as f64),
        );
    }
    table.print();
}

/// Returns the peak memory of the plain stream and of the kept one.
fn peaks(frame: usize, frames: usize) -> [usize; 2] {
    let peak = |send: &mut dyn FnMut(Stream)| {
        send(Stream::new(frame, 1));
        let before = HEAP.current_usage();
        HEAP.reset_peak_usage();
        send(Stream::new(frame, frames));
        HEAP.peak_usage() - before
    };
    let [mut plain, mut kept] = senders();
    [peak(&mut plain), peak(&mut kept)]
}

// --- time ---

fn time(report: &mut Report) {
    let mut table = Table::new(&[
        "1 GiB, 64 KiB kept",
        "plain GiB/s",
        "kept GiB/s",
        "ns more a frame",
        "ratio",
    ]);
    // About 50 ns per frame, visible where everything else is a copy within the cache.
    for (frame, limit) in [
        (4 * KIB, None),
        (16 * KIB, Some(1.4)),
        (64 * KIB, Some(1.15)),
    ] {
        let frames = (1024 * KIB * KIB) / frame;
        let [mut plain, mut kept] = senders();
        let rounds = (0..ROUNDS).map(|_| {
            [
                timed(&mut plain, frame, frames),
                timed(&mut kept, frame, frames),
            ]
        });
        let rounds: Vec<_> = rounds.collect();
        let middle = |of: fn(&[f64; 2]) -> f64| median(rounds.iter().map(of).collect());
        let ratio = middle(|[plain, kept]| kept / plain);
        table.row([
            format!("frames of {} KiB", frame / KIB),
            format!("{:.1}", 1.0 / middle(|[plain, _]| *plain)),
            format!("{:.1}", 1.0 / middle(|[_, kept]| *kept)),
            format!(
                "{:.0}",
                middle(|[plain, kept]| kept - plain) / frames as f64 * 1e9
            ),
            format!("{ratio:.3}"),
        ]);
        if let Some(limit) = limit {
            report.gate(
                format!("frames of {} KiB: time of plain", frame / KIB),
                ratio,
                Limit::AtMost(limit),
            );
        }
    }
    table.print();
}

/// Seconds of processor time, which exclude other work of the machine.
fn timed(send: &mut Sender, frame: usize, frames: usize) -> f64 {
    let before = processor::time();
    send(Stream::new(frame, frames));
    (processor::time() - before).as_secs_f64()
}

// --- the requests and their destination ---

type Sender = Box<dyn FnMut(Stream)>;

/// Makes a sender of a plain stream, and one of a kept stream.
fn senders() -> [Sender; 2] {
    let layer = AuthLayer::new(warm::warm(warm::builder(1024)));
    let mut plain = layer.clone().replay_off().layer(Sink);
    let mut kept = ReplayBodyLayer::new(KEPT).layer(layer.layer(Sink));
    [
        Box::new(move |stream| send(&mut plain, stream)),
        Box::new(move |stream| send(&mut kept, stream)),
    ]
}

fn send<S: Service<Request<Stream>>>(service: &mut S, stream: Stream) {
    let mut cx = Context::from_waker(Waker::noop());
    assert!(service.poll_ready(&mut cx).is_ready(), "always ready");
    let mut request = Request::new(stream);
    *request.uri_mut() = http::Uri::from_static("https://api.example.com/v1/things/17");
    let future = pin!(service.call(request));
    assert!(future.poll(&mut cx).is_ready(), "never waits");
}

/// A number of frames, each with its own memory, as if read from a file. The length is unknown.
struct Stream {
    frame: usize,
    left: usize,
}

impl Stream {
    fn new(frame: usize, frames: usize) -> Self {
        Self {
            frame,
            left: frames,
        }
    }
}

impl Body for Stream {
    type Data = Bytes;
    type Error = Infallible;

    #[inline(never)]
    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let Some(left) = self.left.checked_sub(1) else {
            return Poll::Ready(None);
        };
        self.left = left;
        let bytes = vec![left as u8; self.frame];
        Poll::Ready(Some(Ok(Frame::data(Bytes::from(bytes)))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }
}

/// Answers 200 after it has copied the whole body to one place, as a socket does.
#[derive(Clone)]
struct Sink;

impl<B> Service<Request<B>> for Sink
where
    B: Body<Data = Bytes> + Unpin,
{
    type Response = Response<Empty<Bytes>>;
    type Error = Infallible;
    type Future = Sinking<B>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Sinking<B> {
        Sinking {
            body: request.into_body(),
            buffer: vec![0; 64 * KIB],
        }
    }
}

struct Sinking<B> {
    body: B,
    buffer: Vec<u8>,
}

impl<B> Future for Sinking<B>
where
    B: Body<Data = Bytes> + Unpin,
{
    type Output = Result<Response<Empty<Bytes>>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { body, buffer } = &mut *self;
        // A client asks before each frame.
        while !body.is_end_stream() {
            let Some(Ok(frame)) = ready!(Pin::new(&mut *body).poll_frame(cx)) else {
                break;
            };
            if let Some(data) = frame.data_ref() {
                buffer[..data.len()].copy_from_slice(data);
                black_box(&mut *buffer);
            }
        }
        Poll::Ready(Ok(Response::new(Empty::new())))
    }
}
