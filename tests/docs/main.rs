//! The documentation pages agree with the code.

#![allow(clippy::unwrap_used, reason = "a panic fails the test")]

mod figures;
mod guides;
mod metrics;
mod texts;
mod troubleshooting;

use std::{
    fs,
    path::{Path, PathBuf},
};

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// The guide for a vendor's crate.
const GUIDE: &str = "crates/auth-oauth2/src/_documentation/add_a_vendor.md";

/// The program of the guide.
const PROGRAM: &str = "tests/fifth_vendor/meridian.rs";

/// Returns the blocks of Rust in a page, as its reader sees them.
fn blocks(page: &str) -> Vec<String> {
    let blocks = page.split("```rust\n").skip(1);
    blocks
        .map(|block| {
            let code = block.split("```").next().unwrap();
            let shown = code.lines().filter(|line| !line.starts_with("# "));
            shown.map(|line| format!("{line}\n")).collect()
        })
        .collect()
}

#[test]
fn the_code_of_add_a_vendor_is_part_of_a_tested_program() {
    let (page, program) = (read(GUIDE), read(PROGRAM));
    let blocks = blocks(&page);
    assert_eq!(blocks.len(), 4);
    for block in blocks {
        assert!(program.contains(&block), "not in the program:\n{block}");
    }
}

#[test]
fn a_vendor_with_its_contract_test_has_less_than_150_lines() {
    let lines = read(PROGRAM).lines().count();
    assert!(lines < 150, "{lines}");
}

#[test]
fn general_crates_contain_no_vendor_name() {
    let vendors = ["axonize", "kaizen", "kayzen", "verdigris", "meridian"];
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("crates");
    let mut read = 0;
    for entry in fs::read_dir(crates).unwrap() {
        let directory = entry.unwrap().path();
        let name = directory.file_name().unwrap().to_str().unwrap();
        if vendors.iter().any(|vendor| name.ends_with(vendor)) {
            continue;
        }
        for file in files(&directory) {
            let text = fs::read_to_string(&file).unwrap().to_lowercase();
            let named = vendors.iter().find(|vendor| text.contains(**vendor));
            assert_eq!(named, None, "{}", file.display());
            read += 1;
        }
    }
    assert!(read > 100, "{read} files");
}

/// Returns the sources and the manifest of a crate.
fn files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if path
            .extension()
            .is_some_and(|it| it == "rs" || it == "toml")
        {
            found.push(path);
        }
    }
    found
}
