use std::collections::BTreeSet;

use crate::{
    Result,
    cargo::{cargo, output},
};

/// The crates that a service with an HTTP client adds to its dependencies.
const CRATES: [&str; 2] = ["auth-core", "auth-tower"];

/// The number of crates must be lower than this, including our own.
const CEILING: usize = 40;

/// Checks the number of dependencies of the crates that every user needs.
pub(crate) fn run(_: &[String]) -> Result {
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
    let crates: BTreeSet<&str> = tree
        .lines()
        .filter_map(|line| line.split(' ').next())
        .filter(|n| !n.is_empty())
        .collect();
    let names: Vec<&str> = crates.iter().copied().collect();
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
