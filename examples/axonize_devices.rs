//! Lists the devices of an Axonize application (now Planon IoT), by a login or with API keys.
//!
//! ```console
//! $ AXONIZE_BASE_URL=https://api.axonize.com AXONIZE_APP_ID=... \
//!       AXONIZE_EMAIL=... AXONIZE_PASSWORD=... cargo run --example axonize_devices
//! $ AXONIZE_BASE_URL=https://api.axonize.com AXONIZE_CLIENT_ID=... \
//!       AXONIZE_CLIENT_SECRET=... cargo run --example axonize_devices
//! ```
//!
//! The first command asks for the binding code on the terminal if multi-factor authentication is
//! on. With `AXONIZE_PASSWORD_FILE` or `AXONIZE_CLIENT_SECRET_FILE` the secret is read from a file.
//! To try it with a fake server on 127.0.0.1: `cargo run --example fake_vendor axonize`.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "it is a program for people"
)]

use std::{error::Error, io, process::ExitCode};

use auth_axonize::{Axonize, MfaAnswer, MfaChallenge};
use auth_core::{Authenticator, ErrorKind};
use auth_reqwest::ReqwestTransport;
use auth_tower::AuthLayer;
use tower::ServiceBuilder;

#[path = "support/vendor_api.rs"]
mod vendor_api;

use vendor_api::{finish, http, list, optional, required, secret};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    finish("axonize_devices", list_devices().await)
}

async fn list_devices() -> Result<(), Box<dyn Error>> {
    let base_url = required(
        "AXONIZE_BASE_URL",
        "your API's address, https://api.axonize.com for example",
    )?;
    let authenticator = match optional("AXONIZE_CLIENT_ID")? {
        Some(client_id) => by_api_keys(&base_url, client_id)?,
        None => by_login(&base_url)?,
    };
    let client = ServiceBuilder::new()
        .layer(AuthLayer::new(authenticator))
        .service(http()?);
    list(client, &base_url, "/odata/devices/").await
}

fn by_api_keys(base_url: &str, client_id: String) -> Result<Authenticator, Box<dyn Error>> {
    let secret = secret("AXONIZE_CLIENT_SECRET", "AXONIZE_CLIENT_SECRET_FILE")?;
    let keys = Axonize::api_keys(base_url, client_id, secret);
    Ok(if base_url.starts_with("http:") {
        // The operator chose this URL, and so states that no third party can read the traffic.
        keys.danger_allow_http(base_url)?.build()?
    } else {
        keys.build()?
    })
}

fn by_login(base_url: &str) -> Result<Authenticator, Box<dyn Error>> {
    let app_id = required(
        "AXONIZE_APP_ID",
        "the application's id (or AXONIZE_CLIENT_ID, to send API keys)",
    )?;
    let email = required("AXONIZE_EMAIL", "the user to log in as")?;
    let password = secret("AXONIZE_PASSWORD", "AXONIZE_PASSWORD_FILE")?;
    let login = Axonize::login(base_url, app_id, email, password, ReqwestTransport::new()?).mfa(
        |challenge| async move {
            let asked = tokio::task::spawn_blocking(move || ask_for_code(&challenge)).await;
            asked.unwrap_or_else(|_| Err(no_code()))
        },
    );
    Ok(if base_url.starts_with("http:") {
        login.danger_allow_http(base_url)?.build()?
    } else {
        login.build()?
    })
}

fn ask_for_code(challenge: &MfaChallenge) -> Result<MfaAnswer, auth_core::Error> {
    eprint!(
        "the code that was sent by {} (leave empty to have it sent again): ",
        challenge.authenticator()
    );
    let mut line = String::new();
    match io::stdin().read_line(&mut line) {
        Ok(1..) if line.trim().is_empty() => Ok(MfaAnswer::Resend),
        Ok(1..) => Ok(MfaAnswer::Code(line.trim().into())),
        _ => Err(no_code()),
    }
}

fn no_code() -> auth_core::Error {
    auth_core::Error::new(
        ErrorKind::Unavailable,
        "no code was entered on the terminal; start the program again",
    )
}
