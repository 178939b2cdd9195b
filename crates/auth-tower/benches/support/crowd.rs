//! Many tasks that wait for one token, and the same number of tasks that wait only to be woken.

use std::{
    convert::Infallible,
    future::Future,
    mem,
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
        mpsc,
    },
    task::{Context, Poll, Waker},
    thread,
    time::{Duration, Instant},
};

use auth_core::{AccessToken, Authenticator, Error, Origins, TokenRequest, TokenSource};
use tokio::{runtime::Runtime, sync::Semaphore};

/// Makes a runtime as in services, small enough for any machine.
pub(crate) fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_time()
        .build()
        .expect("a runtime")
}

/// Tasks that wait until [`wake`](Self::wake).
pub(crate) struct Crowd<'a> {
    runtime: &'a Runtime,
    what: What,
    board: Arc<Board>,
    finished: mpsc::Receiver<Instants>,
}

enum What {
    Bare(Arc<Mutex<Vec<Waker>>>),
    Token(Arc<Gate>),
}

impl<'a> Crowd<'a> {
    /// The floor: tasks whose wakers are in a vector.
    pub(crate) fn bare(runtime: &'a Runtime, tasks: u32) -> Self {
        let wakers = Arc::default();
        let parked = || Parked {
            wakers: Arc::clone(&wakers),
            is_parked: false,
        };
        let (board, finished) = Board::fill(runtime, tasks, parked);
        Self {
            runtime,
            what: What::Bare(wakers),
            board,
            finished,
        }
    }

    /// Tasks that ask one authenticator without a token.
    pub(crate) fn for_token(runtime: &'a Runtime, tasks: u32) -> Self {
        let gate = Arc::new(Gate {
            open: Semaphore::new(0),
            token_requests: AtomicU32::new(0),
            opened: Mutex::new(None),
        });
        let origins = Origins::new(["https://api.example.com"]).expect("a valid origin");
        let builder = Authenticator::builder(Gated(Arc::clone(&gate)), origins);
        let authenticator = builder.build().expect("valid settings");
        let (board, finished) = Board::fill(runtime, tasks, || authenticator.token());
        Self {
            runtime,
            what: What::Token(gate),
            board,
            finished,
        }
    }

    /// Wakes all tasks and waits for their end.
    pub(crate) fn wake(self) -> Wake {
        match &self.what {
            What::Bare(wakers) => {
                let wakers = mem::take(&mut *lock(wakers));
                let (sender, start) = mpsc::channel();
                // On a worker, as a flight does.
                self.runtime.spawn(async move {
                    let _ = sender.send(Instants::now());
                    wakers.into_iter().for_each(Waker::wake);
                });
                let start = start.recv().expect("the task runs");
                self.end().since(start, 0)
            }
            What::Token(gate) => {
                gate.open.add_permits(1);
                let end = self.end();
                let start = lock(&gate.opened).expect("the token has come");
                end.since(start, gate.token_requests.load(Ordering::Relaxed))
            }
        }
    }

    fn end(&self) -> Instants {
        let end = self.finished.recv().expect("all tasks end");
        assert_eq!(self.board.left.load(Ordering::Relaxed), 0);
        end
    }
}

/// Where tasks report their progress.
struct Board {
    parked: AtomicU32,
    left: AtomicU32,
    finished: mpsc::Sender<Instants>,
}

impl Board {
    /// Starts the tasks and returns when all of them wait.
    fn fill<F, T, E>(
        runtime: &Runtime,
        tasks: u32,
        future: impl Fn() -> F,
    ) -> (Arc<Self>, mpsc::Receiver<Instants>)
    where
        F: Future<Output = Result<T, E>> + Send + Unpin + 'static,
    {
        let (sender, finished) = mpsc::channel();
        let board = Arc::new(Self {
            parked: AtomicU32::new(0),
            left: AtomicU32::new(tasks),
            finished: sender,
        });
        for _ in 0..tasks {
            runtime.spawn(Waiting {
                future: future(),
                board: Arc::clone(&board),
                is_parked: false,
            });
        }
        while board.parked.load(Ordering::Acquire) < tasks {
            thread::yield_now();
        }
        (board, finished)
    }
}

/// A task that reports that it waits.
struct Waiting<F> {
    future: F,
    board: Arc<Board>,
    is_parked: bool,
}

impl<F, T, E> Future for Waiting<F>
where
    F: Future<Output = Result<T, E>> + Unpin,
{
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Poll::Ready(result) = Pin::new(&mut self.future).poll(cx) else {
            if !mem::replace(&mut self.is_parked, true) {
                self.board.parked.fetch_add(1, Ordering::Release);
            }
            return Poll::Pending;
        };
        assert!(result.is_ok(), "every task gets its result");
        if self.board.left.fetch_sub(1, Ordering::AcqRel) == 1 {
            let _ = self.board.finished.send(Instants::now());
        }
        Poll::Ready(())
    }
}

/// Waits to be woken once.
struct Parked {
    wakers: Arc<Mutex<Vec<Waker>>>,
    is_parked: bool,
}

impl Future for Parked {
    type Output = Result<(), Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if mem::replace(&mut self.is_parked, true) {
            return Poll::Ready(Ok(()));
        }
        lock(&self.wakers).push(cx.waker().clone());
        Poll::Pending
    }
}

/// Delays the token until all tasks wait for it.
struct Gate {
    open: Semaphore,
    token_requests: AtomicU32,
    opened: Mutex<Option<Instants>>,
}

struct Gated(Arc<Gate>);

impl TokenSource for Gated {
    async fn fetch(&self, _: TokenRequest) -> Result<AccessToken, Error> {
        let Self(gate) = self;
        gate.token_requests.fetch_add(1, Ordering::Relaxed);
        let _open = gate.open.acquire().await;
        *lock(&gate.opened) = Some(Instants::now());
        Ok(AccessToken::new("fake-token").expires_in(Duration::from_secs(3600)))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The measurement of waking a crowd.
pub(crate) struct Wake {
    /// From the arrival of the token to the end of the last task.
    pub(crate) time: Duration,
    /// How many processors the program used at the same time. `None` if the system does not report
    /// it.
    pub(crate) processors: Option<f64>,
    pub(crate) token_requests: u32,
}

/// The time, and the processor time of this program.
#[derive(Clone, Copy)]
struct Instants {
    clock: Instant,
    processors: Option<Duration>,
}

impl Instants {
    #[allow(clippy::disallowed_methods, reason = "a bench times things")]
    fn now() -> Self {
        Self {
            clock: Instant::now(),
            processors: processor_time(),
        }
    }

    fn since(self, start: Self, token_requests: u32) -> Wake {
        let time = self.clock - start.clock;
        let worked = self.processors.zip(start.processors);
        Wake {
            time,
            processors: worked.map(|(end, start)| (end - start).as_secs_f64() / time.as_secs_f64()),
            token_requests,
        }
    }
}

/// Returns the processor time of all threads together. `None` if the system does not report it.
fn processor_time() -> Option<Duration> {
    #[cfg(target_os = "linux")]
    {
        use rustix::time::{ClockId, clock_gettime};

        Duration::try_from(clock_gettime(ClockId::ProcessCPUTime)).ok()
    }
    #[cfg(not(target_os = "linux"))]
    None
}
