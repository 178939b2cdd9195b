use std::{
    path::Path,
    process::{Command, Stdio},
};

use crate::{
    Result,
    cargo::{output, run},
};

/// Installs Debian packages, as root.
///
/// # Errors
///
/// The user is not root, apt-get is missing, or apt-get failed.
pub(crate) fn install(packages: &[&str]) -> Result {
    if !is_root() || !on_path("apt-get") {
        return Err("not root: apt-get can install packages only as root".into());
    }
    for arguments in steps(packages) {
        let mut command = Command::new("apt-get");
        command
            .args(arguments)
            .env("DEBIAN_FRONTEND", "noninteractive")
            // The tests start the servers, not the system.
            .env("RUNLEVEL", "1");
        // Omits thousands of lines about packages. Errors go to the other stream.
        run(command.stdin(Stdio::null()).stdout(Stdio::null()))?;
    }
    Ok(())
}

/// Downloads the file of a Debian package into a folder. Installs nothing, and as root renews the
/// lists of packages first.
///
/// # Errors
///
/// apt-get is missing, knows no such package, or failed.
pub(crate) fn download(package: &str, folder: &Path) -> Result {
    if !on_path("apt-get") {
        return Err("apt-get is missing".into());
    }
    if is_root() {
        run(Command::new("apt-get").arg("update").stdout(Stdio::null()))?;
    }
    let mut command = Command::new("apt-get");
    command.args(["download", package]).current_dir(folder);
    run(command.stdin(Stdio::null()).stdout(Stdio::null()))
}

fn is_root() -> bool {
    output(Command::new("id").arg("-u")).is_ok_and(|id| id.trim() == "0")
}

/// Returns the commands that install packages by hand.
pub(crate) fn by_hand(packages: &[&str]) -> String {
    steps(packages)
        .map(|step| format!("sudo apt-get {}", step.join(" ")))
        .join(" && ")
}

pub(crate) fn on_path(program: &str) -> bool {
    let mut command = Command::new(program);
    command
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

fn steps<'a>(packages: &[&'a str]) -> [Vec<&'a str>; 2] {
    let install = ["install", "--yes", "--no-install-recommends"];
    [
        vec!["update"],
        install.iter().chain(packages).copied().collect(),
    ]
}
