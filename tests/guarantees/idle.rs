//! G19: nothing is left when there are no callers.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Wake, Waker},
};

use auth_core::{AccessToken, Error, TokenRequest, TokenSource};
use auth_testkit::{Gate, Outcome, Reply, ScriptedSource};
use tokio::{runtime::Handle, task::JoinSet};
use tower::ServiceExt;

use crate::support::{HOUR, MINUTE, SECOND, Stack, elapse, machine, poll_once, soon};

fn tasks() -> usize {
    Handle::current().metrics().num_alive_tasks()
}

#[tokio::test(start_paused = true)]
async fn g19_after_traffic_no_task_is_left() {
    let stack = Stack::new();
    stack
        .server
        .token()
        .then(Reply::normal())
        .then(Reply::status(503))
        .then(Reply::never());
    let requests = 70;
    for _ in 0..requests {
        let _ = stack.get().await;
        stack.server.revoke_all();
        elapse(MINUTE).await;
    }
    test_report::figure!(
        "G19: {} tasks left after {} requests, with failures and refusals",
        tasks() => 0,
        requests => 70,
    );
    assert_eq!(stack.server.counters().token_in_flight, 0);
}

#[tokio::test(start_paused = true)]
async fn g19_nothing_is_renewed_without_callers() {
    let source = ScriptedSource::new();
    let authenticator = machine(source.clone());
    authenticator.token().await.unwrap();
    elapse(24 * HOUR).await;
    assert_eq!((tasks(), source.fetches()), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn g19_building_an_authenticator_starts_nothing() {
    let source = ScriptedSource::new();
    let authenticator = machine(source.clone());
    drop(authenticator.token());
    assert!(authenticator.try_token().is_none());
    elapse(HOUR).await;
    assert_eq!((tasks(), source.fetches()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn g19_a_cancelled_caller_leaves_no_waker_behind() {
    let source = ScriptedSource::new();
    let gate = Gate::new();
    source.then(Outcome::fresh().after(&gate));
    let authenticator = machine(source.clone());
    let wakes = Arc::new(Wakes::default());
    let waker = Waker::from(Arc::clone(&wakes));
    let mut callers: Vec<_> = (0..1_000).map(|_| authenticator.token()).collect();
    for caller in &mut callers {
        let caller = std::pin::Pin::new(caller);
        assert!(caller.poll(&mut Context::from_waker(&waker)).is_pending());
    }
    assert_eq!(Arc::strong_count(&wakes), 2 + 1_000);
    callers.truncate(1);
    assert_eq!(Arc::strong_count(&wakes), 2 + 1);
    soon(gate.reached(1)).await;
    gate.open();
    elapse(SECOND).await;
    assert_eq!(wakes.0.load(Ordering::SeqCst), 1);
    assert_eq!(Arc::strong_count(&wakes), 2);
    assert!(poll_once(&mut callers[0]).is_ready());
}

#[test]
fn g19_ten_thousand_callers_leave_no_memory_behind() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    let source = Unlogged::default();
    let authenticator = runtime.block_on(async { machine(source) });
    let storm = || {
        runtime.block_on(async {
            let mut callers = JoinSet::new();
            for _ in 0..10_000 {
                callers.spawn(authenticator.token());
            }
            while callers.join_next().await.is_some() {}
            let generation = authenticator.try_token().unwrap().generation();
            elapse(2 * MINUTE).await;
            authenticator.report_refused(generation);
            authenticator.token().await.unwrap();
            elapse(2 * MINUTE).await;
        });
    };
    // The runtime and this thread keep some buffers after the first time.
    storm();
    let measured = allocation_counter::measure(|| {
        for _ in 0..3 {
            storm();
        }
    });
    assert!(measured.bytes_total > 1_000_000, "{measured:?}");
    assert!(measured.bytes_current.abs() < 8 * 1024, "{measured:?}");
}

#[tokio::test(start_paused = true)]
async fn g19_dropping_the_last_handle_drops_everything() {
    let stack = Stack::new();
    let gate = Gate::new();
    stack
        .server
        .token()
        .then(Reply::normal().answer_after(&gate));
    let witness = Arc::new(());
    let authenticator = machine(Witnessed(Arc::clone(&witness), ScriptedSource::new()));
    authenticator.token().await.unwrap();
    let token = authenticator.try_token();
    let waiting = authenticator.token();
    drop((authenticator, waiting));
    assert_eq!(Arc::strong_count(&witness), 1);
    drop(token);

    // A token request in progress is completed first.
    let client = stack.client();
    let sent = tokio::spawn(client.oneshot(stack.request()));
    soon(gate.reached(1)).await;
    sent.abort();
    let Stack { server, .. } = stack;
    gate.open();
    elapse(SECOND).await;
    assert_eq!(server.counters().tokens_issued, 1);
    assert_eq!(tasks(), 0);
}

struct Witnessed(Arc<()>, ScriptedSource);

impl TokenSource for Witnessed {
    async fn fetch(&self, token_request: TokenRequest) -> Result<AccessToken, Error> {
        assert!(Arc::strong_count(&self.0) > 1);
        self.1.fetch(token_request).await
    }
}

/// A source without records, so that growth of memory belongs to the machine.
#[derive(Default)]
struct Unlogged(AtomicUsize);

impl TokenSource for Unlogged {
    async fn fetch(&self, _: TokenRequest) -> Result<AccessToken, Error> {
        let number = self.0.fetch_add(1, Ordering::Relaxed);
        elapse(SECOND).await;
        Ok(AccessToken::new(format!("fake-token-{number:08}")).expires_in(HOUR))
    }
}

#[derive(Default)]
struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}
