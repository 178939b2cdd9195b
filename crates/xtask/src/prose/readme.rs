use super::read;
use crate::{
    Result,
    cargo::{Metadata, Package},
};

pub(super) const README: &str = "README.md";

/// README.md must have fewer lines than this.
const LINES: usize = 150;

/// Checks README.md: its length, the versions of its table and of its Cargo.toml, and that its test
/// command is the last command of the full check.
pub(super) fn check(metadata: &Metadata) -> Result<Vec<String>> {
    let page = read(README)?;
    let mut faults = Vec::new();
    let lines = page.lines().count();
    if lines >= LINES {
        faults.push(format!("{README}: {lines} lines: keep it under {LINES}"));
    }
    let rows = rows(&page);
    if rows.len() < 8 {
        faults.push(format!("{README}: no table under \"## Works with\""));
    }
    for (name, version, use_) in rows {
        if name == "Rust" {
            faults.extend(rust_versions(metadata, version, use_));
        } else {
            faults.extend(version_fault(metadata, name, version));
        }
    }
    for (name, version) in requirements(block(&page, "toml")?) {
        faults.extend(version_fault(metadata, name, version));
    }
    let test = "cargo xtask test";
    let last = read(".ci/run")?;
    let last = last.lines().last().unwrap_or_default();
    if !page.contains(&format!("$ {test}\n")) || !last.ends_with(test) {
        faults.push(format!(
            "{README} and the last line of .ci/run: both need the test command `{test}`"
        ));
    }
    Ok(faults)
}

/// Returns the first fenced block of a language.
pub(super) fn block<'a>(page: &'a str, language: &str) -> Result<&'a str> {
    page.split_once(&format!("```{language}\n"))
        .and_then(|(_, rest)| rest.split_once("```"))
        .map(|(block, _)| block)
        .ok_or_else(|| format!("{README}: no block of {language}").into())
}

/// Returns name, version and use of each row of the table "Works with".
fn rows(page: &str) -> Vec<(&str, &str, &str)> {
    let section = page.split("\n## Works with\n").nth(1).unwrap_or_default();
    let section = section.split("\n## ").next().unwrap_or_default();
    let rows = section.lines().filter(|line| line.starts_with("| "));
    rows.filter_map(|row| {
        let mut cells = row.split('|').map(str::trim).skip(1);
        Some((cells.next()?, cells.next()?, cells.next()?))
    })
    .filter(|(name, ..)| !name.is_empty())
    .collect()
}

/// Returns name and version of each dependency that has a version.
fn requirements(manifest: &str) -> Vec<(&str, &str)> {
    let dependencies = manifest.split("[dependencies]\n").nth(1);
    let lines = dependencies.unwrap_or_default().lines();
    lines
        .filter_map(|line| {
            let (name, value) = line.split_once(" = ")?;
            let quoted = value
                .strip_prefix("{ version = ")
                .or_else(|| value.starts_with('"').then_some(value))?;
            Some((name, quoted.split('"').nth(1)?))
        })
        .collect()
}

/// Checks that the newest version of a crate in Cargo.lock is the stated one.
fn version_fault(metadata: &Metadata, name: &str, stated: &str) -> Option<String> {
    let locked = metadata
        .packages()
        .filter(|package| package.name() == name)
        .map(Package::version)
        .max_by_key(|version| numbers(version));
    let Some(locked) = locked else {
        return Some(format!("{README}: {name} is not in Cargo.lock"));
    };
    let right = locked
        .strip_prefix(stated)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
    (!right).then(|| format!("{README}: {name} {stated}, and Cargo.lock has {locked}"))
}

/// Checks that the row of Rust states the lowest `rust-version`, and names each published crate
/// that needs more.
fn rust_versions(metadata: &Metadata, stated: &str, exceptions: &str) -> Vec<String> {
    let mut faults = Vec::new();
    for package in metadata.published() {
        let needed = package.rust_version().unwrap_or_default();
        let exception = format!("`{}`: {needed}", package.name());
        if needed != stated && !exceptions.contains(&exception) {
            faults.push(format!(
                "{README}: the row of Rust does not say {exception}"
            ));
        }
    }
    faults
}

fn numbers(version: &str) -> Vec<u64> {
    version.split('.').map_while(|it| it.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::{numbers, requirements, rows};

    #[test]
    fn rows_of_the_table_are_read() {
        let page = "# X\n\n## Works with\n\n| | version | use |\n|---|---|---|\n| a | 1.2 | b |\n\n## Y\n| c | d | e |\n";
        assert_eq!(rows(page), [("a", "1.2", "b")]);
    }

    #[test]
    fn requirements_of_a_manifest_are_read() {
        let manifest = "[package]\nversion = \"0.1.0\"\n\n[dependencies]\na = { path = \"../a\" }\n\
                        b = \"1.5\"\nc = { version = \"0.5\", features = [\"x\"] }\n";
        assert_eq!(requirements(manifest), [("b", "1.5"), ("c", "0.5")]);
    }

    #[test]
    fn versions_are_compared_as_numbers() {
        assert!(numbers("0.10.0") > numbers("0.9.1"));
    }
}
