//! Proxies of the environment are ignored. The test runs the part that reads the environment in
//! another process, so that this process does not change its own.

use std::process::Stdio;

use auth_testkit::ForeignServer;
use tokio::process::Command;

use crate::support::{following, get, send, service};

const URL: &str = "AUTH_REQWEST_TEST_URL";
const PLAIN: &str = "AUTH_REQWEST_TEST_PLAIN";

/// The application, if the test below started this process.
#[tokio::test]
async fn child() {
    let Ok(url) = std::env::var(URL) else { return };
    let service = if std::env::var_os(PLAIN).is_some() {
        let plain = reqwest::Client::builder().tls_certs_only([]);
        following(plain)
    } else {
        service()
    };
    assert_eq!(send(&service, get(&url)).await.unwrap().status(), 200);
}

#[tokio::test]
async fn proxies_of_the_environment_are_used_only_with_a_plain_builder() {
    for plain in [false, true] {
        let (server, proxy) = (ForeignServer::start().await, ForeignServer::start().await);
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .args(["--exact", "proxies::child"])
            .env(URL, server.url())
            .stdout(Stdio::null())
            .kill_on_drop(true);
        for name in ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"] {
            command.env(name, proxy.origin());
        }
        for name in ["no_proxy", "NO_PROXY", "REQUEST_METHOD", PLAIN] {
            command.env_remove(name);
        }
        if plain {
            command.env(PLAIN, "1");
        }
        assert!(command.status().await.unwrap().success());
        let came = (server.requests(), proxy.requests());
        assert_eq!(came, if plain { (0, 1) } else { (1, 0) });
    }
}
