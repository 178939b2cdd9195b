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
#![allow(clippy::print_stderr, reason = "it is a program for people")]

use std::{error::Error, io, path::PathBuf, process::ExitCode};

use auth_axonize::{Axonize, MfaAnswer, MfaChallenge};
use auth_core::Authenticator;
use auth_reqwest::ReqwestTransport;
use auth_tower::AuthLayer;
use clap::{CommandFactory, Parser, error::ErrorKind};
use tower::ServiceBuilder;

#[path = "support/program.rs"]
mod program;
#[path = "support/vendor_api.rs"]
mod vendor_api;

use vendor_api::{http, list, secret};

/// Lists the devices of an Axonize application: as a user who logs in (--app-id, --email), or with
/// API keys (--client-id).
#[derive(Parser)]
struct Arguments {
    /// The API's base URL, for example https://api.axonize.com. An `http` URL sends the token
    /// unencrypted.
    #[arg(long, env = "AXONIZE_BASE_URL")]
    base_url: String,
    /// The application's id.
    #[arg(long, env = "AXONIZE_APP_ID")]
    app_id: Option<String>,
    /// The user who logs in.
    #[arg(long, env = "AXONIZE_EMAIL")]
    email: Option<String>,
    /// A file with the user's password. Default: the password is read from the environment variable
    /// AXONIZE_PASSWORD.
    #[arg(long, env = "AXONIZE_PASSWORD_FILE")]
    password_file: Option<PathBuf>,
    /// The id of the API keys.
    #[arg(long, env = "AXONIZE_CLIENT_ID")]
    client_id: Option<String>,
    /// A file with the secret of the API keys. Default: the secret is read from the environment
    /// variable AXONIZE_CLIENT_SECRET.
    #[arg(long, env = "AXONIZE_CLIENT_SECRET_FILE")]
    client_secret_file: Option<PathBuf>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    program::finish(list_devices(Arguments::parse()).await)
}

async fn list_devices(arguments: Arguments) -> Result<(), Box<dyn Error>> {
    let base_url = arguments.base_url;
    let authenticator = match (arguments.client_id, arguments.app_id, arguments.email) {
        (Some(client_id), _, _) => by_api_keys(&base_url, client_id, arguments.client_secret_file)?,
        (None, Some(app_id), Some(email)) => {
            by_login(&base_url, app_id, email, arguments.password_file)?
        }
        (None, _, _) => Arguments::command()
            .error(
                ErrorKind::MissingRequiredArgument,
                "no credentials: set --app-id and --email for a user, or --client-id for API keys",
            )
            .exit(),
    };
    let client = ServiceBuilder::new()
        .layer(AuthLayer::new(authenticator))
        .service(http()?);
    list(client, &base_url, "/odata/devices/").await
}

fn by_api_keys(
    base_url: &str,
    client_id: String,
    secret_file: Option<PathBuf>,
) -> Result<Authenticator, auth_core::Error> {
    let secret = secret("AXONIZE_CLIENT_SECRET", secret_file);
    let keys = Axonize::api_keys(base_url, client_id, secret);
    if base_url.starts_with("http:") {
        // The operator chose this URL, and so states that no third party can read the traffic.
        keys.danger_allow_http(base_url)?.build()
    } else {
        keys.build()
    }
}

fn by_login(
    base_url: &str,
    app_id: String,
    email: String,
    password_file: Option<PathBuf>,
) -> Result<Authenticator, auth_core::Error> {
    let password = secret("AXONIZE_PASSWORD", password_file);
    let login = Axonize::login(base_url, app_id, email, password, ReqwestTransport::new()?).mfa(
        |challenge| async move {
            let asked = tokio::task::spawn_blocking(move || ask_for_code(&challenge)).await;
            asked.unwrap_or_else(|_| Err(no_code()))
        },
    );
    if base_url.starts_with("http:") {
        login.danger_allow_http(base_url)?.build()
    } else {
        login.build()
    }
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
        auth_core::ErrorKind::Unavailable,
        "no code was entered on the terminal; start the program again",
    )
}
