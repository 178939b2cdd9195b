//! Several processes, a vendor with a quota, and a Redis that is killed while they run.
//!
//! ```console
//! $ cargo run --example fleet
//! ```
//! Starts a fake Verdigris whose hour is scaled down to seconds, a Redis, and twice as many worker
//! processes as requested. Half of them share their token through Redis, encrypted. The other half,
//! at the same time and with another vendor, share nothing. Redis is killed during the run and
//! started again. The vendors count the figures. The program exits non-zero if one figure is wrong.
//! It needs `redis-server` on the `PATH`, or your own Redis (`--redis URL`), which it does not
//! kill: it cuts the connection to it.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "it is a program for people"
)]

use std::{env, error::Error, process::ExitCode};

mod arguments;
mod figures;
mod keeper;
mod meter;
mod phase;
mod plot;
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
    let arguments = match Arguments::parse() {
        Ok(Some(arguments)) => arguments,
        Ok(None) => {
            println!("{}", arguments::HELP);
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            eprintln!("fleet: {error}\n\n{}", arguments::HELP);
            return ExitCode::from(2);
        }
    };
    match whole(&arguments) {
        Ok(code) => code,
        Err(error) => {
            report::print_chain(&*error);
            ExitCode::FAILURE
        }
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
