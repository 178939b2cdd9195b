//! Chains with other middlewares, which exchange values in the request's extensions.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use auth_reqwest::AuthMiddleware;
use auth_testkit::Reply;
use http::Extensions;
use reqwest::{Request, Response};
use reqwest_middleware::{ClientBuilder, Middleware, Next, Result};
use tokio::select;

use crate::support::{World, http, outcome};

/// How often a request was sent.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Sends(u32);

/// Counts the sends in the extensions.
struct Below;

#[async_trait]
impl Middleware for Below {
    async fn handle(
        &self,
        request: Request,
        extensions: &mut Extensions,
        next: Next<'_>,
    ) -> Result<Response> {
        extensions.get_mut::<Sends>().unwrap().0 += 1;
        let mut response = next.run(request, extensions).await?;
        response.extensions_mut().insert("from below");
        Ok(response)
    }
}

/// Reads the count after a response, after an error, and after a cancelled request.
#[derive(Clone)]
struct Above {
    world: Arc<World>,
    sends: Arc<Mutex<Vec<u32>>>,
}

#[async_trait]
impl Middleware for Above {
    async fn handle(
        &self,
        request: Request,
        extensions: &mut Extensions,
        next: Next<'_>,
    ) -> Result<Response> {
        extensions.insert(Sends(0));
        let stuck = self
            .world
            .server
            .counters_reached(|seen| seen.api_requests == 4);
        let result = select! {
            biased;
            () = stuck => Err(reqwest_middleware::Error::middleware(std::fmt::Error)),
            result = next.run(request, extensions) => result,
        };
        let sends = extensions.get::<Sends>().unwrap().0;
        self.sends.lock().unwrap().push(sends);
        result
    }
}

#[tokio::test]
async fn extensions_reach_the_middlewares_below_and_return() {
    let world = Arc::new(World::warm().await);
    let above = Above {
        world: Arc::clone(&world),
        sends: Arc::default(),
    };
    let client = ClientBuilder::new(http())
        .with(above.clone())
        .with(world.middleware())
        .with(Below)
        .build();
    world.server.revoke_all();
    let response = client.get(world.url()).send().await.unwrap();
    assert_eq!(response.extensions().get(), Some(&"from below"));
    assert_eq!(outcome(&response).sends(), 2);

    world.server.api().then(Reply::cut());
    client.get(world.url()).send().await.unwrap_err();
    world.server.api().then(Reply::never());
    client.get(world.url()).send().await.unwrap_err();
    assert_eq!(*above.sends.lock().unwrap(), [2, 1, 1]);
}

#[tokio::test]
async fn t20_two_auth_middlewares_in_a_chain_send_twice() {
    let world = World::warm().await;
    world.server.always_refuse(true);
    let client = ClientBuilder::new(http())
        .with(world.middleware())
        .with(AuthMiddleware::new(world.authenticator.clone()))
        .build();
    let response = client.get(world.url()).send().await.unwrap();
    assert_eq!((response.status().as_u16(), world.counts()), (401, (2, 2)));
}
