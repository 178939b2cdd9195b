//! One deadline applies to the whole call. Time is virtual: it advances only when no task can run.

use std::{future::Future, time::Duration};

use auth_core::{ErrorKind, TokenRequestOutcome, Transport};
use auth_reqwest::ReqwestTransport;
use tokio::{
    io::AsyncWriteExt,
    time::{Instant, timeout},
};

use crate::server::{CAP, Server, builder, request, transport};

const SECOND: Duration = Duration::from_secs(1);

/// Calls a server and expects the deadline to end it.
async fn time_out<T>(
    transport: &ReqwestTransport,
    after: Duration,
    url: &str,
    server: impl Future<Output = T>,
) -> T {
    let start = Instant::now();
    let call = async {
        let reply = transport.send(request(url), CAP).await;
        (reply.unwrap_err(), start.elapsed())
    };
    let both = async { tokio::join!(call, server) };
    let ((error, took), played) = timeout(60 * SECOND, both).await.expect("no deadline");
    assert_eq!(error.kind(), ErrorKind::TimedOut, "{error:?}");
    let message = format!(": no complete reply within {after:?}");
    assert!(error.to_string().ends_with(&message), "{error}");
    assert_eq!(error.outcome(), TokenRequestOutcome::Unknown);
    assert!(after <= took && took < after + SECOND, "{took:?}");
    played
}

#[tokio::test(start_paused = true)]
async fn t10_a_silent_server_ends_at_the_deadline() {
    let quick = builder().deadline(3 * SECOND).build().unwrap();
    for (transport, after) in [(transport(), 10 * SECOND), (quick, 3 * SECOND)] {
        let server = Server::start().await;
        time_out(&transport, after, &server.url(), server.request()).await;
    }
}

#[tokio::test(start_paused = true)]
async fn t10_a_trickled_reply_ends_at_the_deadline() {
    let server = Server::start().await;
    let sent = time_out(&transport(), 10 * SECOND, &server.url(), async {
        let (mut peer, _) = server.request().await;
        peer.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 900\r\n\r\n")
            .await
            .unwrap();
        let mut sent = 0;
        while peer.write_all(b"x").await.is_ok() {
            sent += 1;
            tokio::time::advance(SECOND / 3).await;
        }
        sent
    })
    .await;
    assert!(sent >= 30, "{sent}");
}

#[tokio::test(start_paused = true)]
async fn the_deadline_applies_to_a_finished_client_too() {
    let client = reqwest::Client::builder()
        .no_proxy()
        .tls_certs_only([])
        .build()
        .unwrap();
    let transport = ReqwestTransport::danger_from_client(client, 2 * SECOND);
    let server = Server::start().await;
    time_out(&transport, 2 * SECOND, &server.url(), server.request()).await;
}

#[tokio::test]
async fn a_deadline_of_zero_is_an_error() {
    let error = builder().deadline(Duration::ZERO).build().unwrap_err();
    assert_eq!(
        (error.kind(), error.field()),
        (ErrorKind::Config, Some("deadline"))
    );
    let error = builder()
        .connect_timeout(Duration::ZERO)
        .build()
        .unwrap_err();
    assert_eq!(
        (error.kind(), error.field()),
        (ErrorKind::Config, Some("connect_timeout"))
    );
}
