use std::collections::BTreeSet;

use crate::{
    Result,
    cargo::{cargo, output},
};

/// The crates that a service with an HTTP client adds to its dependencies.
const CRATES: [&str; 2] = ["auth-core", "auth-tower"];

/// The number of crates must be lower than this, including our own.
pub(crate) const CEILING: usize = 40;

/// Checks the number of dependencies of the crates that every user needs.
pub(crate) fn run(_: &[String]) -> Result {
    let crates = crates()?;
    let names: Vec<&str> = crates.iter().map(String::as_str).collect();
    println!(
        "{} are {} crates in all: {}",
        CRATES.join(" + "),
        names.len(),
        names.join(" ")
    );
    if crates.len() < CEILING {
        return Ok(());
    }
    Err(format!(
        "{} crates, and fewer than {CEILING} are allowed",
        crates.len()
    )
    .into())
}

/// Returns the names of the crates that every user needs, with all dependencies.
pub(crate) fn crates() -> Result<BTreeSet<String>> {
    let mut command = cargo(&[
        "tree",
        "--locked",
        "--edges=normal",
        "--prefix=none",
        "--no-dedupe",
    ])?;
    for name in CRATES {
        command.args(["--package", name]);
    }
    let tree = output(&mut command)?;
    let names = tree.lines().filter_map(|line| line.split(' ').next());
    Ok(names
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect())
}
