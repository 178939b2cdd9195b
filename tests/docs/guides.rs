//! Each guide is on the index page, and each crate leads to the index page.

use std::{collections::BTreeSet, fs, path::Path};

use crate::read;

const INDEX: &str = "crates/auth-core/src/_documentation/index.md";
/// Where the index page is, once published.
const GUIDES: &str = "https://docs.rs/auth-core/latest/auth_core/_documentation/";

#[test]
fn the_index_lists_each_guide_once() {
    let guides: BTreeSet<String> = crates().iter().flat_map(|name| guides(name)).collect();
    let page = read(INDEX);
    let mut listed: Vec<&str> = page
        .split("](")
        .skip(1)
        .filter_map(|link| link.split(')').next())
        .filter(|link| link.starts_with("https://docs.rs/"))
        .collect();
    listed.sort_unstable();
    assert!(guides.len() >= 20, "only {} guides", guides.len());
    assert_eq!(listed, Vec::from_iter(&guides));
}

#[test]
fn each_crate_leads_to_the_index() {
    for name in crates() {
        let (front, readme) = (
            read(&format!("crates/{name}/src/lib.rs")),
            read(&format!("crates/{name}/README.md")),
        );
        let link = if name == "auth-core" {
            "](_documentation)"
        } else {
            GUIDES
        };
        assert!(front.contains(link), "crates/{name}/src/lib.rs");
        assert!(readme.contains(GUIDES), "crates/{name}/README.md");
    }
    assert!(read("README.md").contains(INDEX));
}

/// Until the crates are published, the index page's addresses do not exist.
#[test]
fn the_readme_lists_the_file_of_each_guide() {
    let readme = read("README.md");
    for name in crates() {
        for address in guides(&name) {
            let stem = address.trim_end_matches('/').rsplit('/').next().unwrap();
            let file = format!("](crates/{name}/src/_documentation/{stem}.md)");
            assert!(readme.contains(&file), "README.md has no link {file}");
        }
    }
}

/// Each guide that this page lists begins with whom it is for; the others are lists of facts.
#[test]
fn a_guide_says_first_whom_it_is_for() {
    let others = [
        "add_a_vendor",
        "costs",
        "guarantees",
        "index",
        "observability",
        "recipes",
        "standards",
        "threats",
    ];
    let mut read = 0;
    for name in crates() {
        let Ok(files) = fs::read_dir(root().join(format!("crates/{name}/src/_documentation")))
        else {
            continue;
        };
        for file in files.map(|file| file.unwrap().path()) {
            let stem = file.file_stem().unwrap().to_str().unwrap();
            if file.extension().is_none_or(|it| it != "md") || others.contains(&stem) {
                continue;
            }
            let page = fs::read_to_string(&file).unwrap();
            assert!(page.starts_with("For "), "{}", file.display());
            read += 1;
        }
    }
    assert_eq!(read, 13);
}

/// A reader copies what is shown. What is hidden is imports, or follows the program and only runs it.
/// The programs of `add_a_vendor` are parts of a file that is tested elsewhere.
#[test]
fn a_program_of_a_guide_hides_only_imports() {
    let mut programs = 0;
    for name in crates() {
        for address in guides(&name) {
            let stem = address.trim_end_matches('/').rsplit('/').next().unwrap();
            if stem == "add_a_vendor" {
                continue;
            }
            let page = read(&format!("crates/{name}/src/_documentation/{stem}.md"));
            for block in page.split("```rust").skip(1) {
                let program = block.split("\n```").next().unwrap();
                let lines: Vec<_> = program.lines().collect();
                let last = lines.iter().rposition(|line| !line.starts_with("# "));
                let hidden = lines[..last.unwrap()]
                    .iter()
                    .find(|line| line.starts_with("# ") && !line.starts_with("# use "));
                assert_eq!(hidden, None, "{name}, {stem}");
                programs += 1;
            }
        }
    }
    assert!(programs >= 12, "{programs} programs");
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The crates that are published.
fn crates() -> Vec<String> {
    let entries = fs::read_dir(root().join("crates")).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.filter(|name| name.starts_with("auth-")).collect();
    names.sort();
    names
}

/// The addresses of a crate's guides.
fn guides(name: &str) -> Vec<String> {
    let file = root().join(format!("crates/{name}/src/_documentation.rs"));
    let Ok(source) = fs::read_to_string(file) else {
        return Vec::new();
    };
    let modules = source.lines().filter_map(|line| {
        let rest = line.strip_prefix("pub mod ")?;
        rest.strip_suffix(" {}")
    });
    let library = name.replace('-', "_");
    modules
        .map(|module| format!("https://docs.rs/{name}/latest/{library}/_documentation/{module}/"))
        .collect()
}
