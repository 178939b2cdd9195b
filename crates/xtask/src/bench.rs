use std::{fs, path::absolute};

use crate::{Result, apt, cargo, costs};

/// The program that counts instructions and allocations.
const VALGRIND: &str = "valgrind";

/// Runs the benches of the layer, which print their figures and fail when one misses its limit.
///
/// `--json FILE` writes the figures to a file, one object a line. `--page` writes the page "What it
/// costs" of auth-tower's documentation, from the benches of requests and clients alone.
pub(crate) fn run(arguments: &[String]) -> Result {
    if !apt::on_path(VALGRIND) {
        apt::install(&[VALGRIND]).map_err(|error| {
            let by_hand = apt::by_hand(&[VALGRIND]);
            format!("valgrind is missing ({error}): install it, on Debian by `{by_hand}`")
        })?;
    }
    // Prints all figures, also if the first program fails.
    let mut command = cargo::cargo(&["bench", "--locked", "--package=auth-tower"])?;
    match arguments {
        [] => {
            command.args(["--no-fail-fast", "--"]);
        }
        [json, file] if json == "--json" => {
            let file = absolute(file)?;
            // The programs append to it.
            fs::write(&file, "")?;
            command.args(["--no-fail-fast", "--", "--json"]).arg(file);
        }
        [page] if page == "--page" => {
            let file = absolute("target/costs.json")?;
            fs::write(&file, "")?;
            command.args(["--bench=per_request", "--bench=clients"]);
            command.args(["--no-fail-fast", "--", "--json"]).arg(&file);
            cargo::run(&mut command)?;
            return costs::write(&fs::read_to_string(&file)?);
        }
        _ => return Err("unknown arguments; the only ones are `--json FILE` and `--page`".into()),
    }
    cargo::run(&mut command)
}
