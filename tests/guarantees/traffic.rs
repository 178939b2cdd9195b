//! Many requests to one API that refuses some of them, and many requests in progress while the
//! token is revoked.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use auth_core::Authenticator;
use auth_testkit::{Gate, MemoryBody, MemoryError, Reply};
use auth_tower::{AuthLayer, AuthOutcome};
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use tokio::{task::JoinSet, time::Instant};
use tower::{Layer, ServiceExt, service_fn};

use crate::support::{API, Stack, elapse, soon};

/// The time that the API needs for an answer.
pub(crate) const API_TIME: Duration = Duration::from_millis(1);

/// The results of many requests.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) took: Vec<Duration>,
    /// Requests that were answered with 401.
    pub(crate) refused: usize,
    /// Requests that were not sent, because there was no token.
    pub(crate) failed: usize,
    /// The number of sends, including replays.
    pub(crate) sends: u64,
}

impl Seen {
    pub(crate) fn median(&mut self) -> Duration {
        self.took.sort_unstable();
        self.took[self.took.len() / 2]
    }

    pub(crate) fn longest(&self) -> Duration {
        self.took.iter().copied().max().unwrap_or_default()
    }
}

/// Sends `count` requests, one per `every`, without waiting for their answers. The API refuses the
/// sends whose numbers `refuses` names, counted from 1.
pub(crate) async fn traffic(
    authenticator: &Authenticator,
    refuses: fn(u64) -> bool,
    count: usize,
    every: Duration,
) -> Seen {
    let sends = Arc::new(AtomicU64::new(0));
    let number = Arc::clone(&sends);
    let api = move |_: Request<Full<Bytes>>| {
        let refused = refuses(number.fetch_add(1, Ordering::SeqCst) + 1);
        async move {
            elapse(API_TIME).await;
            let mut response = Response::new(());
            if refused {
                *response.status_mut() = StatusCode::UNAUTHORIZED;
            }
            Ok::<_, Infallible>(response)
        }
    };
    let client = AuthLayer::new(authenticator.clone()).layer(service_fn(api));
    let mut requests = JoinSet::new();
    for _ in 0..count {
        let client = client.clone();
        requests.spawn(async move {
            let begun = Instant::now();
            let request = Request::get(API).body(Full::default()).unwrap();
            let answer = client.oneshot(request).await;
            (answer, begun.elapsed())
        });
        elapse(every).await;
    }
    let mut seen = Seen::default();
    for (answer, took) in soon(requests.join_all()).await {
        match answer {
            Ok(answer) => {
                assert!(AuthOutcome::of(&answer).sends() <= 2);
                seen.refused += usize::from(answer.status() == StatusCode::UNAUTHORIZED);
            }
            Err(_) => seen.failed += 1,
        }
        seen.took.push(took);
    }
    seen.sends = sends.load(Ordering::SeqCst);
    seen
}

/// Requests that were in progress when their token was revoked.
pub(crate) type UnderWay = JoinSet<Result<Response<MemoryBody>, auth_tower::Error<MemoryError>>>;

/// Sends `count` requests, and revokes their token while the API has all of them. `then` is the
/// server's answer to the token request that follows.
pub(crate) async fn revoked_under(stack: &Stack, count: usize, then: Reply) -> UnderWay {
    stack.get_well().await;
    let gate = Gate::new();
    let held = Reply::normal().process_after(&gate);
    stack.server.api().times(count, held);
    let mut requests = JoinSet::new();
    for _ in 0..count {
        requests.spawn(stack.client().oneshot(stack.request()));
    }
    soon(gate.reached(count)).await;
    stack.server.revoke_all();
    stack.server.token().then(then);
    gate.open();
    requests
}
