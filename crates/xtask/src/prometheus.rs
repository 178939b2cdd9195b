use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::{
    Result, apt,
    cargo::{output, root, run},
};

/// The package with the program on Debian.
const PACKAGE: &str = "prometheus";

/// Where the package is unpacked, from the workspace's root.
const FOLDER: &str = "target/prometheus";

/// Uses the system's Prometheus. If it is missing, unpacks Debian's package into the target folder:
/// an installed package would start a service on a fixed port. Returns the program and its version.
///
/// # Errors
///
/// If Prometheus is neither installed nor can be unpacked. Only one test needs it.
pub(crate) fn find_or_unpack() -> Result<(PathBuf, String)> {
    let system = PathBuf::from(PACKAGE);
    if apt::on_path(PACKAGE) {
        let version = version(&system)?;
        return Ok((system, version));
    }
    let folder = root()?.join(FOLDER);
    let program = folder.join("usr/bin").join(PACKAGE);
    if version(&program).is_err() {
        unpack(&folder).map_err(|error| {
            let apt = apt::by_hand(&[PACKAGE]);
            format!("{PACKAGE} is missing ({error}): install it, on Debian by `{apt}`")
        })?;
    }
    let version = version(&program)?;
    Ok((program, version))
}

fn unpack(folder: &Path) -> Result {
    fs::create_dir_all(folder)?;
    apt::download(PACKAGE, folder)?;
    let files = fs::read_dir(folder)?.flatten().map(|entry| entry.path());
    let is_package = |file: &PathBuf| file.extension().is_some_and(|end| end == "deb");
    let package = files.into_iter().find(is_package);
    let package = package.ok_or("apt-get brought no file")?;
    let mut command = Command::new("dpkg-deb");
    run(command.arg("--extract").arg(&package).arg(folder))?;
    Ok(fs::remove_file(package)?)
}

fn version(program: &Path) -> Result<String> {
    let mut command = Command::new(program);
    let said = output(command.arg("--version").stderr(Stdio::null()))?;
    let line = said.lines().next().unwrap_or_default();
    Ok(line.split(" (").next().unwrap_or(line).to_owned())
}
