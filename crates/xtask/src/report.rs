//! The report of the tests: runs them, reads the figures that they write, and makes
//! `tests/REPORT.md`.

mod page;
mod parts;
mod ran;
mod table;

use std::fs;

use crate::{Result, cargo::root};

use parts::{PARTS, Part};
pub(crate) use ran::Ran;

/// The variable with the file to which tests append a line of JSON for each figure.
pub(crate) const FILE: &str = "AUTH_REPORT";

/// The page, from the workspace's root.
const PAGE: &str = "tests/REPORT.md";

/// Runs parts and writes the page. The page also shows the last result of each part that does not
/// run, with its own date and commit.
///
/// Arguments: names of parts. Default: all that take minutes, not hours. `--page` runs nothing.
pub(crate) fn run(arguments: &[String]) -> Result {
    let parts = chosen(arguments)?;
    let mut failed = Vec::new();
    for part in parts {
        println!("== {}: {}", part.name, part.command);
        match part.execute() {
            Ok(ran) => {
                println!("== {}: {} s", part.name, ran.seconds);
                ran.write(part.name)?;
                if !ran.passed {
                    failed.push(part.name);
                }
            }
            Err(error) => {
                println!("not run: {}: {error}", part.name);
                Ran::not_run(&error.to_string())?.write(part.name)?;
            }
        }
    }
    let mut results = Vec::new();
    for part in &PARTS {
        results.push((part, part.last()?));
    }
    let mut text = page::head();
    text.push_str(&page::summary(&results));
    for (part, ran) in &results {
        text.push_str(&page::part(part, ran.as_ref()));
    }
    fs::write(root()?.join(PAGE), text)?;
    println!("wrote {PAGE}");
    if failed.is_empty() {
        return Ok(());
    }
    Err(format!("failed: {}", failed.join(", ")).into())
}

/// Returns the parts with these names.
fn chosen(names: &[String]) -> Result<Vec<&'static Part>> {
    let all = const { &PARTS }.iter();
    match names {
        [] => Ok(all.filter(|part| part.is_default).collect()),
        [page] if page == "--page" => Ok(Vec::new()),
        names => names
            .iter()
            .map(|name| {
                let part = const { &PARTS }.iter().find(|part| part.name == name);
                part.ok_or_else(|| {
                    let all: Vec<_> = PARTS.iter().map(|part| part.name).collect();
                    format!("unknown part `{name}`; there are: {}", all.join(", ")).into()
                })
            })
            .collect(),
    }
}

#[cfg(test)]
mod tests;
