//! `Debug` of every public type that may contain a secret.

use std::{convert::Infallible, fmt::Debug, future::ready, time::Duration};

use auth_axonize::{Axonize, MfaAnswer};
use auth_core::{
    AccessToken, ApiKey, Authenticator, AuthenticatorMap, Key, Origins, RefreshPolicy, Scheme,
    Secret, SecretFile, SecretFn, Sharded, SharedSecretSource, SharedTransport,
};
use auth_kaizen::{Central, East, Kaizen, Region};
use auth_kayzen::Kayzen;
use auth_oauth2::{Client, ReplyRules, Scrubber};
use auth_reqwest::{AuthMiddleware, ReqwestTransport};
use auth_testkit::{Outcome, ScriptedSource, TestServer};
use auth_tower::{AuthLayer, AuthOutcome, ServiceTransport};
use auth_verdigris::{LegacyRefusalLayer, Verdigris};
use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::Full;
use tower::{Layer, Service, ServiceExt, service_fn};

use crate::planted::{
    APP_HEADER, APP_KEY, CLIENT_ID, CLIENT_SECRET, OWN, PASSWORD, TOKEN, assert_clean,
};

const API: &str = "https://api.example.test";

fn shown(what: impl Debug) -> String {
    format!("{what:?}\n{what:#?}")
}

fn scheme() -> Scheme {
    Scheme::bearer().and_header(APP_HEADER, APP_KEY).unwrap()
}

fn authenticator() -> (ScriptedSource, Authenticator) {
    let source = ScriptedSource::new();
    source.then(Outcome::token(AccessToken::new(TOKEN)));
    let authenticator = Authenticator::builder(source.clone(), Origins::new([API]).unwrap())
        .scheme(scheme())
        .build()
        .unwrap();
    (source, authenticator)
}

#[test]
fn g18_debug_of_cores_types_shows_no_secret() {
    let secret = Secret::new(CLIENT_SECRET);
    let token = AccessToken::new(TOKEN)
        .expires_in(Duration::from_secs(60))
        .scope("fake.read");
    let function = SecretFn::new(|| ready(Ok(Secret::new(CLIENT_SECRET))));
    let sharded = Sharded::new(2, || Secret::new(CLIENT_SECRET));
    assert_clean(shown(&secret), &[]);
    assert_clean(shown(&token), &[]);
    assert_clean(shown(&function), &[]);
    assert_clean(shown(SharedSecretSource::new(function)), &[]);
    assert_clean(shown(SharedSecretSource::new(secret)), &[]);
    assert_clean(shown(&sharded), &[]);
    assert_clean(shown(sharded.local()), &[]);
    assert_clean(shown(scheme()), &[]);
    assert_clean(shown(RefreshPolicy::default()), &[]);
}

#[tokio::test(start_paused = true)]
async fn g18_debug_of_the_machine_shows_no_secret_in_any_state() {
    let (_, authenticator) = authenticator();
    assert_clean(shown(&authenticator), &[]);
    let mut waiting = authenticator.token();
    assert_clean(shown(&waiting), &[]);
    let token = (&mut waiting).await.unwrap();
    assert_clean(shown(&waiting), &[]);
    assert_clean(shown(&token), &[]);
    let mut headers = HeaderMap::new();
    assert_clean(shown(authenticator.sign(&mut headers)), &[]);
    // Marked sensitive, so that other programs' logs hide them too.
    assert_eq!(headers.len(), 2);
    assert_clean(shown(&headers), &[]);
    let refusal = authenticator.report_refused(token.generation());
    assert_clean(shown(&refusal), &[]);
    authenticator.token().await.unwrap();
    assert_clean(shown(authenticator.report_refused(token.generation())), &[]);
    assert_clean(shown(&authenticator), &[]);
    let builder = Authenticator::builder(ScriptedSource::new(), Origins::new([API]).unwrap());
    let builder = builder.scheme(scheme());
    assert_clean(shown(builder), &[]);
}

#[tokio::test(start_paused = true)]
async fn g18_debug_of_sources_and_transports_shows_no_secret() {
    let server = TestServer::builder()
        .client(CLIENT_ID, CLIENT_SECRET)
        .in_memory();
    let builder = || {
        let url = format!("{}?tenant={PASSWORD}", server.token_url()).replace(['"', '\\'], "");
        Client::builder(url, CLIENT_ID, server.transport())
            .secret(Secret::new(CLIENT_SECRET))
            .extra("secret-parameter", PASSWORD)
    };
    assert_clean(shown(builder()), &[]);
    let client = builder().build().unwrap();
    assert_clean(shown(&client), &[]);
    assert_clean(shown(client.client_credentials()), &[]);
    assert_clean(shown(client.refresh_token(Secret::new(TOKEN))), &[]);
    let token_request = client.token_exchange(TOKEN).unwrap();
    assert_clean(shown(token_request.actor_token(TOKEN, "x")), &[]);
    let password = client.password(APP_KEY, Secret::new(PASSWORD));
    assert_clean(shown(password), &[]);
    let scrubber = Scrubber::new().secret(Secret::new(CLIENT_SECRET));
    assert_clean(shown(scrubber), &[]);
    assert_clean(shown(ReplyRules::new()), &[]);
    assert_clean(shown(SharedTransport::new(server.transport())), &[]);
    let service = ServiceTransport::new(server.service()).with_error_source();
    assert_clean(shown(service), &[]);
    let reqwest = ReqwestTransport::builder().configure(|client| {
        let mut headers = HeaderMap::new();
        headers.insert(APP_HEADER, APP_KEY.parse().unwrap());
        client.default_headers(headers)
    });
    assert_clean(shown(&reqwest), &[]);
    assert_clean(shown(reqwest.build().unwrap()), &[]);
}

#[tokio::test(start_paused = true)]
async fn g18_debug_of_the_layer_shows_no_secret_in_any_state() {
    let (_, authenticator) = authenticator();
    let layer = AuthLayer::new(authenticator.clone());
    assert_clean(shown(&layer), &[]);
    assert_clean(shown(layer.clone().replay_off()), &[]);
    let by_hand = layer
        .clone()
        .replay_with(|body: &Full<Bytes>| Some(body.clone()));
    assert_clean(shown(&by_hand), &[]);
    let below = service_fn(|_: Request<Full<Bytes>>| {
        let mut response = Response::new(Full::<Bytes>::default());
        *response.status_mut() = StatusCode::UNAUTHORIZED;
        ready(Ok::<_, Infallible>(response))
    });
    let mut client = layer.layer(below);
    let waiting = client.call(request());
    assert_clean(shown(&waiting), &[]);
    assert_eq!(waiting.await.unwrap().status(), 401);
    let sent = client.call(request());
    assert_clean(shown(&sent), &[]);
    let response = sent.await.unwrap();
    assert_clean(shown(AuthOutcome::of(&response)), &[]);
    assert_clean(shown(&response), &[]);

    assert_clean(shown(AuthMiddleware::from(layer)), &[]);
    // The service below is shown by its own `Debug`.
    let nothing_below = by_hand.layer(());
    assert_clean(shown(nothing_below), &[]);
}

fn request() -> Request<Full<Bytes>> {
    Request::get(API)
        .header("x-own", {
            let mut own = http::HeaderValue::from_static(OWN);
            own.set_sensitive(true);
            own
        })
        .body(Full::from(PASSWORD))
        .unwrap()
}

#[tokio::test(start_paused = true)]
async fn g18_debug_of_vendor_crates_shows_no_secret() {
    let server = TestServer::builder()
        .client(CLIENT_ID, CLIENT_SECRET)
        .in_memory();
    let builder = || {
        Verdigris::builder(CLIENT_ID, Secret::new(CLIENT_SECRET), server.transport())
            .token_url(server.token_url())
            .base_url(server.origin())
    };
    assert_clean(shown(builder()), &[]);
    let authenticator = builder().build().unwrap();
    assert_clean(shown(&authenticator), &[]);
    let refused = format!("{{\"error\":\"Couldn't find ApiKey with access_token = {TOKEN}\"}}");
    let below = service_fn(move |_: Request<Full<Bytes>>| {
        let response = Response::builder()
            .status(404)
            .header("content-type", "application/json")
            .body(Full::<Bytes>::from(refused.clone()));
        ready(Ok::<_, Infallible>(response.unwrap()))
    });
    let mut client = LegacyRefusalLayer::new().layer(below);
    let sent = client.ready().await.unwrap().call(request());
    assert_clean(shown(&sent), &[]);
    assert_clean(shown(sent.await.unwrap()), &[]);
}

#[tokio::test(start_paused = true)]
async fn g18_debug_of_both_kaizen_servers_shows_no_secret() {
    kaizen_shows_nothing::<Central>().await;
    kaizen_shows_nothing::<East>().await;
}

async fn kaizen_shows_nothing<R: Region>() {
    let server = TestServer::builder()
        .client(CLIENT_ID, CLIENT_SECRET)
        .in_memory();
    let builder = Kaizen::<R>::builder(CLIENT_ID, Secret::new(CLIENT_SECRET), server.transport())
        .token_url(server.token_url())
        .base_url(server.origin());
    assert_clean(shown(&builder), &[]);
    let kaizen = builder.build().unwrap();
    assert_clean(shown(&kaizen), &[]);
    kaizen.authenticator().token().await.unwrap();
    assert_clean(shown(&kaizen), &server.expose_tokens());
}

#[tokio::test(start_paused = true)]
async fn g18_debug_of_kayzen_shows_no_secret() {
    let server = auth_kayzen::fake::server()
        .client(CLIENT_ID, CLIENT_SECRET)
        .user("fake-user@kayzen.io", PASSWORD)
        .in_memory();
    let (secret, password) = (Secret::new(CLIENT_SECRET), Secret::new(PASSWORD));
    let builder = Kayzen::builder(
        CLIENT_ID,
        secret,
        "fake-user@kayzen.io",
        password,
        server.transport(),
    )
    .token_url(server.token_url())
    .base_url(server.origin());
    assert_clean(shown(&builder), &[]);
    let authenticator = builder.build().unwrap();
    assert_clean(shown(&authenticator), &[]);
    let token = authenticator.token().await.unwrap();
    assert_clean(shown((&authenticator, &token)), &server.expose_tokens());
}

#[tokio::test(start_paused = true)]
async fn g18_debug_of_both_axonize_logins_shows_no_secret() {
    let server = auth_axonize::fake::login()
        .user("fake-user@axonize.com", PASSWORD)
        .in_memory();
    let password = Secret::new(PASSWORD);
    let login = Axonize::login(
        server.origin(),
        server.client_id(),
        server.user_name(),
        password,
        server.transport(),
    )
    .mfa(|challenge| {
        assert_clean(shown(&challenge), &[]);
        ready(Ok(MfaAnswer::Code(Secret::new(PASSWORD))))
    });
    assert_clean(shown(&login), &[]);
    let authenticator = login.build().unwrap();
    let token = authenticator.token().await.unwrap();
    assert_clean(shown((&authenticator, &token)), &server.expose_tokens());
    assert_clean(shown(MfaAnswer::Code(Secret::new(PASSWORD))), &[]);

    let keys = Axonize::api_keys(API, CLIENT_ID, Secret::new(TOKEN));
    assert_clean(shown(&keys), &[]);
    let authenticator = keys.build().unwrap();
    let token = authenticator.token().await.unwrap();
    assert_clean(shown((&authenticator, &token)), &[]);
}

#[tokio::test(start_paused = true)]
async fn g18_debug_of_keys_and_maps_shows_no_secret() {
    let key = Key::builder("example").subject(&Secret::new(PASSWORD));
    assert_clean(shown(&key), &[]);
    let key = key.build();
    let source = ApiKey::new(Secret::new(TOKEN));
    assert_clean(shown((&key, &source)), &[]);
    let map = AuthenticatorMap::builder(move |_| {
        Authenticator::builder(source.clone(), Origins::new([API])?).build()
    });
    assert_clean(shown(&map), &[]);
    let map = map.build().unwrap();
    let authenticator = map.get(&key).unwrap();
    authenticator.warm_up().await.unwrap();
    let health = authenticator.health();
    assert_clean(shown((&map, &health)), &[]);
    assert_clean(health.to_string(), &[]);
    assert_clean(shown(SecretFile::new("/run/secrets/example")), &[]);
}
