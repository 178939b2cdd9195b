//! Proxies of the environment are used on request only. The tests run the part that reads the
//! environment in another process, so that this process does not change its own.

use std::process::Stdio;

use auth_core::Transport;
use tokio::process::Command;

use crate::server::{CAP, Server, builder, request};

const URL: &str = "AUTH_REQWEST_TEST_URL";
const ASK: &str = "AUTH_REQWEST_TEST_ASK";
const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/// The application, if one of the tests below started this process.
#[tokio::test]
async fn child() {
    let Ok(url) = std::env::var(URL) else { return };
    let mut builder = builder();
    if std::env::var_os(ASK).is_some() {
        builder = builder.environment_proxies();
    }
    let reply = builder
        .build()
        .unwrap()
        .send(request(&url), CAP)
        .await
        .unwrap();
    assert_eq!(reply.body(), "ok");
}

fn start_child(url: &str, proxy: &Server, ask: bool) -> tokio::process::Child {
    let proxy = format!("http://127.0.0.1:{}", proxy.port());
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "proxies::child"])
        .env(URL, url)
        .stdout(Stdio::null());
    for name in [
        "http_proxy",
        "HTTP_PROXY",
        "https_proxy",
        "HTTPS_PROXY",
        "all_proxy",
        "ALL_PROXY",
    ] {
        command.env(name, &proxy);
    }
    for name in ["no_proxy", "NO_PROXY", "REQUEST_METHOD", ASK] {
        command.env_remove(name);
    }
    if ask {
        command.env(ASK, "1");
    }
    command.kill_on_drop(true).spawn().unwrap()
}

#[tokio::test]
async fn t3_proxies_of_the_environment_are_ignored() {
    let (server, proxy) = (Server::start().await, Server::start().await);
    let mut child = start_child(&server.url(), &proxy, false);
    tokio::select! {
        sent = server.answer(OK) => assert!(sent.starts_with("POST /token"), "{sent}"),
        _ = proxy.accept() => panic!("went to the proxy"),
    }
    assert!(child.wait().await.unwrap().success());
    assert!(proxy.is_alone().await);
}

#[tokio::test]
async fn proxies_of_the_environment_are_used_on_request() {
    let (server, proxy) = (Server::start().await, Server::start().await);
    let mut child = start_child(&server.url(), &proxy, true);
    tokio::select! {
        sent = proxy.answer(OK) => assert!(sent.starts_with("POST http://127.0.0.1"), "{sent}"),
        _ = server.accept() => panic!("went past the proxy"),
    }
    assert!(child.wait().await.unwrap().success());
}
