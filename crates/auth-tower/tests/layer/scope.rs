//! The API wants more scope than the token has (RFC 6750 section 3.1): what the caller is told, and
//! what happens where the application permits to ask for more.

mod many;
mod told;

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use auth_core::{
    AccessToken, Authenticator, AuthenticatorOptions, Error, ErrorKind, EventKind, Key,
    MemoryStore, NoWiderScope, Origins, Quota, RejectedPart, TokenRequest, TokenRequestOutcome,
    TokenSource, WiderScope,
};
use auth_testkit::{Gate, LogCapture, RecordingObserver, VirtualClock};
use auth_tower::{AuthLayer, AuthOutcome, NotReplayed};
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use tokio::task::JoinSet;
use tower::{Layer, ServiceExt};
use tower_test::mock;

use crate::support::{Api, ORIGIN, Seen, URL, get, in_time, ok, settle};

const HOUR: Duration = Duration::from_secs(3600);

/// A vendor whose tokens are named after their scope, and who grants what is in the list.
#[derive(Clone)]
struct Vendor {
    grants: &'static str,
    own: Option<&'static str>,
    /// Answers `invalid_scope` to a scope that is not granted, in place of granting a part.
    is_strict: bool,
    /// The vendor does not say what was granted.
    is_silent: bool,
    asked: Arc<Mutex<Vec<String>>>,
    gate: Arc<Mutex<Option<Gate>>>,
}

impl Vendor {
    fn granting(grants: &'static str) -> Self {
        Self {
            grants,
            own: Some("read"),
            is_strict: false,
            is_silent: false,
            asked: Arc::default(),
            gate: Arc::default(),
        }
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

impl TokenSource for Vendor {
    async fn fetch(&self, token_request: TokenRequest) -> Result<AccessToken, Error> {
        let asked = token_request.scope.unwrap_or_else(|| "read".to_owned());
        let number = {
            let mut all = self.asked.lock().unwrap();
            all.push(asked.clone());
            all.len()
        };
        let gate = self.gate.lock().unwrap().take();
        if let Some(gate) = gate {
            gate.pass().await;
        }
        let grants: Vec<_> = self.grants.split(' ').collect();
        let (granted, denied): (Vec<_>, Vec<_>) =
            asked.split(' ').partition(|scope| grants.contains(scope));
        if self.is_strict && !denied.is_empty() {
            return Err(Error::new(ErrorKind::Rejected, "invalid_scope")
                .with_code("invalid_scope")
                .with_outcome(TokenRequestOutcome::Rejected)
                .with_rejected_part(RejectedPart::Request));
        }
        let granted = granted.join(" ");
        let text = format!("fake-token-{number}:{}", granted.replace(' ', "+"));
        let token = AccessToken::new(text).expires_in(HOUR);
        Ok(if self.is_silent {
            token
        } else {
            token.scope(granted)
        })
    }

    fn own_scope(&self) -> Option<&str> {
        self.own
    }
}

struct World {
    vendor: Vendor,
    clock: VirtualClock,
    authenticator: Authenticator,
}

impl World {
    async fn new(
        vendor: Vendor,
        set: impl FnOnce(AuthenticatorOptions) -> AuthenticatorOptions,
    ) -> Self {
        let clock = VirtualClock::new();
        let options = set(AuthenticatorOptions::new().clock(clock.clone()));
        let authenticator = Authenticator::builder(vendor.clone(), Origins::new([ORIGIN]).unwrap())
            .key(Key::builder("example").build())
            .options(options)
            .build()
            .unwrap();
        let token = authenticator.token().await.unwrap();
        authenticator.report_accepted(token.generation());
        // The floor between two token requests is over.
        clock.advance(Duration::from_secs(60)).await;
        Self {
            vendor,
            clock,
            authenticator,
        }
    }

    async fn permitting(vendor: Vendor, limits: WiderScope) -> Self {
        Self::new(vendor, |options| options.wider_scope(limits)).await
    }

    async fn send(&self, api: &Api) -> Response<Full<Bytes>> {
        let client = AuthLayer::new(self.authenticator.clone()).layer(api.clone());
        in_time(client.oneshot(get(URL))).await.unwrap()
    }
}

fn scope_of(seen: &Seen) -> String {
    let token = seen.token().unwrap_or_default();
    token
        .split(':')
        .nth(1)
        .unwrap_or_default()
        .replace('+', " ")
}

fn forbidden(status: u16, challenge: &str) -> Response<Full<Bytes>> {
    let response = Response::builder().status(status);
    response
        .header("www-authenticate", challenge)
        .body(Full::from(""))
        .unwrap()
}

/// An API that wants these scopes.
fn wanting(status: u16, wanted: &'static str) -> Api {
    Api::answering(move |seen| {
        let has = scope_of(seen);
        let has_all = wanted
            .split(' ')
            .all(|scope| has.split(' ').any(|own| own == scope));
        Ok(if has_all {
            ok()
        } else {
            forbidden(
                status,
                &format!(r#"Bearer error="insufficient_scope", scope="{wanted}""#),
            )
        })
    })
}

fn cause(response: &Response<Full<Bytes>>) -> Option<NoWiderScope> {
    match AuthOutcome::of(response).not_replayed() {
        Some(NotReplayed::Scope(why)) => Some(*why),
        _ => None,
    }
}

fn scopes(response: &Response<Full<Bytes>>) -> Option<Vec<String>> {
    let outcome = AuthOutcome::of(response);
    let wanted = outcome.insufficient_scope()?;
    Some(wanted.scopes().map(str::to_owned).collect())
}

#[tokio::test(start_paused = true)]
async fn the_union_is_asked_for_once_and_the_request_is_sent_once_more() {
    for (status, is_silent) in [(401, false), (403, false), (403, true)] {
        let vendor = Vendor {
            is_silent,
            ..Vendor::granting("read a b")
        };
        let world = World::permitting(vendor, WiderScope::any()).await;
        let api = wanting(status, "a b");
        let response = world.send(&api).await;
        assert_eq!(response.status(), StatusCode::OK);
        let outcome = AuthOutcome::of(&response);
        assert_eq!((outcome.sends(), outcome.was_refused()), (2, false));
        assert_eq!(world.vendor.asked(), ["read", "read a b"]);
        // The next requests have the scope, and so have later renewals.
        let response = world.send(&api).await;
        assert_eq!((response.status(), api.calls()), (StatusCode::OK, 3));
        world.clock.advance(HOUR).await;
        assert_eq!(world.send(&api).await.status(), StatusCode::OK);
        assert_eq!(world.vendor.asked(), ["read", "read a b", "read a b"]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_late_answer_that_wants_more_gets_the_wider_token_without_a_token_request() {
    let world = World::permitting(Vendor::granting("read a"), WiderScope::any()).await;
    let (service, mut api) = mock::pair::<Request<Full<Bytes>>, Response<Full<Bytes>>>();
    let client = AuthLayer::new(world.authenticator.clone()).layer(service);
    let mut calls = JoinSet::new();
    for _ in 0..2 {
        calls.spawn(client.clone().oneshot(get(URL)));
    }
    let (_, early) = in_time(api.next_request()).await.unwrap();
    let (_, late) = in_time(api.next_request()).await.unwrap();
    for answer in [early, late] {
        let challenge = r#"Bearer error="insufficient_scope", scope="a""#;
        answer.send_response(forbidden(403, challenge));
        let (again, answer) = in_time(api.next_request()).await.unwrap();
        let token = again.headers()["authorization"].to_str().unwrap();
        assert_eq!(token, "Bearer fake-token-2:read+a");
        answer.send_response(ok());
    }
    while let Some(response) = in_time(calls.join_next()).await {
        assert_eq!(response.unwrap().unwrap().status(), StatusCode::OK);
    }
    assert_eq!(world.vendor.asked(), ["read", "read a"]);
}

#[tokio::test(start_paused = true)]
async fn requests_that_want_more_share_one_token_request_and_others_are_not_delayed() {
    let world = World::permitting(Vendor::granting("read a"), WiderScope::any()).await;
    let gate = Gate::new();
    *world.vendor.gate.lock().unwrap() = Some(gate.clone());
    let api = wanting(403, "a");
    let client = AuthLayer::new(world.authenticator.clone()).layer(api.clone());
    let mut tasks = JoinSet::new();
    for _ in 0..50 {
        tasks.spawn(client.clone().oneshot(get(URL)));
    }
    settle().await;
    assert_eq!((api.calls(), world.vendor.asked().len()), (50, 2));
    // During the token request, a request that needs no more is answered at once.
    let other = Api::new();
    let response = world.send(&other).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(AuthOutcome::of(&response).waited(), Duration::ZERO);
    assert_eq!(other.tokens(), ["fake-token-1:read"]);
    gate.open();
    let responses = in_time(tasks.join_all()).await;
    assert!(
        responses
            .iter()
            .all(|response| response.as_ref().unwrap().status() == StatusCode::OK)
    );
    assert_eq!((api.calls(), world.vendor.asked().len()), (100, 2));
}

#[tokio::test(start_paused = true)]
async fn a_vendor_that_grants_less_is_asked_once_and_the_answer_is_passed_on() {
    let world = World::permitting(Vendor::granting("read a"), WiderScope::any()).await;
    let api = wanting(403, "a b");
    let response = world.send(&api).await;
    assert_eq!(scopes(&response).unwrap(), ["a", "b"]);
    let outcome = AuthOutcome::of(&response);
    assert!(
        matches!(outcome.not_replayed(), Some(NotReplayed::NoToken(error))
            if error.rejected_part() == Some(RejectedPart::Scope)),
        "{outcome:?}"
    );
    assert_eq!((outcome.sends(), api.calls()), (1, 1));
    for _ in 0..5 {
        let response = world.send(&api).await;
        assert_eq!(cause(&response), Some(NoWiderScope::Denied));
    }
    assert_eq!(world.vendor.asked(), ["read", "read a b"]);
    // The part that was granted is used, and asked for.
    assert_eq!(
        world.send(&wanting(403, "a")).await.status(),
        StatusCode::OK
    );
    world.clock.advance(HOUR).await;
    assert_eq!(
        world.send(&wanting(403, "a")).await.status(),
        StatusCode::OK
    );
    assert_eq!(world.vendor.asked(), ["read", "read a b", "read a"]);
}

#[tokio::test(start_paused = true)]
async fn a_rejected_scope_takes_the_token_from_nobody_and_delays_no_renewal() {
    let vendor = Vendor {
        is_strict: true,
        ..Vendor::granting("read")
    };
    let world = World::permitting(vendor, WiderScope::any()).await;
    let api = wanting(403, "a");
    let response = world.send(&api).await;
    assert_eq!(response.status(), StatusCode::FORBIDDEN);
    assert_eq!(AuthOutcome::of(&response).sends(), 1);
    assert_eq!(cause(&world.send(&api).await), Some(NoWiderScope::Denied));
    assert_eq!(world.vendor.asked(), ["read", "read a"]);
    let health = world.authenticator.health();
    assert!(
        health.is_usable() && health.last_error().is_none(),
        "{health}"
    );
    // The token expires: no back-off stands in the way of the usual scope.
    world.clock.advance(HOUR).await;
    assert_eq!(world.send(&Api::new()).await.status(), StatusCode::OK);
    assert_eq!(world.vendor.asked(), ["read", "read a", "read"]);
}

#[tokio::test(start_paused = true)]
async fn an_api_that_wants_another_scope_each_time_gets_four_token_requests() {
    let vendor = Vendor::granting("read s1 s2 s3 s4 s5 s6 s7 s8 s9");
    let world = World::permitting(vendor, WiderScope::any()).await;
    let count = AtomicUsize::new(0);
    let api = Api::answering(move |_| {
        let number = count.fetch_add(1, SeqCst) + 1;
        Ok(forbidden(
            403,
            &format!(r#"Bearer error="insufficient_scope", scope="s{number}""#),
        ))
    });
    for _ in 0..20 {
        // The floor between two token requests.
        world.clock.advance(Duration::from_secs(60)).await;
        assert_eq!(world.send(&api).await.status(), StatusCode::FORBIDDEN);
    }
    assert_eq!(world.vendor.asked().len(), 1 + 4);
    // Twice for each of the four, once for all others.
    assert_eq!(api.calls(), 4 * 2 + 16);
}

#[tokio::test(start_paused = true)]
async fn a_source_that_cannot_ask_and_a_body_that_cannot_be_sent_again_change_nothing() {
    let vendor = Vendor {
        own: None,
        ..Vendor::granting("read a")
    };
    let world = World::permitting(vendor, WiderScope::any()).await;
    let response = world.send(&wanting(403, "a")).await;
    assert_eq!(scopes(&response).unwrap(), ["a"]);
    assert!(response.extensions().is_empty());
    assert_eq!(world.vendor.asked(), ["read"]);
    // A body that is not kept: the scope is asked for, and the next request has it.
    let world = World::permitting(Vendor::granting("read a"), WiderScope::any()).await;
    let api = wanting(403, "a");
    let client = AuthLayer::new(world.authenticator.clone())
        .replay_off()
        .layer(api.clone());
    let request = Request::builder()
        .method(Method::POST)
        .uri(URL)
        .body(Full::from("x"))
        .unwrap();
    let response = in_time(client.oneshot(request)).await.unwrap();
    assert!(matches!(
        AuthOutcome::of(&response).not_replayed(),
        Some(NotReplayed::Off)
    ));
    settle().await;
    assert_eq!(world.send(&api).await.status(), StatusCode::OK);
    assert_eq!((api.calls(), world.vendor.asked().len()), (2, 2));
}

#[tokio::test(start_paused = true)]
async fn a_wider_scope_does_not_use_the_reserve_of_the_quota() {
    let quota = Quota::new(2, HOUR).unwrap();
    let limits = WiderScope::any();
    let vendor = Vendor::granting("read a");
    let world = World::new(vendor, |options| options.wider_scope(limits).quota(quota)).await;
    let response = world.send(&wanting(403, "a")).await;
    let outcome = AuthOutcome::of(&response);
    assert!(
        matches!(outcome.not_replayed(), Some(NotReplayed::NoToken(error))
            if error.kind() == ErrorKind::Quota),
        "{outcome:?}"
    );
    assert_eq!(world.vendor.asked(), ["read"]);
}

#[tokio::test(start_paused = true)]
async fn processes_that_share_a_store_come_to_ask_for_the_same_scope() {
    let store = MemoryStore::new();
    let limits = || WiderScope::any();
    let vendor = Vendor::granting("read a");
    let first = World::new(vendor.clone(), |options| {
        options.store(store.clone()).wider_scope(limits())
    })
    .await;
    assert_eq!(
        first.send(&wanting(403, "a")).await.status(),
        StatusCode::OK
    );
    let second = World::new(vendor.clone(), |options| {
        options
            .clock(first.clock.clone())
            .store(store.clone())
            .wider_scope(limits())
    })
    .await;
    assert_eq!(
        second.send(&wanting(403, "a")).await.status(),
        StatusCode::OK
    );
    assert_eq!(vendor.asked(), ["read", "read a"]);
    // The second one renews for both.
    first.clock.advance(HOUR).await;
    assert_eq!(
        second.send(&wanting(403, "a")).await.status(),
        StatusCode::OK
    );
    assert_eq!(
        first.send(&wanting(403, "a")).await.status(),
        StatusCode::OK
    );
    assert_eq!(vendor.asked(), ["read", "read a", "read a"]);
}
