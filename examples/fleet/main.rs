//! Several processes, a vendor with a quota, and a Redis that is killed while they run.
//!
//! ```console
//! $ cargo run --example fleet
//! ```
//!
//! The program starts a fake Verdigris whose hour takes four seconds, a Redis, and 16 worker
//! processes (`--processes 8`). Eight of them share their token through Redis, encrypted. The other
//! eight share nothing and use another fake vendor at the same time. The program kills Redis while
//! they send requests, and starts it again. The phase "outage" ends when Redis is back and all
//! processes share one token again, which takes at most 10 s.
//!
//! The vendors count the token requests. The program exits with code 1 if a figure is not as
//! expected. It needs `redis-server` on the `PATH`, or your own Redis (`--redis URL`), which it
//! does not kill: it cuts the connections.

use std::{env, error::Error, process::ExitCode};

use clap::Parser;

mod arguments;
mod figures;
mod keeper;
mod meter;
mod phase;
mod plot;
#[path = "../support/program.rs"]
mod program;
mod progress;
mod redis;
mod report;
mod run;
mod store;
mod team;
mod vendor;
mod worker;

use arguments::Arguments;

fn main() -> ExitCode {
    // The roles in which the program starts itself.
    match env::args().nth(1).as_deref() {
        Some(worker::NAME) => return worker::main(),
        Some(keeper::NAME) => return keeper::main(),
        _ => {}
    }
    match whole(&Arguments::parse()) {
        Ok(code) => code,
        Err(error) => program::fail(&*error),
    }
}

fn whole(arguments: &Arguments) -> Result<ExitCode, Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    let figures = runtime.block_on(run::run(arguments))?;
    let svg = plot::svg(&figures);
    if let Some(dir) = arguments.svg.parent() {
        std::fs::create_dir_all(dir)?;
    }
    std::fs::write(&arguments.svg, svg)?;
    report::print(arguments, &figures)
}
