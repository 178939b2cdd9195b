//! G14 with redirects: an order that a server has carried out is never sent again because a later
//! request was refused.

use auth_testkit::{ForeignServer, RecordedRequest, Reply};
use bytes::Bytes;
use http::{Method, Request};
use http_body_util::Full;
use tower::ServiceExt;

use crate::{
    STATUSES,
    kinds::KINDS,
    sockets::{Servers, Target},
    stacks::{Foreign, Http, Stack, hyper, unguarded},
};

/// The counts of one order.
#[derive(Debug, Default, PartialEq)]
struct Orders {
    /// How often the order was sent.
    sent: usize,
    /// How often a server carried out the order: neither refused it (401) nor redirected it with
    /// its method (307, 308).
    taken: usize,
}

impl Orders {
    /// Counts the requests of a server that gave these answers, and 200 after them.
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

/// Redirects an order, and refuses the following request. Returns the last status.
async fn place(http: Http, url: &str, order: &str) -> u16 {
    let body = Full::from(Bytes::copy_from_slice(order.as_bytes()));
    let request = Request::post(url).body(body).unwrap();
    http.oneshot(request).await.unwrap()
}

/// Redirects an order, and refuses the following request at any server.
async fn redirected(
    servers: &Servers,
    http: Http,
    status: u16,
    target: Target,
    location: &str,
    order: &str,
) -> (u16, Orders) {
    let home = servers.home.script();
    home.then(Reply::redirect(status, location));
    home.then(Reply::status(401));
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
    let last = place(http, &servers.home.url(), order).await;

    let mut orders = Orders::default();
    orders.count(&servers.home, &[status, 401], order);
    for server in servers.away() {
        orders.count(server, &away, order);
    }
    (last, orders)
}

#[tokio::test]
async fn g14_no_order_is_carried_out_twice() {
    let servers = Servers::start().await;
    let mut cells = 0;
    // Headers that HTTP clients do not remove on a redirect.
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
                // A new authenticator for each case, so that no renewal is in back-off.
                let http = stack.build(kind.accepted(servers.home.origin()).await);

                let (last, orders) =
                    redirected(&servers, http, status, target, &location, &order).await;
                for server in servers.away() {
                    assert_eq!(server.secrets_seen(kind.secrets()), [], "{cell}");
                }
                if ![307, 308].contains(&status) {
                    assert_eq!(orders, Orders { sent: 1, taken: 1 }, "{cell}");
                } else if !target.stays() && !stack.goes_away() {
                    assert_eq!(orders, Orders { sent: 1, taken: 0 }, "{cell}");
                } else if target.stays() && stack.signs_each_hop() && stack != Stack::Both {
                    // The request to the second address is refused and replayed there.
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
    // Systems without a second loopback address have fewer.
    test_report::figure!(
        "G14: no order is carried out twice in {} combinations of client and redirect",
        cells => 315..=350,
    );
    assert_eq!(cells, 7 * 5 * targets);
}

/// With clients whose redirect policy the application set, a redirect may stay undetected.
#[tokio::test]
async fn g14_no_order_is_placed_twice_by_a_client_with_its_own_policy() {
    let servers = Servers::start().await;
    let (mut cells, mut twice) = (0, 0);
    for stack in Foreign::ALL {
        for target in Target::ALL {
            let Some(location) = target.location(&servers) else {
                continue;
            };
            for status in STATUSES {
                servers.reset();
                let order = format!("order-{cells}");
                let cell = format!("{status} {target:?} {stack:?}");
                let http = stack.build(KINDS[0].accepted(servers.home.origin()).await);
                let (last, orders) =
                    redirected(&servers, http, status, target, &location, &order).await;
                twice += usize::from(orders.taken > 1);
                if ![307, 308].contains(&status) {
                    assert_eq!(orders, Orders { sent: 1, taken: 1 }, "{cell}");
                    if target.stays() && !stack.signs_each_hop() {
                        assert_eq!(last, 401, "{cell}");
                    }
                }
                assert!(orders.taken <= 1, "{orders:?} {cell}");
                cells += 1;
            }
        }
    }
    let targets = if servers.host.is_some() { 10 } else { 9 };
    assert_eq!((cells, twice), (7 * 5 * targets, 0));
}

/// The price: an order that was refused at once is sent again only if the client is known to have
/// followed no redirect.
#[tokio::test]
async fn a_client_with_its_own_policy_sends_an_order_again_only_if_it_reports_redirects() {
    let servers = Servers::start().await;
    for stack in Foreign::ALL {
        servers.reset();
        servers.home.script().then(Reply::status(401));
        let http = stack.build(KINDS[0].accepted(servers.home.origin()).await);
        let last = place(http, &servers.home.url(), "order").await;
        let mut orders = Orders::default();
        orders.count(&servers.home, &[401], "order");
        let expected = if stack.tells() {
            (200, Orders { sent: 2, taken: 1 })
        } else {
            (401, Orders { sent: 1, taken: 0 })
        };
        assert_eq!((last, orders), expected, "{stack:?}");

        // Safe requests are sent again by all clients.
        servers.reset();
        servers.home.script().then(Reply::status(401));
        let http = stack.build(KINDS[0].accepted(servers.home.origin()).await);
        let request = Request::get(servers.home.url()).body(Full::default());
        assert_eq!(http.oneshot(request.unwrap()).await.unwrap(), 200);
    }
}

/// The same stacks replay an order that is refused without a redirect.
#[tokio::test]
async fn an_order_that_was_refused_at_once_is_sent_again() {
    let servers = Servers::start().await;
    for kind in KINDS {
        for stack in Stack::ALL {
            servers.reset();
            servers.home.script().then(Reply::status(401));
            let http = stack.build(kind.accepted(servers.home.origin()).await);
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

/// With tower-http's follower below `AuthLayer` and no guard, only the follower's mark shows the
/// redirect. The mark does not contain the method, so no order is replayed.
#[tokio::test]
async fn g14_no_order_is_carried_out_twice_without_a_guard() {
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
            let http = unguarded(KINDS[0].accepted(servers.home.origin()).await, hyper());
            place(http, &servers.home.url(), "order").await;
            let mut orders = Orders::default();
            orders.count(&servers.home, &[status, 401], "order");
            assert_eq!(orders, Orders { sent: 1, taken: 1 }, "{status} {target:?}");
        }
    }
}

/// A request with a safe method is replayed from its first address.
#[tokio::test]
async fn a_safe_request_is_sent_again_after_a_redirect() {
    let servers = Servers::start().await;
    for method in [Method::GET, Method::HEAD, Method::OPTIONS] {
        for stack in Stack::ALL {
            servers.reset();
            servers.home.script().then(Reply::redirect(307, "/again"));
            servers.home.script().then(Reply::status(401));
            let http = stack.build(KINDS[0].accepted(servers.home.origin()).await);
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

/// The guarantee applies to every unsafe method.
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
            let http = stack.build(KINDS[0].accepted(servers.home.origin()).await);
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
