//! A command line tool that keeps its token for the next run.
//!
//! ```console
//! $ export AUTH_STORE_DIR=~/.cache/cli-with-store
//! $ cargo run --example cli_with_store
//! the token is valid; token requests: 1
//! $ cargo run --example cli_with_store
//! the token is valid; token requests: 0
//! ```
//!
//! The vendor is a server in this program, so that the example needs nothing else.
#![allow(clippy::print_stdout, reason = "it is a program for people")]

use std::{env, error::Error};

use auth_core::{Authenticator, AuthenticatorOptions, Key, Origins, Secret};
use auth_oauth2::Client;
use auth_store_file::FileStore;
use auth_testkit::TestServer;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let dir =
        env::var_os("AUTH_STORE_DIR").ok_or("set AUTH_STORE_DIR to the directory for tokens")?;
    let vendor = TestServer::builder().in_memory();

    let client = Client::builder(vendor.token_url(), vendor.client_id(), vendor.transport())
        .secret(Secret::new(vendor.client_secret()))
        .build()?;
    // Everything that distinguishes this token from others.
    let key = Key::builder("example")
        .issuer(vendor.token_url())
        .client(vendor.client_id())
        .build();
    let origins = Origins::new([vendor.api_url()])?;
    let authenticator = Authenticator::builder(client.client_credentials(), origins)
        .key(key)
        .options(AuthenticatorOptions::new().store(FileStore::new(dir)?))
        .build()?;

    // A real tool sends its requests through `auth_tower::AuthLayer`, which does this first.
    authenticator.token().await?;
    let token_requests = vendor.counters().token_requests;
    println!("the token is valid; token requests: {token_requests}");
    Ok(())
}
