//! A login that is not HTTP: a connection to Redis that stays logged in with a token.
//!
//! ```console
//! $ cargo run --example redis_login
//! token 1 (Bearer, scope `cache`, 1.8 s left): logged in as worker on connection 8, visit 1
//! token 2 (Bearer, scope `cache`, 1.8 s left): logged in as worker on connection 8, visit 2
//! token 3 (Bearer, scope `cache`, 1.8 s left): logged in as worker on connection 8, visit 3
//! a new connection with token 1: WRONGPASS, as it should be
//! done: 3 token requests, 3 logins, 1 connection
//! ```
//!
//! The program starts a `redis-server` and an authorization server by itself, and ends after about
//! 4 s. The tokens live for 2 s, so that the renewals can be watched.
//!
//! What to take from it, for Redis, SQL, Kafka, SMTP and other protocols: `session.rs`. The
//! connection follows the token with `Authenticator::watch`, which renews the token ahead of its
//! expiry, and logs in once more with each new token.

#[cfg(unix)]
use std::process::Command;
use std::process::ExitCode;

use clap::Parser;

#[path = "../support/program.rs"]
mod program;
#[cfg(unix)]
mod session;
#[cfg(unix)]
mod story;

use program::println;

/// Logs a connection to Redis in with a token, and once more with each renewed one. Starts a
/// redis-server by itself, and ends after about 4 s.
#[derive(Parser)]
struct Arguments {}

#[tokio::main]
async fn main() -> ExitCode {
    Arguments::parse();
    program::finish(run().await)
}

#[cfg(unix)]
async fn run() -> Result<(), Box<dyn std::error::Error>> {
    let version = Command::new("redis-server").arg("--version").output();
    version.map_err(|error| format!("cannot start redis-server ({error}); {INSTALL}"))?;
    story::run(|line| println!("{line}")).await.map(drop)
}

#[cfg(unix)]
const INSTALL: &str = "install it (`apt-get install redis-server`)";

#[cfg(not(unix))]
async fn run() -> Result<(), Box<dyn std::error::Error>> {
    Err("the example starts redis-server, which needs Unix".into())
}
