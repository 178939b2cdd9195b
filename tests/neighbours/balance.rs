//! `tower::balance`: above the layer it chooses between signed endpoints, below it is inside a
//! buffer.

use std::collections::HashMap;

use auth_tower::{AuthOutcome, Error};
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use tower::{
    Service, ServiceBuilder, ServiceExt,
    balance::p2c::Balance,
    discover::ServiceList,
    load::{CompleteOnResponse, PendingRequests},
};

use crate::support::{Api, URL, World, get, in_time};

const ENDPOINTS: usize = 4;

fn balanced<S>(
    services: Vec<S>,
) -> Balance<ServiceList<Vec<PendingRequests<S>>>, Request<Full<Bytes>>>
where
    S: Service<Request<Full<Bytes>>, Response = Response<Full<Bytes>>>,
    S::Error: Into<tower::BoxError>,
{
    let load = |service| PendingRequests::new(service, CompleteOnResponse::default());
    Balance::new(ServiceList::new(services.into_iter().map(load).collect()))
}

fn endpoints() -> Vec<Api> {
    (0..ENDPOINTS).map(|_| Api::new()).collect()
}

/// Returns the number of calls of all endpoints, and of each token.
fn seen(apis: &[Api]) -> (usize, HashMap<String, usize>) {
    let mut tokens = HashMap::new();
    for token in apis.iter().flat_map(Api::tokens) {
        *tokens.entry(token).or_default() += 1;
    }
    (apis.iter().map(Api::calls).sum(), tokens)
}

#[tokio::test(start_paused = true)]
async fn a_balancer_above_uses_endpoints_signed_with_one_token() {
    for (above, below) in [(1, 2), (2, 2), (64, 2)] {
        balance_above(above, below).await;
    }
}

async fn balance_above(above: usize, below: usize) {
    let world = World::cold();
    let apis = endpoints();
    // The balancer keeps each endpoint ready, and so occupies one permit of its limit. Below the
    // layer, a request that waited for a token needs another permit, and a single permit would
    // never be free. Above the layer, a single permit suffices.
    let signed = apis.iter().map(|api| {
        ServiceBuilder::new()
            .concurrency_limit(above)
            .layer(world.layer())
            .concurrency_limit(below)
            .service(api.clone())
    });
    let client = ServiceBuilder::new()
        .buffer(64)
        .service(balanced(signed.collect()));
    for revoked in ["fake-none", "fake-token-1"] {
        apis.iter().for_each(|api| api.revoke(revoked));
        let calls: Vec<_> = (0..40)
            .map(|_| tokio::spawn(client.clone().oneshot(get(URL))))
            .collect();
        for call in calls {
            let response = in_time(call).await.unwrap().unwrap();
            assert_eq!(response.status(), StatusCode::OK);
        }
    }
    let (calls, tokens) = seen(&apis);
    assert!(calls <= 40 + 80, "{calls} calls");
    assert!(tokens["fake-token-2"] >= 40 && !tokens.contains_key("none"));
    assert_eq!(world.source.fetches(), 2);
    assert!(
        apis.iter()
            .all(|api| api.calls() > 0 && api.holding() <= below)
    );
}

#[tokio::test(start_paused = true)]
async fn with_a_balancer_below_a_replay_may_use_another_endpoint() {
    let world = World::cold();
    let apis = endpoints();
    let client = ServiceBuilder::new()
        .map_err(Error::into_boxed)
        .layer(world.layer())
        .buffer(64)
        .service(balanced(apis.clone()));
    for revoked in ["fake-none", "fake-token-1"] {
        apis.iter().for_each(|api| api.revoke(revoked));
        let calls: Vec<_> = (0..40)
            .map(|_| tokio::spawn(client.clone().oneshot(get(URL))))
            .collect();
        for call in calls {
            let response = in_time(call).await.unwrap().unwrap();
            assert_eq!(response.status(), StatusCode::OK);
            assert!(AuthOutcome::of(&response).sends() <= 2);
        }
    }
    let (calls, tokens) = seen(&apis);
    assert!(calls <= 40 + 80, "{calls} calls");
    assert!(!tokens.contains_key("none"));
    assert_eq!(world.source.fetches(), 2);
}
