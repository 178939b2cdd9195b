//! Redirects are followed within one origin only.

use std::net::SocketAddr;

use auth_core::{Redirected, RedirectsUnseen};
use auth_reqwest::{ReqwestService, same_origin_redirects};
use auth_testkit::{ForeignServer, Reply};
use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::{BodyExt, Full};
use reqwest::redirect::Policy;
use tower::ServiceExt;

use crate::support::{SECRET, following, get, seen, send, service, settings};

const STATUSES: [u16; 5] = [301, 302, 303, 307, 308];
const HOST: &str = "api.example.test";

/// A server, and a client that resolves names to it.
struct Named {
    server: ForeignServer,
    port: u16,
    service: ReqwestService,
}

impl Named {
    async fn start() -> Self {
        let server = ForeignServer::start().await;
        let address: SocketAddr = server.origin()["http://".len()..].parse().unwrap();
        let mut builder = settings();
        for name in [
            HOST,
            "sub.api.example.test",
            "example.test",
            "api.example.test.",
        ] {
            builder = builder.resolve(name, address);
        }
        Self {
            service: following(builder),
            port: address.port(),
            server,
        }
    }

    /// Answers a request with a redirect. Returns the last status and the requests that arrived.
    async fn redirect(&self, status: u16, location: &str) -> (u16, Vec<String>, usize) {
        self.server.reset();
        self.server.script().then(Reply::redirect(status, location));
        let url = format!("http://{HOST}:{}/first/step", self.port);
        let response = send(&self.service, get(&url)).await.unwrap();
        let (paths, signed) = seen(&self.server);
        (response.status().as_u16(), paths, signed)
    }
}

#[tokio::test]
async fn redirects_within_an_origin_are_followed_with_all_headers() {
    let named = Named::start().await;
    let port = named.port;
    for status in STATUSES {
        for (location, path) in [
            ("/again".to_owned(), "/again"),
            ("again?page=2".to_owned(), "/first/again"),
            (format!("//{HOST}:{port}/again"), "/again"),
            (format!("http://{HOST}:{port}/again"), "/again"),
            (format!("HTTP://API.Example.TEST:{port}/again"), "/again"),
        ] {
            let (last, paths, signed) = named.redirect(status, &location).await;
            assert_eq!((last, signed), (200, 2), "{status} {location}");
            assert_eq!(paths, ["/first/step", path], "{status} {location}");
        }
    }
}

#[tokio::test]
async fn g12_all_other_redirects_are_the_response() {
    let named = Named::start().await;
    let (port, other) = (named.port, ForeignServer::start().await);
    let away = &other.origin()["http:".len()..];
    for status in STATUSES {
        for location in [
            other.url(),
            format!("{away}/protocol-relative"),
            format!("/\\{}/backslash", &away[2..]),
            format!("\\\\{}/backslashes", &away[2..]),
            format!("http://{HOST}@{}/user", &away[2..]),
            format!("http://user@{HOST}:{port}/"),
            format!("http://user:word@{HOST}:{port}/"),
            format!("http://:word@{HOST}:{port}/"),
            format!("http://sub.{HOST}:{port}/"),
            format!("http://example.test:{port}/"),
            format!("http://{HOST}.:{port}/"),
            format!("http://127.0.0.1:{port}/"),
            format!("http://{HOST}/"),
            format!("https://{HOST}:{port}/"),
            "ftp://127.0.0.1/".to_owned(),
        ] {
            let (last, paths, signed) = named.redirect(status, &location).await;
            assert_eq!((last, signed), (status, 1), "{location}");
            assert_eq!(paths, ["/first/step"], "{location}");
        }
    }
    assert_eq!(other.requests(), 0);
}

#[tokio::test]
async fn g12_each_hop_of_a_chain_is_checked() {
    let (server, other) = (ForeignServer::start().await, ForeignServer::start().await);
    server.script().then(Reply::redirect(307, "/second"));
    server.script().then(Reply::redirect(307, &other.url()));
    let response = send(&service(), get(&server.url())).await.unwrap();
    assert_eq!(response.status(), 307);
    assert_eq!(response.headers()["location"], other.url());
    assert_eq!(
        seen(&server),
        (vec!["/foreign".into(), "/second".into()], 2)
    );
    assert_eq!(other.requests(), 0);
}

#[tokio::test]
async fn an_eleventh_redirect_is_an_error() {
    let server = ForeignServer::start().await;
    server
        .script()
        .times(10, Reply::redirect(302, "/loop?fake-secret-2"));
    let response = send(&service(), get(&server.url())).await.unwrap();
    assert_eq!((response.status().as_u16(), server.requests()), (200, 11));

    server.reset();
    server
        .script()
        .times(11, Reply::redirect(302, "/loop?fake-secret-2"));
    let error = send(&service(), get(&server.url())).await.unwrap_err();
    assert!(error.is_redirect());
    assert!(
        !format!("{error:?} {error}").contains("fake-secret"),
        "{error:?}"
    );
    assert_eq!(server.requests(), 11);
}

#[tokio::test]
async fn no_referer_is_sent() {
    let finished = ReqwestService::danger_from_client(settings().build().unwrap());
    for service in [service(), finished] {
        let server = ForeignServer::start().await;
        server.script().then(Reply::redirect(302, "/again"));
        let url = format!("{}?key=fake-secret-2", server.url());
        send(&service, get(&url)).await.unwrap();
        let again = server.recorded().remove(1);
        let referer = again.expose_header("referer");
        assert_eq!((again.path(), referer), ("/again", None));
    }
}

#[tokio::test]
async fn a_redirect_sends_a_body_in_memory_again_and_not_a_stream() {
    let server = ForeignServer::start().await;
    for status in [307, 308] {
        server.reset();
        let full = Request::post(server.url())
            .body(Full::from("whole"))
            .unwrap();
        server.script().then(Reply::redirect(status, "/again"));
        let response = send(&service(), full).await.unwrap();
        assert_eq!(response.status(), 200);
        let bodies = server.recorded();
        assert!(
            bodies
                .iter()
                .all(|request| request.expose_body() == "whole")
        );
        assert_eq!(bodies.len(), 2);

        server.script().then(Reply::redirect(status, "/again"));
        let stream = Full::<Bytes>::from("whole").map_err(std::io::Error::other);
        let stream = Request::post(server.url()).body(stream).unwrap();
        let response = service().oneshot(stream).await.unwrap();
        assert_eq!((response.status().as_u16(), server.requests()), (status, 3));
    }
}

#[tokio::test]
async fn g12_from_builder_corrects_the_settings_of_a_builder() {
    let loose = settings().redirect(Policy::limited(5)).referer(true);
    let service = following(loose);
    let (server, other) = (ForeignServer::start().await, ForeignServer::start().await);
    server.script().then(Reply::redirect(307, "/again"));
    server.script().then(Reply::redirect(307, &other.url()));
    let response = send(&service, get(&server.url())).await.unwrap();
    assert_eq!((response.status().as_u16(), other.requests()), (307, 0));
    let again = server.recorded().remove(1);
    assert_eq!(again.expose_header("referer"), None);
}

/// Never more redirects than the policy permits.
#[tokio::test]
async fn a_custom_policy_decides_within_the_origin() {
    let only_302 = || {
        Policy::custom(|attempt| {
            if attempt.status() == 302 {
                attempt.follow()
            } else {
                attempt.stop()
            }
        })
    };
    let follow_all = || Policy::custom(|attempt| attempt.follow());
    // The redirect policy of the builder is ignored.
    let strict = || settings().redirect(Policy::none());
    let lax = || settings().redirect(follow_all());
    // (policy, how many of a chain of four redirects (302, 302, 302, 307) are followed, how it
    // ends)
    for (policy, followed, end) in [
        (Policy::none(), 0, Some(302)),
        (Policy::limited(0), 0, None),
        (Policy::limited(3), 3, None),
        (Policy::limited(4), 4, Some(200)),
        (only_302(), 3, Some(307)),
        (follow_all(), 4, Some(200)),
    ] {
        let within = std::sync::Arc::new(policy);
        for builder in [strict(), lax()] {
            let policy = within.clone();
            let policy = Policy::custom(move |attempt| policy.redirect(attempt));
            let service = ReqwestService::from_builder(builder, policy).unwrap();
            let server = ForeignServer::start().await;
            server.script().times(3, Reply::redirect(302, "/again"));
            server.script().then(Reply::redirect(307, "/again"));
            let status = send(&service, get(&server.url())).await;
            let status = status.map(|response| response.status().as_u16());
            assert_eq!(server.requests(), followed + 1);
            match end {
                Some(end) => assert_eq!(status.unwrap(), end),
                None => assert!(status.unwrap_err().is_redirect()),
            }
        }
    }
}

#[tokio::test]
async fn g12_no_policy_follows_a_redirect_to_another_origin() {
    let follow_all = Policy::custom(|attempt| attempt.follow());
    let service = ReqwestService::from_builder(settings(), follow_all).unwrap();
    let (server, other) = (ForeignServer::start().await, ForeignServer::start().await);
    for status in STATUSES {
        server.script().then(Reply::redirect(status, &other.url()));
        let response = send(&service, get(&server.url())).await.unwrap();
        assert_eq!(
            (response.status(), other.requests()),
            (status.try_into().unwrap(), 0)
        );
    }
}

#[tokio::test]
async fn a_response_to_a_followed_redirect_is_marked() {
    let is_marked =
        |response: &Response<reqwest::Body>| response.extensions().get::<Redirected>().is_some();
    let server = ForeignServer::start().await;
    let itself = server.url();
    let post = || {
        Request::post(server.url())
            .body(Full::from("order"))
            .unwrap()
    };
    let finished = ReqwestService::danger_from_client(settings().build().unwrap());
    for service in [service(), finished] {
        for status in STATUSES {
            // A redirect to the same URL can change only the method.
            for location in ["/again", &itself] {
                server.script().then(Reply::redirect(status, location));
                server.script().then(Reply::status(401));
                let response = send(&service, post()).await.unwrap();
                assert_eq!(response.status(), 401);
                assert!(is_marked(&response), "{status} {location}");
            }
            // Each request is observed by itself, and a redirect that is not followed sets no mark.
            let response = send(&service, post()).await.unwrap();
            assert!(
                response.status() == 200 && !is_marked(&response),
                "{status}"
            );
            let away = "http://127.0.0.1:1/";
            server.script().then(Reply::redirect(status, away));
            let response = send(&service, post()).await.unwrap();
            assert!(
                response.status() == status && !is_marked(&response),
                "{status}"
            );
        }
    }
}

/// The policy of such a client reports nothing, so a redirect to the same URL is not detected.
#[tokio::test]
async fn a_response_of_a_client_with_unseen_redirects_is_marked_where_needed() {
    type Stated = fn(ReqwestService) -> ReqwestService;
    let stated: [Stated; 2] = [
        |service| service,
        ReqwestService::danger_client_follows_no_redirects,
    ];
    let server = ForeignServer::start().await;
    let itself = server.url();
    for (number, state) in stated.into_iter().enumerate() {
        let foreign = || reqwest::Client::builder().no_proxy().tls_certs_only([]);
        let foreign = foreign().redirect(Policy::limited(5)).build().unwrap();
        let foreign = state(ReqwestService::danger_from_client(foreign));
        for (method, hides) in [
            (Method::POST, true),
            (Method::PATCH, true),
            (Method::from_bytes(b"ORDER").unwrap(), true),
            (Method::PUT, false),
            (Method::DELETE, false),
            (Method::GET, false),
        ] {
            for (location, redirected) in [("/again", true), (&*itself, false)] {
                let request = Request::builder().method(&method).uri(server.url());
                server.script().then(Reply::redirect(303, location));
                let response = send(&foreign, request.body(Full::from("order")).unwrap());
                let response = response.await.unwrap();
                let marks = response.extensions();
                let marks = (
                    marks.get::<Redirected>().is_some(),
                    marks.get::<RedirectsUnseen>().is_some(),
                );
                let unseen = hides && !redirected && number == 0;
                assert_eq!(marks, (redirected, unseen), "{method} {location} {number}");
            }
        }
    }
}

#[tokio::test]
async fn concurrent_requests_are_observed_separately() {
    let server = ForeignServer::start().await;
    let quiet = ForeignServer::start().await;
    let service = service();
    for _ in 0..20 {
        server.script().then(Reply::redirect(303, "/again"));
        let (one, other) = (get(&server.url()), get(&quiet.url()));
        let (one, other) = tokio::join!(send(&service, one), send(&service, other));
        let is_marked =
            |response: Response<reqwest::Body>| response.extensions().get::<Redirected>().is_some();
        assert_eq!(
            (is_marked(one.unwrap()), is_marked(other.unwrap())),
            (true, false)
        );
    }
}

#[tokio::test]
async fn a_finished_client_keeps_its_own_settings() {
    let kept = settings().build().unwrap();
    let policy = settings()
        .redirect(same_origin_redirects())
        .build()
        .unwrap();
    let none = settings().redirect(Policy::none()).build().unwrap();
    let loose = settings().redirect(Policy::limited(5)).build().unwrap();
    for (client, leaks) in [(kept, 0), (policy, 0), (none, 0), (loose, 1)] {
        let (server, other) = (ForeignServer::start().await, ForeignServer::start().await);
        server.script().then(Reply::redirect(307, &other.url()));
        let service = ReqwestService::danger_from_client(client);
        send(&service, get(&server.url())).await.unwrap();
        assert_eq!(other.secrets_seen(&[SECRET]).len(), leaks);
    }
}
