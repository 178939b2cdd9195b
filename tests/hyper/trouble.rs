//! Peers that break off, and peers that send too much.

use auth_testkit::Reply;
use http::Request;
use tower::ServiceExt;

use crate::{
    client::{self, Body},
    front::{Front, Wire},
    informational::{assert_sent_twice, status},
    peer::{Act, OK, REFUSED, bare, chain, get, signed},
};

/// A refusal whose body is shorter than announced.
fn broken_refusal(reset: bool) -> Act {
    let head = "HTTP/1.1 401 Unauthorized\r\ncontent-length: 100000\r\n\r\n";
    Act {
        answer: format!("{head}{}", "x".repeat(50)).into_bytes(),
        reset,
        ..Act::default()
    }
}

#[tokio::test]
async fn a_refusal_that_breaks_off_is_followed_by_a_second_send() {
    let (without, _) = bare(&get, &[Act::from(OK)]).await;
    for reset in [false, true] {
        let acts = [broken_refusal(reset), Act::from(OK)];
        let (with, came) = signed(&get, &acts).await;
        // A reset may arrive before the refusal's head; then there is no refusal to handle.
        if reset && with.result.is_err() {
            assert_eq!(came.len(), 1);
            continue;
        }
        assert_eq!(with, without, "{reset}");
        assert_sent_twice(&came);
    }
}

#[tokio::test]
async fn a_returned_refusal_that_breaks_off_is_an_error_for_the_caller() {
    let (without, _) = bare(&get, &[broken_refusal(false)]).await;
    assert!(without.body.is_err());
    let acts = [Act::from(REFUSED), broken_refusal(false)];
    let (with, came) = signed(&get, &acts).await;
    assert_eq!(status(&with), 401);
    assert_eq!(with, without);
    assert_sent_twice(&came);
}

#[tokio::test]
async fn a_closed_connection_is_the_clients_own_error() {
    let (without, _) = bare(&get, &[Act::default()]).await;
    assert!(without.result.is_err());
    let (with, came) = signed(&get, &[Act::default()]).await;
    assert_eq!(with, without);
    assert_eq!(came.len(), 1);

    let (with, came) = signed(&get, &[Act::from(REFUSED), Act::default()]).await;
    assert_eq!(with, without);
    assert_sent_twice(&came);
}

/// A response with a header of 1 MiB.
fn large(status_line: &str) -> Act {
    let answer = format!(
        "HTTP/1.1 {status_line}\r\nx-large: {}\r\ncontent-length: 0\r\n\r\n",
        "x".repeat(1 << 20)
    );
    Act::from(answer.as_bytes())
}

#[tokio::test]
async fn headers_that_are_too_large_are_the_clients_own_error() {
    for line in ["200 OK", "401 Unauthorized"] {
        let (without, _) = bare(&get, &[large(line)]).await;
        assert!(without.result.is_err());
        let (with, came) = signed(&get, &[large(line)]).await;
        assert_eq!(with, without, "{line}");
        assert_eq!(came.len(), 1, "{line}");

        let (with, came) = signed(&get, &[Act::from(REFUSED), large(line)]).await;
        assert_eq!(with, without, "{line}");
        assert_sent_twice(&came);
    }
}

#[tokio::test]
async fn headers_that_are_too_large_are_the_clients_own_error_with_http_2() {
    let front = Front::start(Wire::Http2).await;
    let signed = client::signed(&front);
    let request = || Request::get(front.api_url()).body(Body::default()).unwrap();
    signed.clone().oneshot(request()).await.unwrap();

    let large = || Reply::status(200).header("x-large", "x".repeat(1 << 20));
    front.server.api().then(large());
    let bare = client::http(front.wire, &front.authority);
    let without = bare.oneshot(request()).await.unwrap_err();

    front.server.api().then(large());
    let with = signed.clone().oneshot(request()).await.unwrap_err();
    assert_eq!(chain(&with), chain(&without));

    front.server.api().then(Reply::refuse()).then(large());
    let with = signed.oneshot(request()).await.unwrap_err();
    assert_eq!(chain(&with), chain(&without));
    assert_eq!(front.server.counters().token_requests, 2);
}
