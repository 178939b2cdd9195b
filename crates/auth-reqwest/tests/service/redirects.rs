//! Redirects are followed within one origin, and nowhere else.

use std::net::SocketAddr;

use auth_reqwest::{ReqwestService, same_origin_redirects};
use auth_testkit::{ForeignServer, Reply};
use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use reqwest::redirect::Policy;
use tower::ServiceExt;

use crate::support::{SECRET, get, seen, send, service, settings};

const STATUSES: [u16; 5] = [301, 302, 303, 307, 308];
const HOST: &str = "api.example.test";

/// A server, and a client that knows names for it.
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
            service: ReqwestService::from_builder(builder).unwrap(),
            port: address.port(),
            server,
        }
    }

    /// Answers a request with a redirect; returns the last status, and what came.
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
async fn within_an_origin_they_are_followed_with_all_headers() {
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
async fn g12_all_others_are_the_response() {
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
async fn g12_a_chain_is_judged_at_each_hop() {
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
async fn an_eleventh_is_an_error() {
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
async fn a_referer_tells_nobody_the_query() {
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
async fn a_body_in_memory_goes_along_and_a_stream_stays() {
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
async fn g12_a_builder_of_ones_own_is_set_right() {
    let loose = settings().redirect(Policy::limited(5)).referer(true);
    let service = ReqwestService::from_builder(loose).unwrap();
    let (server, other) = (ForeignServer::start().await, ForeignServer::start().await);
    server.script().then(Reply::redirect(307, "/again"));
    server.script().then(Reply::redirect(307, &other.url()));
    let response = send(&service, get(&server.url())).await.unwrap();
    assert_eq!((response.status().as_u16(), other.requests()), (307, 0));
    let again = server.recorded().remove(1);
    assert_eq!(again.expose_header("referer"), None);
}

#[tokio::test]
async fn a_finished_client_does_what_its_owner_told_it() {
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
