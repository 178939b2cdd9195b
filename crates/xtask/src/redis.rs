use std::process::Command;

use crate::{Result, apt, cargo::output};

/// The packages that install Redis on Debian.
const PACKAGES: [&str; 2] = ["redis-server", "redis-tools"];

/// The oldest version with which the tests can make a cluster.
const OLDEST: u32 = 7;

/// Uses the system's Redis. Installs it with apt-get if it is missing and the user is root. Returns
/// the version that the tests start; they do not use a running server.
pub(crate) fn find_or_install() -> Result<String> {
    if !apt::on_path(PROGRAM) {
        apt::install(&PACKAGES)
            .map_err(|error| format!("{PROGRAM} is missing ({error}): {}", by_hand()))?;
    }
    let said = output(Command::new(PROGRAM).arg("--version"))?;
    let mut words = said.split_whitespace();
    let version = words
        .find_map(|word| word.strip_prefix("v="))
        .unwrap_or("?");
    let major = version
        .split('.')
        .next()
        .and_then(|major| major.parse().ok());
    if major.is_none_or(|major: u32| major < OLDEST) {
        return Err(format!("{PROGRAM} {version} is too old: {}", by_hand()).into());
    }
    Ok(format!("{PROGRAM} {version}"))
}

fn by_hand() -> String {
    let apt = apt::by_hand(&PACKAGES);
    format!("install Redis {OLDEST} or newer, on Debian by `{apt}`, and try again")
}

const PROGRAM: &str = "redis-server";
