//! Token requests and API requests through the same limited client at the same time: with a single
//! permit, a request that waits for a token must not hold the permit that the token request needs
//! (T17).

use std::{sync::Arc, time::Duration};

use auth_core::{Authenticator, AuthenticatorOptions, Origins, Secret};
use auth_oauth2::Client;
use auth_testkit::{MemoryBody, TestServer, VirtualClock};
use auth_tower::{AuthLayer, AuthOutcome, ServiceTransport};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use tokio::{sync::Semaphore, task::JoinSet};
use tower::{
    BoxError, Service, ServiceBuilder, ServiceExt, limit::GlobalConcurrencyLimitLayer,
    util::BoxCloneSyncService,
};

use crate::support::in_time;

type Http = BoxCloneSyncService<Request<Full<Bytes>>, Response<MemoryBody>, BoxError>;

fn boxed<S>(service: S) -> Http
where
    S: Service<Request<Full<Bytes>>, Response = Response<MemoryBody>>
        + Clone
        + Send
        + Sync
        + 'static,
    S::Future: Send + 'static,
    S::Error: Into<BoxError>,
{
    BoxCloneSyncService::new(service.map_err(Into::into))
}

/// Clients with one place for all requests, including token requests.
fn clients(server: &TestServer) -> Vec<(&'static str, Http)> {
    let one = || GlobalConcurrencyLimitLayer::with_semaphore(Arc::new(Semaphore::new(1)));
    let build = ServiceBuilder::new;
    vec![
        (
            "limit",
            boxed(build().layer(one()).service(server.service())),
        ),
        (
            "buffer over a limit",
            boxed(build().buffer(1).layer(one()).service(server.service())),
        ),
        (
            "limit over a buffer",
            boxed(build().layer(one()).buffer(1).service(server.service())),
        ),
        (
            "timeout over a limit",
            boxed(
                build()
                    .timeout(Duration::from_secs(30))
                    .layer(one())
                    .service(server.service()),
            ),
        ),
    ]
}

#[tokio::test(start_paused = true)]
async fn t17_one_place_for_token_requests_and_api_requests_suffices() {
    for number in 0..clients(&TestServer::builder().in_memory()).len() {
        let clock = VirtualClock::new();
        let server = TestServer::builder().clock(&clock).in_memory();
        let (name, http) = clients(&server).swap_remove(number);
        let secret = Secret::new(server.client_secret());
        let transport = ServiceTransport::new(http.clone());
        let source = Client::builder(server.token_url(), server.client_id(), transport)
            .secret(secret)
            .clock(clock.clone())
            .build()
            .unwrap()
            .client_credentials();
        let authenticator =
            Authenticator::builder(source, Origins::new([server.origin()]).unwrap())
                .options(AuthenticatorOptions::new().clock(clock.clone()))
                .build()
                .unwrap();
        let client = ServiceBuilder::new()
            .layer(AuthLayer::new(authenticator))
            .service(http);
        // Without a token, after a refusal, after the expiry.
        for round in 1..=3 {
            let mut calls = JoinSet::new();
            for _ in 0..20 {
                let request = Request::get(server.api_url()).body(Full::default());
                calls.spawn(client.clone().oneshot(request.unwrap()));
            }
            while let Some(done) = in_time(calls.join_next()).await {
                let response = done.unwrap().unwrap_or_else(|e| panic!("{name}: {e}"));
                assert_eq!(response.status(), 200, "{name}");
                assert!(AuthOutcome::of(&response).sends() <= 2, "{name}");
            }
            assert_eq!(server.counters().token_requests, round, "{name}");
            match round {
                1 => server.revoke_all(),
                _ => clock.advance(Duration::from_secs(3600)).await,
            }
        }
        assert!(
            clock.world_elapsed() < Duration::from_secs(2 * 3600 + 5),
            "{name}"
        );
    }
}
