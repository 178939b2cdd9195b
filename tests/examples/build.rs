//! Builds the examples: `cargo test --test NAME` does not.

use std::{collections::BTreeMap, path::PathBuf, process::Command};

use serde_json::Value;

/// The program of each example, by its name.
pub(crate) fn examples() -> BTreeMap<String, PathBuf> {
    // From the whole workspace, so that crates keep the features with which they were built before.
    let built = Command::new(env!("CARGO"))
        .args(["build", "--workspace", "--examples"])
        .arg("--message-format=json-render-diagnostics")
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&built.stderr);
    assert!(built.status.success(), "{errors}");
    let messages = String::from_utf8(built.stdout).unwrap();
    let messages = messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let program = |message: Value| {
        let target = &message["target"];
        let is_example = target["kind"]
            .as_array()?
            .iter()
            .any(|kind| kind == "example");
        let path = message["executable"].as_str().filter(|_| is_example)?;
        Some((target["name"].as_str()?.to_owned(), PathBuf::from(path)))
    };
    messages.filter_map(program).collect()
}
