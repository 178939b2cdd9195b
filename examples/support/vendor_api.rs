//! Shared by the vendors' programs: they request a list from the API once and print it.

use std::{error::Error, path::PathBuf};

use auth_core::{SecretEnv, SecretFile, SharedSecretSource};
use auth_reqwest::ReqwestService;
use auth_tower::AuthOutcome;
use bytes::Bytes;
use http::{Request, Response, header};
use http_body_util::{BodyExt, Full};
use serde_json::Value;
use tower::{Service, ServiceExt};

use crate::program::println;

pub(crate) type Body = Full<Bytes>;

/// The client below the layer. Its redirects stay within one origin.
pub(crate) fn http() -> Result<ReqwestService, auth_core::Error> {
    ReqwestService::new()
}

/// Returns the source of a secret: `file` if there is one, otherwise the environment variable. The
/// secret is read for each token request, not here.
#[allow(dead_code, reason = "not all vendors' programs have the choice")]
pub(crate) fn secret(variable: &'static str, file: Option<PathBuf>) -> SharedSecretSource {
    match file {
        Some(path) => SharedSecretSource::new(SecretFile::new(path)),
        None => SharedSecretSource::new(SecretEnv::new(variable)),
    }
}

/// Gets a URL of the API and prints the list in its response.
pub(crate) async fn list<S, ResB>(
    client: S,
    base_url: &str,
    path: &str,
) -> Result<(), Box<dyn Error>>
where
    S: Service<Request<Body>, Response = Response<ResB>, Error: Error + 'static>,
    ResB: http_body::Body<Error: Error + 'static>,
{
    let request = Request::get(format!("{}{path}", base_url.trim_end_matches('/')))
        .header(header::ACCEPT, "application/json")
        .header(header::CONTENT_TYPE, "application/json")
        .body(Body::default())?;
    let response = client.oneshot(request).await?;
    let status = response.status();
    if !status.is_success() {
        let sends = AuthOutcome::of(&response).sends();
        return Err(format!("the API answered {status} (sent {sends} times)").into());
    }
    let body = response.into_body().collect().await?.to_bytes();
    print_list(&serde_json::from_slice(&body)?);
    Ok(())
}

/// The list is the whole reply, or part of a page of results.
fn print_list(reply: &Value) {
    let pages = ["results", "data", "value", "buildings", "campaigns"];
    let listed = pages.iter().find_map(|name| reply.get(name));
    match listed.unwrap_or(reply).as_array() {
        Some(things) if !things.is_empty() => {
            for thing in things {
                let text = |name| thing.get(name).map(ToString::to_string);
                let text = |name| text(name).unwrap_or_default().replace('"', "");
                println!("{:>8}  {}", text("id"), text("name"));
            }
        }
        Some(_) => println!("the list is empty"),
        None => println!("{reply:#}"),
    }
}
