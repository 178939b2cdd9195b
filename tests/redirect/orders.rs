//! G14 under redirects: an order that a server took is never sent a second time, because a request
//! that came after it was refused.

use auth_testkit::{ForeignServer, RecordedRequest, Reply};
use bytes::Bytes;
use http::{Method, Request};
use http_body_util::Full;
use tower::ServiceExt;

use crate::{
    STATUSES,
    kinds::KINDS,
    sockets::{Servers, Target},
    stacks::{Http, Stack, hyper, unguarded},
};

/// What became of one order.
#[derive(Debug, Default, PartialEq)]
struct Orders {
    /// Times that the order was sent.
    sent: usize,
    /// Times that a server took the order: not refused (401), and not told to go elsewhere with it
    /// (307, 308).
    taken: usize,
}

impl Orders {
    /// Counts what came to a server that gave these answers, and 200 after them.
    fn count(&mut self, server: &ForeignServer, answers: &[u16], order: &str) {
        let answers = answers.iter().copied().chain(std::iter::repeat(200));
        for (request, answer) in server.recorded().iter().zip(answers) {
            if is_order(request, order) {
                self.sent += 1;
                self.taken += usize::from(![401, 307, 308].contains(&answer));
            }
        }
    }
}

fn is_order(request: &RecordedRequest, order: &str) -> bool {
    request.expose_body() == order.as_bytes()
}

/// Redirects an order, and refuses the request that follows; returns the last status.
async fn place(http: Http, url: &str, order: &str) -> u16 {
    let body = Full::from(Bytes::copy_from_slice(order.as_bytes()));
    let request = Request::post(url).body(body).unwrap();
    http.oneshot(request).await.unwrap()
}

#[tokio::test]
async fn g14_no_order_is_taken_twice() {
    let servers = Servers::start().await;
    let mut cells = 0;
    // Headers that HTTP clients do not strip on a redirect.
    let kind = KINDS[2];
    for stack in Stack::ALL {
        for target in Target::ALL {
            let Some(location) = target.location(&servers) else {
                continue;
            };
            for status in STATUSES {
                servers.reset();
                let order = format!("order-{cells}");
                let cell = format!("{status} {target:?} {stack:?}");
                // A new authenticator for each case, so that no refusal is damped.
                let http = stack.build(kind.authenticator(servers.home.origin()));

                servers
                    .home
                    .script()
                    .then(Reply::redirect(status, &location));
                servers.home.script().then(Reply::status(401));
                let mut away = vec![401];
                if let Target::AwayAndBack = target {
                    let back = format!("{}/again", servers.home.origin());
                    servers.port.script().then(Reply::redirect(status, &back));
                    away = vec![status];
                } else {
                    servers.port.script().then(Reply::status(401));
                }
                if let Some(host) = &servers.host {
                    host.script().then(Reply::status(401));
                }
                let last = place(http, &servers.home.url(), &order).await;

                let mut orders = Orders::default();
                orders.count(&servers.home, &[status, 401], &order);
                for server in servers.away() {
                    orders.count(server, &away, &order);
                    assert_eq!(server.secrets_seen(kind.secrets()), [], "{cell}");
                }
                if ![307, 308].contains(&status) {
                    assert_eq!(orders, Orders { sent: 1, taken: 1 }, "{cell}");
                } else if !target.stays() && !stack.goes_away() {
                    assert_eq!(orders, Orders { sent: 1, taken: 0 }, "{cell}");
                } else if target.stays() && stack.signs_each_hop() && stack != Stack::Both {
                    // The request to the second address is refused there, and replayed there.
                    assert_eq!(orders, Orders { sent: 3, taken: 1 }, "{cell}");
                } else {
                    assert!(orders.taken <= 1, "{orders:?} {cell}");
                }
                let repeats = [307, 308].contains(&status) && target == Target::Itself;
                if target.stays() && !stack.signs_each_hop() && !repeats {
                    assert_eq!(last, 401, "{cell}");
                }
                cells += 1;
            }
        }
    }
    let targets = if servers.host.is_some() { 10 } else { 9 };
    assert_eq!(cells, 7 * 5 * targets);
}

/// The same stacks replay an order that is refused without a redirect.
#[tokio::test]
async fn an_order_that_was_refused_at_once_is_sent_again() {
    let servers = Servers::start().await;
    for kind in KINDS {
        for stack in Stack::ALL {
            servers.reset();
            servers.home.script().then(Reply::status(401));
            let http = stack.build(kind.authenticator(servers.home.origin()));
            assert_eq!(
                place(http, &servers.home.url(), "order").await,
                200,
                "{stack:?}"
            );
            let mut orders = Orders::default();
            orders.count(&servers.home, &[401], "order");
            assert_eq!(orders, Orders { sent: 2, taken: 1 }, "{stack:?}");
        }
    }
}

/// With tower-http's follower below `AuthLayer` and no guard, only the follower's mark tells of the
/// redirect. The mark does not name the method, so no order is replayed.
#[tokio::test]
async fn g14_no_order_is_taken_twice_without_a_guard() {
    let servers = Servers::start().await;
    for target in Target::ALL {
        let Some(location) = target.location(&servers) else {
            continue;
        };
        for status in [301, 302, 303] {
            servers.reset();
            servers
                .home
                .script()
                .then(Reply::redirect(status, &location));
            servers.home.script().then(Reply::status(401));
            for server in servers.away() {
                server.script().then(Reply::status(401));
            }
            let http = unguarded(KINDS[0].authenticator(servers.home.origin()), hyper());
            place(http, &servers.home.url(), "order").await;
            let mut orders = Orders::default();
            orders.count(&servers.home, &[status, 401], "order");
            assert_eq!(orders, Orders { sent: 1, taken: 1 }, "{status} {target:?}");
        }
    }
}

/// A request with a safe method is replayed from its first address on.
#[tokio::test]
async fn a_safe_request_is_sent_again_after_a_redirect() {
    let servers = Servers::start().await;
    for method in [Method::GET, Method::HEAD, Method::OPTIONS] {
        for stack in Stack::ALL {
            servers.reset();
            servers.home.script().then(Reply::redirect(307, "/again"));
            servers.home.script().then(Reply::status(401));
            let http = stack.build(KINDS[0].authenticator(servers.home.origin()));
            let request = Request::builder().method(&method).uri(servers.home.url());
            let request = request.body(Full::<Bytes>::default()).unwrap();
            assert_eq!(
                http.oneshot(request).await.unwrap(),
                200,
                "{method} {stack:?}"
            );
        }
    }
}

/// The promise holds for every unsafe method.
#[tokio::test]
async fn g14_no_unsafe_method_is_sent_again_after_a_redirect() {
    let servers = Servers::start().await;
    for method in [Method::PUT, Method::PATCH, Method::DELETE] {
        for stack in Stack::ALL {
            if stack.signs_each_hop() {
                continue;
            }
            servers.reset();
            servers.home.script().then(Reply::redirect(303, "/again"));
            servers.home.script().then(Reply::status(401));
            let http = stack.build(KINDS[0].authenticator(servers.home.origin()));
            let request = Request::builder().method(&method).uri(servers.home.url());
            let request = request.body(Full::from("order")).unwrap();
            assert_eq!(
                http.oneshot(request).await.unwrap(),
                401,
                "{method} {stack:?}"
            );
            let mut orders = Orders::default();
            orders.count(&servers.home, &[303, 401], "order");
            assert_eq!(orders, Orders { sent: 1, taken: 1 }, "{method} {stack:?}");
        }
    }
}
