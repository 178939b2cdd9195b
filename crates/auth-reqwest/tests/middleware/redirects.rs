//! G14: which redirects below `AuthMiddleware` are detected, and which requests are sent again.

use async_trait::async_trait;
use auth_core::{Redirected, RedirectsUnseen};
use auth_reqwest::{AuthMiddleware, client_builder};
use auth_testkit::Reply;
use auth_tower::NotReplayed;
use http::{Extensions, Method};
use reqwest::{Client, Request, Response, redirect::Policy};
use reqwest_middleware::{ClientBuilder, ClientWithMiddleware, Error, Middleware, Next, Result};

use crate::support::{World, http, outcome};

/// A client that `client_builder` did not make.
fn foreign(policy: Policy) -> Client {
    let client = Client::builder().no_proxy().tls_certs_only([]);
    client.redirect(policy).build().unwrap()
}

fn over(client: Client, middleware: AuthMiddleware) -> ClientWithMiddleware {
    ClientBuilder::new(client).with(middleware).build()
}

/// How often a request was sent, and why it was not sent again.
#[derive(Debug, PartialEq)]
struct Came {
    orders: usize,
    why: Option<&'static str>,
}

impl Came {
    const AGAIN: Self = Self {
        orders: 2,
        why: None,
    };
    const UNSEEN: Self = Self::once("redirects_unseen");
    const REDIRECTED: Self = Self::once("redirected");

    const fn once(why: &'static str) -> Self {
        let why = Some(why);
        Self { orders: 1, why }
    }
}

/// Sends an order whose token is refused at once.
async fn refused(client: &ClientWithMiddleware, world: &World, method: Method) -> Came {
    world.server.api().then(Reply::refuse());
    order(client, world, method).await
}

/// Sends an order that is carried out and answered with a redirect to the same URL. The request
/// after the redirect is refused.
async fn taken(client: &ClientWithMiddleware, world: &World, method: Method) -> Came {
    let api = world.server.api();
    api.then(Reply::redirect(303, &world.url()));
    api.then(Reply::refuse());
    order(client, world, method).await
}

async fn order(client: &ClientWithMiddleware, world: &World, method: Method) -> Came {
    let request = client.request(method, world.url()).body("order");
    let response = request.send().await.unwrap();
    let outcome = outcome(&response);
    let why = outcome.not_replayed().map(NotReplayed::as_str);
    let status = if why.is_some() { 401 } else { 200 };
    assert_eq!(response.status().as_u16(), status, "{outcome:?}");
    if why.is_some() {
        // The next request is signed with a valid token.
        let renewed = |seen: &auth_testkit::Counters| seen.tokens_issued == 2;
        world.server.counters_reached(renewed).await;
    }
    let seen = world.seen();
    let orders = seen.iter().filter(|seen| seen.expose_body() == "order");
    Came {
        orders: orders.count(),
        why,
    }
}

#[tokio::test]
async fn g14_a_client_with_unseen_redirects_sends_no_order_again() {
    for policy in [
        Policy::default,
        || Policy::limited(3),
        || Policy::custom(|attempt| attempt.follow()),
    ] {
        for method in [Method::POST, Method::PATCH] {
            for send in [0, 1] {
                let world = World::warm().await;
                let client = over(foreign(policy()), world.middleware());
                let came = match send {
                    0 => refused(&client, &world, method.clone()).await,
                    _ => taken(&client, &world, method.clone()).await,
                };
                assert_eq!(came, Came::UNSEEN, "{method} {send}");
            }
        }
    }
}

#[tokio::test]
async fn g7_a_client_with_unseen_redirects_sends_idempotent_requests_again() {
    for method in [Method::GET, Method::PUT, Method::DELETE] {
        let world = World::warm().await;
        let client = over(foreign(Policy::default()), world.middleware());
        let came = refused(&client, &world, method.clone()).await;
        assert_eq!(came, Came::AGAIN, "{method}");
    }
}

#[tokio::test]
async fn g7_an_order_is_sent_again_if_the_application_states_that_no_redirect_is_followed() {
    let world = World::warm().await;
    let stated = world.middleware().danger_client_follows_no_redirects();
    let client = over(foreign(Policy::none()), stated);
    let came = refused(&client, &world, Method::POST).await;
    assert_eq!(came, Came::AGAIN);

    // The redirect is returned as the response.
    let world = World::warm().await;
    world.server.api().then(Reply::redirect(303, &world.url()));
    let stated = world.middleware().danger_client_follows_no_redirects();
    let client = over(foreign(Policy::none()), stated);
    let response = client.post(world.url()).body("order").send().await.unwrap();
    assert_eq!((response.status().as_u16(), world.counts()), (303, (1, 1)));
}

/// With every policy that is set after `client_builder`.
#[tokio::test]
async fn g14_client_builder_distinguishes_a_refused_order_from_one_carried_out() {
    let policies: [fn() -> Option<Policy>; 4] = [
        || None,
        || Some(Policy::default()),
        || Some(Policy::limited(3)),
        || Some(Policy::custom(|attempt| attempt.follow())),
    ];
    for policy in policies {
        for method in [Method::POST, Method::PATCH] {
            let client = || {
                let builder = client_builder().tls_certs_only([]);
                let builder = match policy() {
                    Some(policy) => builder.redirect(policy),
                    None => builder,
                };
                builder.build().unwrap()
            };
            let world = World::warm().await;
            let ours = over(client(), world.middleware());
            let came = refused(&ours, &world, method.clone()).await;
            assert_eq!(came, Came::AGAIN, "{method}");
            let world = World::warm().await;
            let ours = over(client(), world.middleware());
            let came = taken(&ours, &world, method.clone()).await;
            assert_eq!(came, Came::REDIRECTED, "{method}");
        }
    }
}

/// A retry policy that is set later replaces the one of `client_builder`, so no redirect is
/// detected.
#[tokio::test]
async fn g14_client_builder_with_another_retry_policy_sends_no_order_again() {
    let client = || {
        let builder = client_builder().redirect(Policy::default());
        let builder = builder.retry(reqwest::retry::never());
        builder.tls_certs_only([]).build().unwrap()
    };
    let world = World::warm().await;
    let unseen = over(client(), world.middleware());
    let came = refused(&unseen, &world, Method::POST).await;
    assert_eq!(came, Came::UNSEEN);
    let world = World::warm().await;
    let unseen = over(client(), world.middleware());
    let came = taken(&unseen, &world, Method::POST).await;
    assert_eq!(came, Came::UNSEEN);
}

/// Of two middlewares in one chain, the outer one detects the same redirects as the inner one.
#[tokio::test]
async fn g14_two_middlewares_detect_the_same_redirect() {
    let build = |world: &World| {
        ClientBuilder::new(http())
            .with(world.middleware())
            .with(world.middleware())
            .build()
    };
    let world = World::warm().await;
    let came = refused(&build(&world), &world, Method::POST).await;
    assert_eq!(came, Came::AGAIN);
    let world = World::warm().await;
    let came = taken(&build(&world), &world, Method::POST).await;
    assert_eq!(came, Came::REDIRECTED);
}

#[tokio::test]
async fn g14_a_middleware_for_keys_detects_the_same_redirect() {
    let world = World::warm().await;
    let came = refused(&world.keyed(), &world, Method::POST).await;
    assert_eq!(came, Came::AGAIN);
    let world = World::warm().await;
    let came = taken(&world.keyed(), &world, Method::POST).await;
    assert_eq!(came, Came::REDIRECTED);
}

/// An accepted response is marked if the client reported the redirect, also if the request is not
/// kept for a second send.
#[tokio::test]
async fn a_response_after_a_reported_redirect_is_marked() {
    type Make = fn(&World) -> AuthMiddleware;
    let makes: [Make; 3] = [
        World::middleware,
        |world| world.layer().replay_off().into(),
        |world| world.middleware().danger_client_follows_no_redirects(),
    ];
    for make in makes {
        for method in [Method::GET, Method::POST] {
            let world = World::warm().await;
            let client = over(http(), make(&world));
            for redirects in [false, true] {
                if redirects {
                    world.server.api().then(Reply::redirect(303, &world.url()));
                }
                let request = client.request(method.clone(), world.url()).body("order");
                let response = request.send().await.unwrap();
                assert_eq!(response.status(), 200);
                let marked = response.extensions().get::<Redirected>().is_some();
                assert_eq!(marked, redirects, "{method}");
                let unseen = response.extensions().get::<RedirectsUnseen>().is_some();
                assert!(!unseen, "{method}");
            }
        }
    }
}

/// Sends with its own client, in another task.
struct Elsewhere(Client);

#[async_trait]
impl Middleware for Elsewhere {
    async fn handle(&self, request: Request, _: &mut Extensions, _: Next<'_>) -> Result<Response> {
        let call = tokio::spawn(self.0.execute(request));
        Ok(call.await.map_err(Error::middleware)??)
    }
}

/// The client is polled in another task, so its redirects are not detected.
#[tokio::test]
async fn g14_a_client_in_another_task_sends_no_order_again() {
    let build = |world: &World| {
        ClientBuilder::new(http())
            .with(world.middleware())
            .with(Elsewhere(http()))
            .build()
    };
    let world = World::warm().await;
    let came = refused(&build(&world), &world, Method::POST).await;
    assert_eq!(came, Came::UNSEEN);
    let world = World::warm().await;
    let came = taken(&build(&world), &world, Method::POST).await;
    assert_eq!(came, Came::UNSEEN);
}

/// Sends another request first, with a client of `client_builder`.
struct Aside {
    client: Client,
    url: String,
}

#[async_trait]
impl Middleware for Aside {
    async fn handle(
        &self,
        request: Request,
        extensions: &mut Extensions,
        next: Next<'_>,
    ) -> Result<Response> {
        let aside = self.client.post(&self.url).body("aside").send().await?;
        assert_eq!(aside.status(), 401);
        next.run(request, extensions).await
    }
}

/// Redirects of another request do not count for this one.
#[tokio::test]
async fn g14_redirects_of_another_request_do_not_count() {
    let aside = auth_testkit::ForeignServer::start().await;
    for send in [0, 1] {
        let world = World::warm().await;
        aside.script().then(Reply::status(401));
        let client = ClientBuilder::new(foreign(Policy::default()))
            .with(world.middleware())
            .with(Aside {
                client: http(),
                url: aside.url(),
            })
            .build();
        let came = match send {
            0 => refused(&client, &world, Method::POST).await,
            _ => taken(&client, &world, Method::POST).await,
        };
        assert_eq!(came, Came::UNSEEN, "{send}");
    }
}

/// Reqwest itself sends a request again that an HTTP/2 server did not process.
#[tokio::test]
async fn a_request_that_was_not_processed_is_sent_again_as_reqwest_does() {
    let reqwests = || Client::builder().no_proxy();
    let builders: [fn() -> reqwest::ClientBuilder; 2] = [client_builder, reqwests];
    let builders = ["ours", "reqwest's"].into_iter().zip(builders);
    for (name, builder) in builders {
        for refuses in [true, false] {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let url = format!("http://{}/", listener.local_addr().unwrap());
            let server = async {
                let (socket, _) = listener.accept().await.unwrap();
                let mut connection = h2::server::handshake(socket).await.unwrap();
                let mut streams = 0;
                while let Some(stream) = connection.accept().await {
                    let (_, mut answer) = stream.unwrap();
                    streams += 1;
                    if streams == 1 && refuses {
                        answer.send_reset(h2::Reason::REFUSED_STREAM);
                    } else if streams == 1 {
                        answer.send_reset(h2::Reason::INTERNAL_ERROR);
                    } else {
                        answer
                            .send_response(http::Response::default(), true)
                            .unwrap();
                    }
                }
                streams
            };
            let client = builder().http2_prior_knowledge().tls_certs_only([]).build();
            let call = async {
                let client = client.unwrap();
                let answer = client.post(&url).body("order").send().await;
                answer.map(|answer| answer.status().as_u16())
            };
            let (answer, streams) = tokio::join!(call, server);
            assert_eq!(answer.ok(), refuses.then_some(200), "{name}");
            assert_eq!(streams, 1 + usize::from(refuses), "{name}");
        }
    }
}
