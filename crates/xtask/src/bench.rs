use std::{fs, path::absolute};

use crate::{Result, apt, cargo};

/// The program that counts instructions and allocations.
const VALGRIND: &str = "valgrind";

/// Runs the benches of the layer, which print their figures and fail when one misses its limit.
///
/// `--json FILE` writes the figures to a file, one object a line.
pub(crate) fn run(arguments: &[String]) -> Result {
    if !apt::on_path(VALGRIND) {
        apt::install(&[VALGRIND]).map_err(|error| {
            let by_hand = apt::by_hand(&[VALGRIND]);
            format!("valgrind is missing ({error}): install it, on Debian by `{by_hand}`")
        })?;
    }
    // Prints all figures, also if the first program fails.
    let mut command = cargo::cargo(&["bench", "--locked", "--package=auth-tower"])?;
    command.args(["--no-fail-fast", "--"]);
    match arguments {
        [] => {}
        [json, file] if json == "--json" => {
            let file = absolute(file)?;
            // The programs append to it.
            fs::write(&file, "")?;
            command.arg("--json").arg(file);
        }
        _ => return Err("unknown arguments; the only ones are `--json FILE`".into()),
    }
    cargo::run(&mut command)
}
