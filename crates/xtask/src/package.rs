use std::{env, fs, process, time::SystemTime};

use crate::{
    Result,
    cargo::{Metadata, cargo, root, run as execute},
};

/// Packages every published crate and builds it from its package, against the packages of the
/// others: what is missing in a manifest or a package shows here and not at the registry.
pub(crate) fn run(arguments: &[String]) -> Result {
    // Cargo unpacks the packages of the others once for each place and version, and would build
    // against those of an earlier run: so every run has its own place.
    let since = SystemTime::UNIX_EPOCH.elapsed()?.as_nanos();
    let place = env::var_os("CARGO_TARGET_DIR")
        .map_or(root()?.join("target"), Into::into)
        .join(format!("packages-{}-{since}", process::id()));

    let mut command = cargo(&["package", "--locked", "--target-dir"])?;
    command.arg(&place);
    for package in Metadata::load()?.published() {
        command.args(["--package", package.name()]);
    }
    let result = execute(command.args(arguments));
    // Nobody looks for them here; a run that failed leaves them to be looked at.
    if result.is_ok() {
        fs::remove_dir_all(&place)?;
    }
    result
}
