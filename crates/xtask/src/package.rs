use std::{env, fs, process, time::SystemTime};

use crate::{
    Result,
    cargo::{Metadata, cargo, root, run as execute},
};

/// Packages every published crate and builds it from its package, against the packages of the
/// others. A fault in a manifest or a package is found here, before publishing.
pub(crate) fn run(arguments: &[String]) -> Result {
    // Cargo unpacks the packages of the others once per place and version, and would build against
    // those of an earlier run. Every run therefore has its own place.
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
    // Not needed after success; after a failure they remain for inspection.
    if result.is_ok() {
        fs::remove_dir_all(&place)?;
    }
    result
}
