use std::process::{Command, Stdio};

use crate::{
    Result,
    cargo::{output, run},
};

/// Installs Debian packages, as root.
///
/// # Errors
///
/// Not root, no apt-get here, or apt-get failed.
pub(crate) fn install(packages: &[&str]) -> Result {
    let root = output(Command::new("id").arg("-u")).is_ok_and(|id| id.trim() == "0");
    if !root || !on_path("apt-get") {
        return Err("only root can install it, with apt-get".into());
    }
    for arguments in steps(packages) {
        let mut command = Command::new("apt-get");
        command
            .args(arguments)
            .env("DEBIAN_FRONTEND", "noninteractive")
            // Servers are installed to be started by tests, not by the system.
            .env("RUNLEVEL", "1");
        // Two thousand lines about packages; complaints come on the other stream.
        run(command.stdin(Stdio::null()).stdout(Stdio::null()))?;
    }
    Ok(())
}

/// What to type to install packages.
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
