mod figures;
mod names;
mod page;

use std::{fs, process::Command};

use crate::{
    Result,
    cargo::{output, root},
};

use names::{Kind, Tests};
use page::Page;

/// The pages with the definitions, from the workspace's root.
const PAGES: [(Kind, &str); 3] = [
    (
        Kind::Guarantee,
        "crates/auth-core/src/_documentation/guarantees.md",
    ),
    (
        Kind::Standard,
        "crates/auth-core/src/_documentation/standards.md",
    ),
    (
        Kind::Threat,
        "crates/auth-core/src/_documentation/threats.md",
    ),
];

/// Writes into each page which tests prove its rows, and the figures that they assert. With `--check`, writes nothing, and fails if a
/// page would change.
///
/// Fails if a test has a number that no page defines, if a row has neither a test nor a reason, or
/// if a guarantee has no figure.
pub(crate) fn run(arguments: &[String]) -> Result {
    let is_check = match arguments {
        [] => false,
        [word] if word == "--check" => true,
        _ => return Err("unknown argument; the only one is `--check`".into()),
    };
    let tests = tests()?;
    let mut faults = Vec::new();
    let mut pages = Vec::new();
    for (kind, path) in PAGES {
        let text = fs::read_to_string(root()?.join(path)).map_err(|e| format!("{path}: {e}"))?;
        pages.push((path, text.clone(), Page::parse(kind, &text)));
    }
    let parsed: Vec<&Page> = pages.iter().map(|(_, _, page)| page).collect();
    faults.extend(page::undefined(&parsed, &tests));
    for (path, text, page) in &pages {
        let problems = page.faults(&parsed, &tests);
        faults.extend(problems.iter().map(|problem| format!("{path}: {problem}")));
        let written = page.written(&tests);
        if written == *text {
            continue;
        }
        if is_check {
            faults.push(format!("{path} is stale: run `cargo xtask standards`"));
        } else {
            fs::write(root()?.join(path), written)?;
            println!("written: {path}");
        }
    }
    println!("{}", page::figures(&parsed, &tests));
    if faults.is_empty() {
        return Ok(());
    }
    Err(format!("{} faults:\n{}", faults.len(), faults.join("\n")).into())
}

/// Reads the names of all tests. Tests of xtask itself and of the macro for figures are skipped,
/// because they quote numbers as examples.
fn tests() -> Result<Tests> {
    let root = root()?;
    let mut list = Command::new("git");
    list.current_dir(&root).args([
        "ls-files",
        "-z",
        "--cached",
        "--others",
        "--exclude-standard",
        "*.rs",
    ]);
    let mut tests = Tests::default();
    for path in output(&mut list)?.split_terminator('\0') {
        // Git also lists files that are deleted and not committed yet.
        let text = fs::read_to_string(root.join(path));
        let has_examples = ["crates/xtask/", "crates/test-report/"]
            .iter()
            .any(|folder| path.starts_with(folder));
        if let (Ok(text), false) = (text, has_examples) {
            tests.read(path, &text);
        }
    }
    Ok(tests)
}

#[cfg(test)]
mod tests;
