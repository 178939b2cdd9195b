//! Runs a fake server of a vendor on 127.0.0.1, for the vendors' examples, and prints the
//! environment that they need.
//!
//! ```console
//! $ cargo run --example fake_vendor kayzen
//! ```
//!
//! Ends with Ctrl-C, or after ten minutes.

use std::{process::ExitCode, time::Duration};

use auth_testkit::{TestServer, TestServerBuilder};
use clap::{Parser, ValueEnum};

#[path = "support/program.rs"]
mod program;

use program::println;

/// Runs a fake server of a vendor on 127.0.0.1 for ten minutes, and prints the environment
/// variables with which the vendor's example uses it.
#[derive(Parser)]
struct Arguments {
    vendor: Vendor,
}

#[derive(Clone, Copy, ValueEnum)]
enum Vendor {
    Verdigris,
    /// The server East.
    Kaizen,
    Kayzen,
    /// With a login.
    Axonize,
    /// With API keys.
    AxonizeKeys,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let (builder, example, variables) = fake(Arguments::parse().vendor);
    let server = builder.start().await;
    println!("# In another terminal:");
    for (variable, value) in variables(&server) {
        println!("export {variable}='{}'", value.replace('\'', r"'\''"));
    }
    println!("cargo run --example {example}");
    let ten_minutes = tokio::time::sleep(Duration::from_secs(600));
    let interrupted = async {
        tokio::select! {
            () = ten_minutes => Ok(()),
            interrupted = tokio::signal::ctrl_c() => interrupted,
        }
    };
    let ended = interrupted.await;
    let counters = server.counters();
    println!(
        "# token requests: {}, API requests: {}",
        counters.token_requests, counters.api_requests
    );
    program::finish(ended.map_err(Into::into))
}

type Variables = fn(&TestServer) -> Vec<(&'static str, String)>;

fn fake(vendor: Vendor) -> (TestServerBuilder, &'static str, Variables) {
    match vendor {
        Vendor::Verdigris => (
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
        Vendor::Kaizen => (auth_kaizen::fake::east(), "kaizen_buildings", |server| {
            vec![
                ("KAIZEN_REGION", "east".to_owned()),
                ("KAIZEN_CLIENT_ID", server.client_id().to_owned()),
                ("KAIZEN_CLIENT_SECRET", server.client_secret()),
                ("KAIZEN_TOKEN_URL", server.token_url()),
                ("KAIZEN_BASE_URL", server.origin().to_owned()),
            ]
        }),
        Vendor::Kayzen => (auth_kayzen::fake::server(), "kayzen_campaigns", |server| {
            vec![
                ("KAYZEN_API_KEY", server.client_id().to_owned()),
                ("KAYZEN_API_SECRET", server.client_secret()),
                ("KAYZEN_EMAIL", server.user_name().to_owned()),
                ("KAYZEN_PASSWORD", server.user_password()),
                ("KAYZEN_TOKEN_URL", server.token_url()),
                ("KAYZEN_BASE_URL", server.origin().to_owned()),
            ]
        }),
        Vendor::Axonize => (auth_axonize::fake::login(), "axonize_devices", |server| {
            vec![
                ("AXONIZE_BASE_URL", server.origin().to_owned()),
                ("AXONIZE_APP_ID", server.client_id().to_owned()),
                ("AXONIZE_EMAIL", server.user_name().to_owned()),
                ("AXONIZE_PASSWORD", server.user_password()),
            ]
        }),
        Vendor::AxonizeKeys => (
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
    }
}
