mod graph;
mod modules;

use std::{fs, path::Path};

use crate::{Result, cargo::Metadata};

use modules::Modules;

/// Checks that the files of each crate do not import from each other in a circle. A parent and its
/// child may import from each other. Two other files may not, neither directly nor through others.
pub(crate) fn run(_: &[String]) -> Result {
    let mut found = 0;
    for package in Metadata::load()?.members() {
        let name = package.name();
        let Some(modules) = of_package(package.directory())? else {
            continue;
        };
        let circles = graph::circles(&modules.imports());
        for circle in &circles {
            println!("{name}: {circle}");
        }
        found += circles.len();
    }
    match found {
        0 => Ok(()),
        _ => Err(format!(
            "{found} circles of imports: move what several files need to a file that imports no other"
        )
        .into()),
    }
}

/// Reads the library of a package, or its program. Returns `None` for a package with neither.
fn of_package(directory: &Path) -> Result<Option<Modules>> {
    let sources = directory.join("src");
    let root = ["lib.rs", "main.rs"]
        .into_iter()
        .find(|root| sources.join(root).is_file());
    let Some(root) = root else { return Ok(None) };
    let read = |file: &str| fs::read_to_string(sources.join(file)).ok();
    Modules::read(root, &read).map(Some)
}

#[cfg(test)]
mod tests;
