use std::collections::BTreeSet;

use crate::{
    Result,
    cargo::{cargo, output},
};

/// What a service pays for that has an HTTP client already: the layer and the machine behind it.
const CRATES: [&str; 2] = ["auth-core", "auth-tower"];

/// Fewer crates than this, ours included.
const CEILING: usize = 40;

/// Checks that the crates which every user takes stay light.
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
