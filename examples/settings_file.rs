//! Reads one TOML file for two vendors, and uses a secret that is replaced.
//!
//! ```console
//! $ cargo run --example settings_file
//! $ cargo run --example settings_file -- vendors.toml
//! ```
//!
//! Without an argument, two fake vendors run in this process, on 127.0.0.1, and the program writes
//! the settings file for them: the first command needs no account. With an argument, the program
//! reads that file and requests a token from each vendor.

use std::{
    error::Error,
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use auth_core::{Authenticator, settings};
use auth_kayzen::KayzenSettings;
use auth_reqwest::{ReqwestService, ReqwestTransport};
use auth_testkit::TestServer;
use auth_tower::AuthLayer;
use auth_verdigris::VerdigrisSettings;
use bytes::Bytes;
use clap::Parser;
use http::{Request, header::ACCEPT};
use http_body_util::Full;
use serde::Deserialize;
use tower::{ServiceBuilder, ServiceExt};

#[path = "support/program.rs"]
mod program;

use program::println;

/// Reads the settings of two vendors from one TOML file, and requests a token from each vendor.
#[derive(Parser)]
struct Arguments {
    /// The settings file. Default: the program starts two fake vendors, writes their settings file,
    /// and shows that a changed secret file needs no restart.
    file: Option<PathBuf>,
}

/// The whole file. A real program adds its own tables.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    verdigris: VerdigrisSettings,
    kayzen: KayzenSettings,
}

impl Settings {
    fn read(path: &Path) -> Result<Self, Box<dyn Error>> {
        let text = fs::read_to_string(path)
            .map_err(|error| format!("cannot read {}: {error}", path.display()))?;
        Ok(settings::read(text.parse::<toml::Table>()?)?)
    }

    fn authenticators(self) -> Result<[Authenticator; 2], auth_core::Error> {
        let transport = ReqwestTransport::new()?;
        Ok([
            self.verdigris.builder(transport.clone())?.build()?,
            self.kayzen.builder(transport)?.build()?,
        ])
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    program::finish(match Arguments::parse().file {
        Some(path) => ask_vendors(&path).await,
        None => ask_fakes().await,
    })
}

async fn ask_vendors(path: &Path) -> Result<(), Box<dyn Error>> {
    let [verdigris, kayzen] = Settings::read(path)?.authenticators()?;
    for (vendor, authenticator) in [("verdigris", verdigris), ("kayzen", kayzen)] {
        authenticator.token().await?;
        println!("{vendor}: has a token");
    }
    Ok(())
}

async fn ask_fakes() -> Result<(), Box<dyn Error>> {
    let verdigris = auth_verdigris::fake::server().start().await;
    let kayzen = auth_kayzen::fake::server().start().await;
    let folder = tempfile::tempdir()?;
    let file = write_settings(folder.path(), &verdigris, &kayzen)?;
    println!("{}", fs::read_to_string(&file)?);

    let [of_verdigris, of_kayzen] = Settings::read(&file)?.authenticators()?;
    get(&verdigris, &of_verdigris, "/core/v1/buildings/").await?;
    get(&kayzen, &of_kayzen, CAMPAIGNS).await?;

    // The vendor and the file get a new secret, and the vendor revokes all tokens. No restart is
    // needed: the next token request reads the file again.
    kayzen.change_client_secret("fake-secret-2");
    fs::write(folder.path().join("kayzen-secret"), "fake-secret-2\n")?;
    kayzen.revoke_all();
    get(&kayzen, &of_kayzen, CAMPAIGNS).await?;
    let counters = kayzen.counters();
    println!(
        "kayzen: {} token requests, {} rejected",
        counters.token_requests, counters.failed_logins
    );
    Ok(())
}

/// Sends one API request through the layer.
async fn get(
    server: &TestServer,
    authenticator: &Authenticator,
    path: &str,
) -> Result<(), Box<dyn Error>> {
    let client = ServiceBuilder::new()
        .layer(AuthLayer::new(authenticator.clone()))
        .service(ReqwestService::new()?);
    let url = format!("{}{path}", server.origin());
    let request = Request::get(&url)
        .header(ACCEPT, "application/json")
        .body(Full::<Bytes>::default())?;
    println!("GET {url}: {}", client.oneshot(request).await?.status());
    Ok(())
}

const CAMPAIGNS: &str = "/v1/meta/campaigns?page=1&per_page=25";

/// Writes the secrets, each to its own file, and the settings with the paths of these files.
fn write_settings(
    folder: &Path,
    verdigris: &TestServer,
    kayzen: &TestServer,
) -> Result<PathBuf, std::io::Error> {
    let secret = |name: &str, secret: String| {
        let path = folder.join(name);
        fs::write(&path, secret).map(|()| path.display().to_string())
    };
    let verdigris_secret = secret("verdigris-secret", verdigris.client_secret())?;
    let kayzen_secret = secret("kayzen-secret", kayzen.client_secret())?;
    let kayzen_password = secret("kayzen-password", kayzen.user_password())?;
    let settings = format!(
        r#"[verdigris]
client_id = "{verdigris_id}"
client_secret = "file:{verdigris_secret}"
token_url = "{verdigris_token_url}"
base_url = "{verdigris_origin}"
# Only because the fake has no TLS.
danger_allow_http = ["{verdigris_token_url}", "{verdigris_origin}"]
options.policy = {{ deadline = "5s", margin = "30s" }}
options.quota = {{ limit = 20, window = "1h" }}

[kayzen]
api_key = "{kayzen_id}"
api_secret = "file:{kayzen_secret}"
email = "{kayzen_user}"
password = "file:{kayzen_password}"
token_url = "{kayzen_token_url}"
base_url = "{kayzen_origin}"
danger_allow_http = ["{kayzen_origin}"]
"#,
        verdigris_id = verdigris.client_id(),
        verdigris_token_url = verdigris.token_url(),
        verdigris_origin = verdigris.origin(),
        kayzen_id = kayzen.client_id(),
        kayzen_user = kayzen.user_name(),
        kayzen_token_url = kayzen.token_url(),
        kayzen_origin = kayzen.origin(),
    );
    let file = folder.join("vendors.toml");
    fs::write(&file, settings)?;
    Ok(file)
}
