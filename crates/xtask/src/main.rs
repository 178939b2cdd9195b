//! Development tasks of this workspace: `cargo xtask help` lists them.
//!
//! One file per command. Each has a `run` that takes the arguments after the command's name.

// First, because the other modules use its macros.
#[macro_use]
mod print;

mod apt;
mod bench;
mod cargo;
mod chromium;
mod circles;
mod costs;
mod deps;
mod features;
mod latest;
mod models;
mod msrv;
mod mutants;
mod node;
mod package;
mod prometheus;
mod prose;
mod redis;
mod report;
mod soak;
mod standards;
mod test;

use std::{env, error::Error, process::ExitCode};

/// The result of a command. The text of its error is printed last.
type Result<T = ()> = std::result::Result<T, Box<dyn Error>>;

struct Command {
    name: &'static str,
    about: &'static str,
    run: fn(&[String]) -> Result,
}

const COMMANDS: &[Command] = &[
    Command {
        name: "test",
        about: "runs all tests, also those against real servers; passes arguments to cargo test",
        run: test::run,
    },
    Command {
        name: "bench",
        about: "measures figures that have a limit, and prints a table of goals; --json FILE, --page, --from FILE",
        run: bench::run,
    },
    Command {
        name: "features",
        about: "lints each published crate alone, with each of its features alone",
        run: features::run,
    },
    Command {
        name: "package",
        about: "packages and builds the published crates; passes arguments to cargo package",
        run: package::run,
    },
    Command {
        name: "msrv",
        about: "checks that each package's rust-version is the highest that its dependencies need",
        run: msrv::run,
    },
    Command {
        name: "latest",
        about: "builds and runs unit tests with the newest versions of all dependencies, in a copy",
        run: latest::run,
    },
    Command {
        name: "prose",
        about: "checks texts: listed words, links, and README.md's versions and program; `words` for words only",
        run: prose::run,
    },
    Command {
        name: "standards",
        about: "writes which tests prove each guarantee, standard and threat; --check only compares",
        run: standards::run,
    },
    Command {
        name: "deps",
        about: "checks the number of dependencies that a service adds",
        run: deps::run,
    },
    Command {
        name: "models",
        about: "runs models of what threads share, in every order of the threads' steps",
        run: models::run,
    },
    Command {
        name: "mutants",
        about: "changes the code in small ways; a test must notice each: [machine] [core] [layer] [reply] [--file PATH] [--shard K/N] [--fresh] [--score]",
        run: mutants::run,
    },
    Command {
        name: "soak",
        about: "runs processes with traffic, faults and a real Redis for 20 minutes; --minutes N --seed N",
        run: soak::run,
    },
    Command {
        name: "report",
        about: "runs tests and writes their figures to tests/REPORT.md: [explore] [simulation] [fleet] [field] ...",
        run: report::run,
    },
    Command {
        name: "circles",
        about: "checks that the files of each crate do not import from each other in a circle",
        run: circles::run,
    },
];

fn main() -> ExitCode {
    let mut arguments = env::args().skip(1);
    let name = arguments.next().unwrap_or_else(|| String::from("help"));
    let rest: Vec<String> = arguments.collect();
    if matches!(name.as_str(), "help" | "--help" | "-h") {
        help();
        return ExitCode::SUCCESS;
    }
    let Some(command) = COMMANDS.iter().find(|command| command.name == name) else {
        eprintln!("xtask: unknown command `{name}`\n");
        help();
        return ExitCode::FAILURE;
    };
    match (command.run)(&rest) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask {name}: {error}");
            ExitCode::FAILURE
        }
    }
}

fn help() {
    println!("Usage: cargo xtask COMMAND [ARGUMENTS]\n");
    for Command { name, about, .. } in COMMANDS {
        println!("  {name:10} {about}");
    }
}
