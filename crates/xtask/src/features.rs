use crate::{
    Result,
    cargo::{Metadata, Package, cargo, run as execute},
};

/// Lints each published crate alone. In the workspace, features that one crate enables in its
/// dependencies are enabled for all, so a crate may compile only there.
pub(crate) fn run(_: &[String]) -> Result {
    let metadata = Metadata::load()?;
    for package in metadata.published() {
        for flags in combinations(package) {
            let mut command = cargo(&["clippy", "--quiet", "--locked", "--package"])?;
            command
                .arg(package.name())
                .args(&flags)
                .args(["--", "--deny", "warnings"]);
            execute(&mut command)?;
        }
    }
    Ok(())
}

/// Returns the default features, no features, each feature by itself, and all features. No
/// combination occurs twice.
fn combinations(package: Package<'_>) -> Vec<Vec<String>> {
    let all: Vec<&str> = package.features().collect();
    let single: Vec<&str> = all
        .iter()
        .copied()
        .filter(|&name| name != "default")
        .collect();
    let mut combinations = vec![Vec::new()];
    if all.contains(&"default") {
        combinations.push(vec![String::from("--no-default-features")]);
    }
    for feature in &single {
        combinations.push(vec![format!("--no-default-features --features={feature}")]);
    }
    if single.len() > 1 {
        combinations.push(vec![String::from("--all-features")]);
    }
    combinations
        .into_iter()
        .map(|flags| {
            flags
                .iter()
                .flat_map(|flag| flag.split(' ').map(String::from))
                .collect()
        })
        .collect()
}
