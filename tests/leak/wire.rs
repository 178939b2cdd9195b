//! The whole stack over real sockets, with hyper-util and with reqwest, and all its log lines.

use std::{sync::Arc, time::Duration};

use auth_core::{
    Authenticator, AuthenticatorOptions, Clock, Moment, Origins, RefreshPolicy, Scheme, Secret,
    SharedTransport,
};
use auth_reqwest::ReqwestService;
use auth_testkit::{ForeignServer, Reply, TestServer};
use auth_tower::AuthLayer;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde_json::json;
use tower::{BoxError, ServiceBuilder, ServiceExt, service_fn, util::BoxCloneService};
use tower_http::follow_redirect::FollowRedirectLayer;

use crate::{
    errors::transports,
    logs::capture,
    planted::{
        APP_HEADER, APP_KEY, CLIENT_ID, CLIENT_SECRET, OWN, PASSWORD, REFRESH_TOKEN, assert_clean,
        told,
    },
};

type Http = BoxCloneService<Request<Full<Bytes>>, Response<Bytes>, BoxError>;

#[tokio::test]
async fn g18_no_log_line_of_the_stack_contains_a_secret() {
    let logs = capture();
    let (mut tokens, mut stacks) = (Vec::new(), 0);
    for transport in transports() {
        for http in [hyper(), reqwest()] {
            stacks += 1;
            let of_course = course(transport.clone(), http).await;
            // The first one, the one after the revocation, and the one after the last refusal.
            assert_eq!(of_course.len(), 3);
            tokens.extend(of_course);
        }
    }
    let text = logs.text();
    for said in ["new token", "no token", "reqwest", "hyper_util"] {
        assert!(text.contains(said), "nothing of `{said}` was captured");
    }
    assert_clean(&text, &tokens);
    test_report::figure!(
        "G18: no secret in the logs of {} stacks at TRACE, which used {} tokens",
        stacks => 4,
        tokens.len() => 12,
    );
}

/// Makes the stack log everything that it can. Returns the tokens of the run.
async fn course(transport: SharedTransport, http: Http) -> Vec<String> {
    let server = TestServer::builder()
        .client(CLIENT_ID, CLIENT_SECRET)
        .start()
        .await;
    let foreign = ForeignServer::start().await;
    let echo = format!("{CLIENT_ID} may not use {CLIENT_SECRET} and {PASSWORD}");
    let echo = json!({ "error": "invalid_client", "error_description": echo });
    for reply in [
        Reply::status(401).json(&echo),
        Reply::status(200).json(&echo),
        Reply::status(503).json(&echo),
        Reply::redirect(307, &foreign.url()).json(&echo),
        Reply::cut(),
        Reply::garbage(),
    ] {
        server.token().then(reply);
        let client = client(&server, transport.clone(), http.clone());
        let error = client
            .oneshot(request(&server, "/things"))
            .await
            .unwrap_err();
        assert_clean(told(&*error), &[]);
    }

    let client = client(&server, transport, http);
    let call = async |path: &str| client.clone().oneshot(request(&server, path)).await;
    let refresh = json!(REFRESH_TOKEN);
    server
        .token()
        .then(Reply::normal().with("refresh_token", refresh));
    assert_eq!(call("/things").await.unwrap().status(), 200);
    server.revoke_all();
    assert_eq!(call("/things").await.unwrap().status(), 200);
    let mut own = request(&server, "/things");
    let credential = format!("Bearer {OWN}").parse().unwrap();
    own.headers_mut().insert("authorization", credential);
    let answer = client.clone().oneshot(own).await;
    assert_eq!(answer.unwrap().status(), 401);
    server.api().then(Reply::redirect(303, &foreign.url()));
    assert_eq!(call("/things").await.unwrap().status(), 200);
    server.api().then(Reply::cut());
    let error = call("/things").await.unwrap_err();
    assert_clean(told(&*error), &server.expose_tokens());
    server.api().then(Reply::status(500).body(APP_KEY));
    assert_eq!(call("/things").await.unwrap().status(), 500);
    assert_eq!(call("/forbidden").await.unwrap().status(), 403);
    server.always_refuse(true);
    assert_eq!(call("/things").await.unwrap().status(), 401);
    let secrets = [OWN, CLIENT_SECRET, APP_KEY];
    let tokens = server.expose_tokens();
    assert_eq!(foreign.secrets_seen(&secrets), []);
    let seen: Vec<_> = tokens.iter().map(String::as_str).collect();
    assert_eq!(foreign.secrets_seen(&seen), []);
    server.shutdown().await;
    foreign.shutdown().await;
    tokens
}

fn request(server: &TestServer, path: &str) -> Request<Full<Bytes>> {
    let request = Request::post(format!("{}{path}", server.api_url()));
    request.body(Full::from(PASSWORD)).unwrap()
}

fn client(server: &TestServer, transport: SharedTransport, http: Http) -> Http {
    let secret = Secret::new(CLIENT_SECRET);
    let client = auth_oauth2::Client::builder(server.token_url(), CLIENT_ID, transport)
        .secret(secret)
        .danger_allow_http(&server.token_url())
        .unwrap()
        .extra("password", PASSWORD);
    let origins = Origins::danger_allow_http([server.origin()]).unwrap();
    // Sockets need real time, which must not pass in waiting and decides nothing here.
    let policy = RefreshPolicy::default()
        .min_interval(Duration::from_millis(1))
        .and_then(|policy| policy.deadline(Duration::from_secs(3600)))
        .unwrap();
    let authenticator =
        Authenticator::builder(client.build().unwrap().client_credentials(), origins)
            .vendor("example")
            .scheme(Scheme::bearer().and_header(APP_HEADER, APP_KEY).unwrap())
            .options(
                AuthenticatorOptions::new()
                    .policy(policy)
                    .clock(StandsStill),
            )
            .build()
            .unwrap();
    let stack = ServiceBuilder::new()
        .map_err(|error: auth_tower::Error<BoxError>| match error {
            auth_tower::Error::Auth(error) => error.into(),
            auth_tower::Error::Inner(error) => error,
        })
        .layer(FollowRedirectLayer::new())
        .layer(AuthLayer::new(authenticator))
        .service(http);
    BoxCloneService::new(stack)
}

/// A clock that stands still, so that a busy machine does not change the result: no trial and no
/// back-off ends earlier or later.
#[derive(Debug)]
struct StandsStill;

impl Clock for StandsStill {
    fn now(&self) -> Moment {
        Moment::new(
            Duration::from_secs(1_000),
            Duration::from_secs(1_700_000_000),
        )
    }
}

fn hyper() -> Http {
    let client: Client<HttpConnector, Full<Bytes>> =
        Client::builder(TokioExecutor::new()).build_http();
    let client = Arc::new(client);
    BoxCloneService::new(service_fn(move |request| {
        let client = Arc::clone(&client);
        async move {
            let (parts, body) = client.request(request).await?.into_parts();
            Ok(Response::from_parts(
                parts,
                body.collect().await?.to_bytes(),
            ))
        }
    }))
}

fn reqwest() -> Http {
    let client = ReqwestService::new().unwrap();
    BoxCloneService::new(service_fn(move |request: Request<Full<Bytes>>| {
        let client = client.clone();
        async move {
            let (parts, body) = client.oneshot(request).await?.into_parts();
            Ok(Response::from_parts(
                parts,
                body.collect().await?.to_bytes(),
            ))
        }
    }))
}
