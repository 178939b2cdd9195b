//! Informational responses (RFC 9110 section 15.2): the caller receives the same as without the
//! layer.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::Full;
use hyper::ext::on_informational;

use crate::peer::{Act, Came, OK, REFUSED, Saw, bare, get, signed};

/// Early hints, and then the response.
fn hints(link: &str, then: &[u8]) -> Act {
    let mut answer = format!("HTTP/1.1 103 Early Hints\r\nlink: <{link}>\r\n\r\n").into_bytes();
    answer.extend_from_slice(then);
    Act {
        answer,
        ..Act::default()
    }
}

#[derive(Clone, Default)]
struct Hints(Arc<Mutex<Vec<(u16, String)>>>);

impl Hints {
    fn ask(&self, origin: &str) -> Request<Full<Bytes>> {
        let mut request = get(origin);
        let seen = self.0.clone();
        on_informational(&mut request, move |response| {
            let link = response.headers()["link"].to_str().unwrap().to_owned();
            seen.lock()
                .unwrap()
                .push((response.status().as_u16(), link));
        });
        request
    }

    fn take(&self) -> Vec<(u16, String)> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

#[tokio::test]
async fn early_hints_reach_the_caller() {
    let hints_seen = Hints::default();
    let asker = hints_seen.clone();
    let ask = move |origin: &str| asker.ask(origin);

    let (without, _) = bare(&ask, &[hints("/one", OK)]).await;
    let seen_without = hints_seen.take();
    let (with, _) = signed(&ask, &[hints("/one", OK)]).await;
    assert_eq!(with, without);
    assert_eq!(seen_without, [(103, "</one>".to_owned())]);
    assert_eq!(hints_seen.take(), seen_without);

    // The hints of both sends, those of the second one last.
    let acts = [hints("/one", REFUSED), hints("/two", OK)];
    let (with, came) = signed(&ask, &acts).await;
    assert_eq!(with, without);
    assert_sent_twice(&came);
    let seen: Vec<_> = hints_seen
        .take()
        .into_iter()
        .map(|(_, link)| link)
        .collect();
    assert_eq!(seen, ["</one>", "</two>"]);
}

const BODY: &[u8] = b"a body that waits for a word";

fn expecting(origin: &str) -> Request<Full<Bytes>> {
    Request::put(format!("{origin}/things/17"))
        .header("expect", "100-continue")
        .body(Full::from(BODY))
        .unwrap()
}

/// Answers 100 (Continue) after the request's head.
fn go_on(answer: &[u8]) -> Act {
    Act {
        early: b"HTTP/1.1 100 Continue\r\n\r\n".to_vec(),
        ..Act::from(answer)
    }
}

#[tokio::test]
async fn an_expectation_is_handled_as_without_the_layer() {
    let failed = b"HTTP/1.1 417 Expectation Failed\r\ncontent-length: 0\r\n\r\n";
    for act in [go_on(OK), Act::from(OK), Act::from(&failed[..])] {
        let acts = [act];
        let (without, came_without) = bare(&expecting, &acts).await;
        let (with, came) = signed(&expecting, &acts).await;
        assert_eq!(with, without);
        assert_eq!(came.len(), 1);
        assert_eq!(came[0].body, BODY);
        assert!(came[0].head.contains("expect: 100-continue\r\n"));
        assert_eq!(body_and_lines(&came[0]), body_and_lines(&came_without[0]));
    }
}

#[tokio::test]
async fn an_expectation_is_repeated_on_the_second_send() {
    let (without, _) = bare(&expecting, &[go_on(OK)]).await;
    for first in [go_on(REFUSED), Act::from(REFUSED)] {
        let (with, came) = signed(&expecting, &[first, go_on(OK)]).await;
        assert_eq!(with, without);
        assert_sent_twice(&came);
        assert_eq!(came[1].body, BODY);
        assert!(came[1].head.contains("expect: 100-continue\r\n"));
    }
}

/// Asserts that a request was sent twice, each time completely, and that this is the final
/// response.
#[track_caller]
pub(crate) fn assert_sent_twice(came: &[Came]) {
    let tokens: Vec<_> = came.iter().filter_map(Came::token).collect();
    assert_eq!(tokens, ["fake-token-1", "fake-token-2"]);
    assert_eq!(came[0].unsigned(), came[1].unsigned());
}

/// Returns the received request without the port in `host` and without the credential.
fn body_and_lines(came: &Came) -> (Vec<&str>, &[u8]) {
    let (mut lines, body) = came.unsigned();
    lines.retain(|line| !line.starts_with("host:"));
    (lines, body)
}

#[tokio::test]
async fn a_refusal_of_an_unread_upload_is_followed_by_a_second_send() {
    // The server refuses after the head, as servers that saw `expect` do, and then reads the rest.
    let refusal = Act {
        early: REFUSED.to_vec(),
        ..Act::default()
    };
    let (with, came) = signed(&expecting, &[refusal, go_on(OK)]).await;
    assert_eq!(status(&with), 200);
    assert_eq!(came.last().unwrap().body, BODY);
    assert_eq!(came.last().unwrap().token(), Some("fake-token-2"));
}

pub(crate) fn status(saw: &Saw) -> StatusCode {
    saw.result.as_ref().unwrap().0
}
