//! Shows the guarantees of the library, with the counters of a real server on this machine.
//!
//! `cargo run --example quickstart` needs no account: it starts the testkit's authorization server
//! and API on 127.0.0.1, and runs five stories. Each prints figures that the *server* counted. The
//! program exits non-zero if one of them is wrong. `-- --json` prints them as one JSON object. With
//! `-- --token-url ...` the program runs against your server.

use std::{error::Error, process::ExitCode};

use clap::Parser;

mod arguments;
mod client;
mod live;
#[path = "../support/program.rs"]
mod program;
mod report;
mod stories;

use arguments::Arguments;
use report::Report;

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let mut report = Report::new(arguments.json);
    match run(arguments, &mut report).await {
        Ok(()) => report.finish(),
        Err(error) => program::fail(&*error),
    }
}

async fn run(arguments: Arguments, report: &mut Report) -> Result<(), Box<dyn Error>> {
    if let Some(live) = arguments.live() {
        return live::run(&live, report).await;
    }
    stories::cold_start(report).await?;
    stories::rotation(report).await?;
    stories::revocation(report).await?;
    stories::quota(report).await?;
    stories::redirect(report).await
}
