//! G18: no span and no log line of a chain with `AuthMiddleware` contains a secret.

use auth_testkit::{LogCapture, Reply};
use reqwest_middleware::ClientBuilder;
use reqwest_tracing::{SpanBackendWithUrl, TracingMiddleware};

use crate::support::{World, http};

#[tokio::test]
async fn g18_spans_contain_no_token() {
    let log = LogCapture::new();
    let _guard = log.install();
    let world = World::start().await;
    // Outside, as documented, and inside, where requests are signed.
    let client = ClientBuilder::new(http())
        .with(TracingMiddleware::default())
        .with(world.middleware())
        .with(TracingMiddleware::<SpanBackendWithUrl>::new())
        .build();
    client.get(world.url()).send().await.unwrap();
    world.server.revoke_all();
    client.get(world.url()).send().await.unwrap();
    world.server.always_refuse(true);
    client.get(world.url()).send().await.unwrap();
    world.server.api().then(Reply::cut());
    client.get(world.url()).send().await.unwrap_err();
    world
        .server
        .token()
        .always(Reply::oauth_error(401, "invalid_client"));
    client.get(world.url()).send().await.unwrap();

    assert!(
        log.text().contains("http.response.status_code=401"),
        "{}",
        log.text()
    );
    assert!(log.text().contains("hyper_util"), "{}", log.text());
    let secrets = world.server.expose_secrets();
    assert!(secrets.len() > 2, "no test");
    log.assert_no_secret(&secrets);
    log.assert_no_secret(&["Bearer"]);
}
