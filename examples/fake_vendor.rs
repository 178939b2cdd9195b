//! Runs a fake server of a vendor on 127.0.0.1, for the vendors' examples, and prints the
//! environment that they need.
//!
//! ```console
//! $ cargo run --example fake_vendor kayzen
//! ```
//!
//! Ends with Ctrl-C, or after ten minutes.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "it is a program for people"
)]

use std::{env, process::ExitCode, time::Duration};

use auth_testkit::{TestServer, TestServerBuilder};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let name = env::args().nth(1).unwrap_or_default();
    let Some((builder, example, variables)) = vendor(&name) else {
        eprintln!("fake_vendor: the name of a vendor is missing or unknown; use one of {NAMES}");
        return ExitCode::FAILURE;
    };
    let server = builder.start().await;
    println!("# In another terminal:");
    for (variable, value) in variables(&server) {
        println!("export {variable}='{}'", value.replace('\'', r"'\''"));
    }
    println!("cargo run --example {example}");
    tokio::time::sleep(Duration::from_secs(600)).await;
    println!("# {:?}", server.counters());
    ExitCode::SUCCESS
}

type Variables = fn(&TestServer) -> Vec<(&'static str, String)>;

fn vendor(name: &str) -> Option<(TestServerBuilder, &'static str, Variables)> {
    Some(match name {
        "verdigris" => (
            auth_verdigris::fake::server(),
            "verdigris_buildings",
            |server| {
                vec![
                    ("VERDIGRIS_CLIENT_ID", server.client_id().to_owned()),
                    ("VERDIGRIS_CLIENT_SECRET", server.client_secret()),
                    ("VERDIGRIS_TOKEN_URL", server.token_url()),
                    ("VERDIGRIS_BASE_URL", server.origin().to_owned()),
                ]
            },
        ),
        "kaizen" => (auth_kaizen::fake::east(), "kaizen_buildings", |server| {
            vec![
                ("KAIZEN_REGION", "east".to_owned()),
                ("KAIZEN_CLIENT_ID", server.client_id().to_owned()),
                ("KAIZEN_CLIENT_SECRET", server.client_secret()),
                ("KAIZEN_TOKEN_URL", server.token_url()),
                ("KAIZEN_BASE_URL", server.origin().to_owned()),
            ]
        }),
        "kayzen" => (auth_kayzen::fake::server(), "kayzen_campaigns", |server| {
            vec![
                ("KAYZEN_API_KEY", server.client_id().to_owned()),
                ("KAYZEN_API_SECRET", server.client_secret()),
                ("KAYZEN_EMAIL", server.user_name().to_owned()),
                ("KAYZEN_PASSWORD", server.user_password()),
                ("KAYZEN_TOKEN_URL", server.token_url()),
                ("KAYZEN_BASE_URL", server.origin().to_owned()),
            ]
        }),
        "axonize" => (auth_axonize::fake::login(), "axonize_devices", |server| {
            vec![
                ("AXONIZE_BASE_URL", server.origin().to_owned()),
                ("AXONIZE_APP_ID", server.client_id().to_owned()),
                ("AXONIZE_EMAIL", server.user_name().to_owned()),
                ("AXONIZE_PASSWORD", server.user_password()),
            ]
        }),
        "axonize-keys" => (
            auth_axonize::fake::api_keys(),
            "axonize_devices",
            |server| {
                vec![
                    ("AXONIZE_BASE_URL", server.origin().to_owned()),
                    ("AXONIZE_CLIENT_ID", server.client_id().to_owned()),
                    ("AXONIZE_CLIENT_SECRET", server.client_secret()),
                ]
            },
        ),
        _ => return None,
    })
}

const NAMES: &str = "verdigris, kaizen, kayzen, axonize, axonize-keys";
