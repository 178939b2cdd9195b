use std::{fs, path::absolute};

use crate::{Result, apt, cargo};

/// What counts instructions and allocations.
const VALGRIND: &str = "valgrind";

/// The packages with benches, each built by itself: what one switches on in shared dependencies
/// must not change the figures of the other.
const PACKAGES: [&[&str]; 2] = [
    &["--package=auth-tower"],
    &["--package=auth-reqwest", "--features=middleware"],
];

/// Runs all benches, which print their figures and fail when one misses its limit.
///
/// `--json FILE` writes the figures to a file, one object a line.
pub(crate) fn run(arguments: &[String]) -> Result {
    if !apt::on_path(VALGRIND) {
        apt::install(&[VALGRIND]).map_err(|error| {
            let by_hand = apt::by_hand(&[VALGRIND]);
            format!("valgrind is missing ({error}): install it, on Debian by `{by_hand}`")
        })?;
    }
    let json = match arguments {
        [] => None,
        [json, file] if json == "--json" => {
            let file = absolute(file)?;
            // The programs append to it.
            fs::write(&file, "")?;
            Some(file)
        }
        _ => return Err("only `--json FILE` is understood".into()),
    };
    // With all figures, whatever the first program says.
    let results = PACKAGES.map(|package| {
        let mut command = cargo::cargo(&["bench", "--locked"])?;
        command.args(package).args(["--no-fail-fast", "--"]);
        if let Some(file) = &json {
            command.arg("--json").arg(file);
        }
        cargo::run(&mut command)
    });
    results.into_iter().collect()
}
