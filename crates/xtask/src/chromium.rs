use std::process::Command;

use crate::{Result, apt, cargo::output};

/// What brings a browser with letters to a Debian that has none.
const PACKAGES: [&str; 2] = ["chromium", "fonts-dejavu-core"];

/// Uses the system's Chromium; installs it with apt-get if it is missing and the user is root.
/// Returns its name and version.
///
/// # Errors
///
/// Chromium cannot be installed. Only the tests in a browser need it.
pub(crate) fn find_or_install() -> Result<String> {
    if !apt::on_path(PROGRAM) {
        apt::install(&PACKAGES).map_err(|error| {
            let apt = apt::by_hand(&PACKAGES);
            format!("{PROGRAM} is missing ({error}): install it, on Debian by `{apt}`")
        })?;
    }
    Ok(output(Command::new(PROGRAM).arg("--version"))?
        .trim()
        .to_owned())
}

pub(crate) const PROGRAM: &str = "chromium";
