use std::{env, path::Path};

use crate::{
    Result,
    cargo::{cargo, root, run as execute},
    report,
};

/// The packages with models: tests in a module `model` under `#[cfg(all(test, model))]`.
const PACKAGES: [&str; 1] = ["auth-core"];

/// Runs the models: loom runs the threads of each in every order of their steps, with a bounded
/// number of preemptions, and prints how many orders there were.
///
/// With `--cfg model` a package takes loom's types in place of the standard library's, so the
/// models have a separate target directory.
pub(crate) fn run(arguments: &[String]) -> Result {
    run_for(arguments, None)
}

/// Runs the models, which append their figures to a file.
pub(crate) fn run_for(arguments: &[String], figures: Option<&Path>) -> Result {
    let mut flags = env::var("RUSTFLAGS").unwrap_or_default();
    flags.push_str(" --cfg model");
    for package in PACKAGES {
        let mut command = cargo(&["test", "--lib", "--all-features", "--locked"])?;
        command.args(["--package", package, "--target-dir"]);
        command.arg(root()?.join("target/models"));
        command
            .args(arguments)
            .args(["--", "::model::", "--nocapture"]);
        if let Some(figures) = figures {
            command.env(report::FILE, figures);
        }
        execute(command.env("RUSTFLAGS", flags.trim()))?;
    }
    Ok(())
}
