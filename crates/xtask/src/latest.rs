use std::{env, fs, path::Path, process::Command};

use crate::{
    Result,
    cargo::{Metadata, cargo, output, root, run as execute},
};

/// Builds the published crates with the newest versions of their dependencies, as for a user
/// without our lock file, and runs their unit tests. Works on a copy of the sources, so that the
/// lock file does not change.
pub(crate) fn run(arguments: &[String]) -> Result {
    let target = env::var_os("CARGO_TARGET_DIR").map_or(root()?.join("target"), Into::into);
    let place = target.join("latest");
    let sources = place.join("sources");
    if sources.exists() {
        fs::remove_dir_all(&sources)?;
    }
    copy(&root()?, &sources)?;

    // Not limited by `rust-version`: a user with a current Rust gets the newest versions.
    let mut update = cargo(&["update"])?;
    execute(
        update
            .current_dir(&sources)
            .env("CARGO_RESOLVER_INCOMPATIBLE_RUST_VERSIONS", "allow"),
    )?;
    let mut test = cargo(&[
        "test",
        "--lib",
        "--all-features",
        "--locked",
        "--target-dir",
    ])?;
    test.arg(place.join("target")).current_dir(&sources);
    for package in Metadata::load()?.published() {
        test.args(["--package", package.name()]);
    }
    execute(test.args(arguments))?;
    // After a failure the files remain for inspection.
    fs::remove_dir_all(&place)?;
    Ok(())
}

/// Copies all files that git tracks or would add.
fn copy(from: &Path, to: &Path) -> Result {
    let mut list = Command::new("git");
    list.current_dir(from);
    list.args([
        "ls-files",
        "-z",
        "--cached",
        "--others",
        "--exclude-standard",
    ]);
    for name in output(&mut list)?.split_terminator('\0') {
        let source = from.join(name);
        // Git also lists files that are deleted and not committed yet.
        if !source.is_file() {
            continue;
        }
        let copy = to.join(name);
        if let Some(directory) = copy.parent() {
            fs::create_dir_all(directory)?;
        }
        fs::copy(source, copy)?;
    }
    Ok(())
}
