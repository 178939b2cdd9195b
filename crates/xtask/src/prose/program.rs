use std::{
    env, fs,
    path::{Path, PathBuf},
    process,
    time::SystemTime,
};

use super::{
    read,
    readme::{README, block},
};
use crate::{
    Result,
    cargo::{cargo, output, root, run},
};

/// Does with README.md what a reader does: `cargo new` beside the clone, paste both files, run.
/// README.md must contain every line that the program prints, as inline code.
pub(super) fn check() -> Result {
    let page = read(README)?;
    let place = Place::new()?;
    run(cargo(&["new", "--quiet", "--vcs=none", "my-client"])?.current_dir(&place.0))?;
    let client = place.0.join("my-client");
    fs::write(client.join("Cargo.toml"), block(&page, "toml")?)?;
    fs::write(client.join("src/main.rs"), block(&page, "rust")?)?;
    // The versions that all other checks use, so that nothing else is downloaded.
    fs::copy(root()?.join("Cargo.lock"), client.join("Cargo.lock"))?;
    link(&root()?, &place.0.join("auth-tower"))?;

    let mut command = cargo(&["run", "--quiet", "--target-dir"])?;
    command.arg(env::var_os("CARGO_TARGET_DIR").map_or(root()?.join("target"), PathBuf::from));
    let printed = output(command.current_dir(&client))?;
    println!("{}", printed.trim_end());
    if printed.trim().is_empty() {
        return Err(format!("{README}: its program printed nothing").into());
    }
    for line in printed.lines() {
        if !page.contains(&format!("`{line}`")) {
            return Err(format!(
                "{README}: its program printed `{line}`, and the text does not say so"
            )
            .into());
        }
    }
    Ok(())
}

/// A new folder outside the workspace, removed when dropped.
struct Place(PathBuf);

impl Place {
    fn new() -> Result<Self> {
        let since = SystemTime::UNIX_EPOCH.elapsed()?.as_nanos();
        let place = env::temp_dir().join(format!("readme-{}-{since}", process::id()));
        fs::create_dir_all(&place)?;
        Ok(Self(place))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            println!("{} is left over: {error}", self.0.display());
        }
    }
}

#[cfg(unix)]
fn link(from: &Path, to: &Path) -> Result {
    Ok(std::os::unix::fs::symlink(from, to)?)
}

#[cfg(windows)]
fn link(from: &Path, to: &Path) -> Result {
    Ok(std::os::windows::fs::symlink_dir(from, to)?)
}
