use std::{env, fs, path::Path, process::Command};

use crate::{
    Result,
    cargo::{Metadata, cargo, output, root, run as execute},
};

/// Builds the published crates with the newest versions of their dependencies, which is what a user
/// without our lock file gets, and runs their unit tests. Works on a copy of the sources, so that
/// the lock file stays as it is.
pub(crate) fn run(arguments: &[String]) -> Result {
    let target = env::var_os("CARGO_TARGET_DIR").map_or(root()?.join("target"), Into::into);
    let place = target.join("latest");
    let sources = place.join("sources");
    if sources.exists() {
        fs::remove_dir_all(&sources)?;
    }
    copy(&root()?, &sources)?;

    // Not held back by `rust-version`: a user with a current Rust gets the newest.
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
    // A run that failed leaves its files to be looked at.
    fs::remove_dir_all(&place)?;
    Ok(())
}

/// Copies what git knows of or would take.
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
        // Git also lists what was deleted and not yet committed.
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
