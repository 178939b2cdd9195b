//! G12: a token is sent only to the listed origins.

use auth_testkit::{ForeignServer, Reply};
use reqwest::{Method, Request, Url};

use crate::support::World;

#[tokio::test]
async fn g12_a_request_to_another_origin_is_sent_unsigned() {
    let (world, foreign) = (World::warm().await, ForeignServer::start().await);
    let response = world.client().get(foreign.url()).send().await.unwrap();
    assert_eq!((response.status().as_u16(), foreign.requests()), (200, 1));
    assert_eq!(foreign.recorded()[0].expose_header("authorization"), None);
    let secrets = world.server.expose_secrets();
    let secrets: Vec<&str> = secrets.iter().map(String::as_str).collect();
    assert_eq!(foreign.secrets_seen(&secrets), []);
}

#[tokio::test]
async fn g12_a_redirect_to_another_origin_is_the_response() {
    let (world, foreign) = (World::warm().await, ForeignServer::start().await);
    world
        .server
        .api()
        .then(Reply::redirect(307, &foreign.url()));
    let response = world.client().get(world.url()).send().await.unwrap();
    assert_eq!((response.status().as_u16(), foreign.requests()), (307, 0));
}

/// The client parses the same URL as the check before it.
#[tokio::test]
async fn g12_a_url_that_only_resembles_a_listed_origin_is_not_signed() {
    let (world, foreign) = (World::warm().await, ForeignServer::start().await);
    let (home, away) = (world.server.origin(), &foreign.origin()["http://".len()..]);
    for url in [
        format!("{home}@{away}/foreign"),
        format!("http://{away}\\@{}/foreign", &home["http://".len()..]),
        format!("http:{away}/foreign#@{home}/"),
    ] {
        foreign.reset();
        let request = Request::new(Method::GET, Url::parse(&url).unwrap());
        let response = world.client().execute(request).await.unwrap();
        assert_eq!((response.status().as_u16(), foreign.requests()), (200, 1));
        let sent = foreign.recorded().remove(0);
        let own = sent.expose_header("authorization");
        assert!(own.is_none_or(|value| value.starts_with("Basic")), "{url}");
    }
    assert_eq!(world.counts(), (0, 1));
}

#[tokio::test]
async fn a_url_that_is_not_http_is_an_error_of_the_client() {
    let world = World::warm().await;
    let request = Request::new(Method::GET, Url::parse("data:text/plain,1").unwrap());
    let error = world.client().execute(request).await.unwrap_err();
    assert!(matches!(error, reqwest_middleware::Error::Reqwest(_)));
}
