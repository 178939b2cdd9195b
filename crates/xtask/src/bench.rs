use std::{
    fs,
    path::{PathBuf, absolute},
};

use crate::{Result, apt, cargo, costs};

/// The program that counts instructions and allocations.
const VALGRIND: &str = "valgrind";

/// The packages with benches. Each is built by itself, because features that one enables in shared
/// dependencies must not change the figures of the other.
const PACKAGES: [&[&str]; 2] = [
    &["--package=auth-tower"],
    &["--package=auth-reqwest", "--features=middleware"],
];

/// Runs all benches. They print their figures, and fail if a figure misses its limit.
///
/// `--json FILE` writes the figures to a file, one object per line. `--page` writes the page
/// "Costs" of auth-tower's documentation, from the benches of requests and clients only.
pub(crate) fn run(arguments: &[String]) -> Result {
    if !apt::on_path(VALGRIND) {
        apt::install(&[VALGRIND]).map_err(|error| {
            let by_hand = apt::by_hand(&[VALGRIND]);
            format!("valgrind is missing ({error}): install it, on Debian by `{by_hand}`")
        })?;
    }
    let json = match arguments {
        [] => None,
        [json, file] if json == "--json" => Some(new_file(file)?),
        [page] if page == "--page" => return write_page(),
        _ => return Err("unknown arguments; the only ones are `--json FILE` and `--page`".into()),
    };
    // Prints all figures, also if the first program fails.
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

fn write_page() -> Result {
    let file = new_file("target/costs.json")?;
    let mut command = cargo::cargo(&["bench", "--locked", "--package=auth-tower"])?;
    command.args(["--bench=per_request", "--bench=clients"]);
    command.args(["--no-fail-fast", "--", "--json"]).arg(&file);
    cargo::run(&mut command)?;
    costs::write(&fs::read_to_string(&file)?)
}

/// Makes an empty file, to which the programs append.
fn new_file(path: &str) -> Result<PathBuf> {
    let file = absolute(path)?;
    fs::write(&file, "")?;
    Ok(file)
}
