use std::{env, path::Path};

use crate::{
    Result,
    cargo::{cargo, root, run as execute},
    report,
};

/// The packages with models: tests in a module `model` under `#[cfg(all(test, model))]`.
const PACKAGES: [&str; 1] = ["auth-core"];

/// Each runs the models that are written for it. Loom also returns the older values that a load may
/// return on a processor with a weak memory order. Shuttle has no such values, but `quick_cache` can
/// take its locks from shuttle.
const LIBRARIES: [&str; 2] = ["loom", "shuttle"];

/// Runs the models: each in every order of its threads' steps, with a bounded number of
/// preemptions, and prints how many orders there were.
///
/// With `--cfg model` a package takes the library's types in place of the standard library's, so
/// the models of each library have a separate target directory.
pub(crate) fn run(arguments: &[String]) -> Result {
    run_for(arguments, None)
}

/// Runs the models, which append their figures to a file.
pub(crate) fn run_for(arguments: &[String], figures: Option<&Path>) -> Result {
    let given = env::var("RUSTFLAGS").unwrap_or_default();
    for library in LIBRARIES {
        let flags = format!("{given} --cfg model --cfg model=\"{library}\"");
        for package in PACKAGES {
            let mut command = cargo(&["test", "--lib", "--all-features", "--locked"])?;
            command.args(["--package", package, "--target-dir"]);
            command.arg(root()?.join("target/models").join(library));
            command
                .args(arguments)
                .args(["--", "::model::", "--nocapture"]);
            if let Some(figures) = figures {
                command.env(report::FILE, figures);
            }
            execute(command.env("RUSTFLAGS", flags.trim()))?;
        }
    }
    Ok(())
}
