//! The service for second sends: cloned only for them, and up to date.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task::{Context, Poll},
};

use auth_core::{AuthenticatorMap, Key, Secret};
use auth_tower::{AuthLayer, AuthOutcome};
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request};
use http_body_util::Full;
use tower::{Layer, Service};

use crate::support::{Api, URL, World, get, send};

const VIA: HeaderName = HeaderName::from_static("x-via");

/// Counts its clones, and puts its name on each request.
struct Named {
    inner: Api,
    name: &'static str,
    clones: Arc<AtomicUsize>,
}

impl Named {
    fn new(inner: Api) -> Self {
        Self {
            inner,
            name: "first",
            clones: Arc::default(),
        }
    }
}

impl Clone for Named {
    fn clone(&self) -> Self {
        self.clones.fetch_add(1, SeqCst);
        Self {
            inner: self.inner.clone(),
            name: self.name,
            clones: Arc::clone(&self.clones),
        }
    }
}

impl Service<Request<Full<Bytes>>> for Named {
    type Response = <Api as Service<Request<Full<Bytes>>>>::Response;
    type Error = <Api as Service<Request<Full<Bytes>>>>::Error;
    type Future = <Api as Service<Request<Full<Bytes>>>>::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Service::<Request<Full<Bytes>>>::poll_ready(&mut self.inner, cx)
    }

    fn call(&mut self, mut request: Request<Full<Bytes>>) -> Self::Future {
        let name = HeaderValue::from_static(self.name);
        request.headers_mut().insert(VIA, name);
        self.inner.call(request)
    }
}

fn vias(api: &Api) -> Vec<String> {
    let seen = api.seen();
    let names = seen.iter().map(|seen| seen.headers[VIA].to_str().unwrap());
    names.map(str::to_owned).collect()
}

#[tokio::test(start_paused = true)]
async fn requests_that_are_not_refused_share_one_clone_of_the_inner_service() {
    let world = World::warm().await;
    let api = Api::new();
    let inner = Named::new(api.clone());
    let clones = Arc::clone(&inner.clones);
    let mut client = world.over(inner);
    for _ in 0..100 {
        send(&mut client, get(URL)).await.unwrap();
    }
    assert_eq!(clones.load(SeqCst), 1);
    // One clone for the second send.
    api.revoke("fake-token-1");
    let response = send(&mut client, get(URL)).await.unwrap();
    assert_eq!(AuthOutcome::of(&response).sends(), 2);
    assert_eq!(clones.load(SeqCst), 2);
}

#[tokio::test(start_paused = true)]
async fn with_replay_off_nothing_is_cloned() {
    let world = World::warm().await;
    let inner = Named::new(Api::new());
    let clones = Arc::clone(&inner.clones);
    let mut client = world.layer().replay_off().layer(inner);
    for _ in 0..100 {
        send(&mut client, get(URL)).await.unwrap();
    }
    assert_eq!(clones.load(SeqCst), 0);
}

#[tokio::test(start_paused = true)]
async fn a_second_send_uses_the_latest_change_of_the_service() {
    let world = World::warm().await;
    let api = Api::new();
    let mut client = world.over(Named::new(api.clone()));
    send(&mut client, get(URL)).await.unwrap();
    let mut other = client.clone();
    client.get_mut().name = "changed";
    api.revoke("fake-token-1");
    let response = send(&mut client, get(URL)).await.unwrap();
    assert_eq!(AuthOutcome::of(&response).sends(), 2);
    assert_eq!(vias(&api), ["first", "changed", "changed"]);
    // A clone that was made before the change is unchanged.
    api.revoke("fake-token-2");
    world.warm_up().await;
    let response = send(&mut other, get(URL)).await.unwrap();
    assert_eq!(AuthOutcome::of(&response).sends(), 2);
    assert_eq!(vias(&api)[3..], ["first", "first"]);
}

#[tokio::test(start_paused = true)]
async fn keyed_requests_share_the_spare_and_keep_their_key() {
    let world = World::warm().await;
    let api = Api::new();
    let inner = Named::new(api.clone());
    let clones = Arc::clone(&inner.clones);
    let authenticator = world.authenticator.clone();
    let map = AuthenticatorMap::builder(move |_| Ok(authenticator.clone()));
    let mut client = AuthLayer::keyed(map.build().unwrap()).layer(inner);
    let request = |user: usize| {
        let user = Secret::new(format!("user-{user}"));
        let mut request = get(URL);
        let key = Key::builder("example").subject(&user).build();
        request.extensions_mut().insert(key);
        request
    };
    for user in 0..10 {
        send(&mut client, request(user)).await.unwrap();
    }
    assert_eq!(clones.load(SeqCst), 1);
    api.revoke("fake-token-1");
    let response = send(&mut client, request(3)).await.unwrap();
    assert_eq!(AuthOutcome::of(&response).sends(), 2);
    let seen = api.seen();
    let key = |at: usize| seen[at].extensions.get::<Key>().cloned();
    assert!(key(10).is_some());
    assert_eq!(key(10), key(11));
    assert_eq!(key(10), request(3).extensions().get().cloned());
}
