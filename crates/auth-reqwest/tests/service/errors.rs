//! Errors contain the origin of a URL, and nothing else of it.

use std::{error::Error, fmt::Write, iter, time::Duration};

use auth_reqwest::ReqwestService;
use auth_testkit::{ForeignServer, Reply, assert_no_secret};
use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use reqwest::redirect::Policy;

use crate::support::{SECRET, following, get, send, service, settings};

const SECRETS: [&str; 4] = [SECRET, "fake-path", "fake-query", "fake-word"];

/// Returns all texts of an error, including those of its causes.
fn told(error: &reqwest::Error) -> String {
    let mut text = format!("{error:?}\n");
    for error in iter::successors(Some(error as &dyn Error), |&error| error.source()) {
        writeln!(text, "{error}").unwrap();
    }
    text
}

fn secretive(origin: &str) -> Request<Full<Bytes>> {
    let origin = origin.replace("://", "://fake-word:fake-word@");
    get(&format!("{origin}/fake-path?key=fake-query"))
}

#[tokio::test]
async fn g18_no_error_contains_a_secret() {
    let server = ForeignServer::start().await;
    server.script().then(Reply::cut());
    let mut errors = vec![
        send(&service(), secretive(server.origin()))
            .await
            .unwrap_err(),
    ];
    assert!(told(&errors[0]).contains(&format!("({}/)", server.origin())));

    let origin = server.origin().to_owned();
    server.shutdown().await;
    errors.push(send(&service(), secretive(&origin)).await.unwrap_err());
    assert!(errors[1].is_connect());

    errors.push(
        send(&service(), secretive("ftp://127.0.0.1"))
            .await
            .unwrap_err(),
    );
    for error in errors {
        assert_no_secret(told(&error), &SECRETS);
    }
}

#[tokio::test]
async fn g18_errors_about_a_deadline_and_a_broken_body_contain_no_secret() {
    let server = ForeignServer::start().await;
    server.script().then(Reply::never());
    let hasty = settings().timeout(Duration::from_millis(1));
    let hasty = following(hasty);
    let error = send(&hasty, secretive(server.origin())).await.unwrap_err();
    assert!(error.is_timeout());
    assert_no_secret(told(&error), &SECRETS);

    server.script().clear();
    server
        .script()
        .then(Reply::status(200).body("fake-path").cut_after(4));
    let response = send(&service(), secretive(server.origin())).await.unwrap();
    let error = response.into_body().collect().await.unwrap_err();
    assert_no_secret(told(&error), &SECRETS);
}

#[tokio::test]
async fn a_uri_without_a_host_is_not_sent() {
    for uri in ["/fake-path?key=fake-query", "127.0.0.1:1"] {
        let error = send(&service(), get(uri)).await.unwrap_err();
        assert!(error.is_builder(), "{error:?}");
        assert_no_secret(told(&error), &SECRETS);
    }
}

#[test]
fn an_error_names_settings_that_reqwest_does_not_accept() {
    let broken = settings().user_agent("no\nagent");
    let error = ReqwestService::from_builder(broken, Policy::none()).unwrap_err();
    assert_eq!(error.field(), Some("client"));
    // On a machine without root certificates, the default client cannot be made.
    if let Err(error) = ReqwestService::new() {
        assert_eq!(error.field(), Some("client"));
    }
}
