//! The processor time of a clean build, and the number of crates.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::Stdio,
};

use serde_json::{Value, json};

use crate::{Result, cargo, deps};

/// The name under which the figures are recorded.
const BENCH: &str = "build";
const OURS: &str = "auth-core + auth-tower";
const THEIRS: &str = "tower-http, feature auth";

/// As in version 0.1.0 before its costs were measured: 8.3 s, and 1.7 s for tower-http.
const GOAL: f64 = 4.9;
const LIMIT: f64 = 6.5;
/// `cargo xtask deps` fails above it.
const CRATES: usize = deps::CEILING - 1;

/// Builds both with all dependencies in an empty folder. Returns the figures as lines of JSON.
pub(crate) fn measure() -> Result<String> {
    let crates = deps::crates()?.len();
    let mut lines = vec![json!({
        "bench": BENCH, "figure": "crates in all", "value": crates,
        "bound": "at most", "limit": CRATES, "goal_bound": "at most", "goal": CRATES,
    })];
    if processor_time(std::process::id()).is_none() {
        lines.push(json!({
            "bench": BENCH, "not_measured": "the processor time of a build is read from /proc",
        }));
    } else {
        let root = cargo::root()?;
        let path =
            |name: &str| format!("{name} = {{ path = {:?} }}", root.join("crates").join(name));
        let ours = [path("auth-core"), path("auth-tower")].join("\n");
        let lock = fs::read_to_string(root.join("Cargo.lock"))?;
        let version = locked_version(&lock, "tower-http")?;
        let theirs = format!("tower-http = {{ version = \"={version}\", features = [\"auth\"] }}");
        let note = |figure: String, value: f64| json!({ "bench": BENCH, "figure": figure, "value": value, "bound": "none" });
        let mut totals = Vec::new();
        for (name, dependencies) in [(OURS, ours), (THEIRS, theirs)] {
            let project = Project::new(&root, &dependencies)?;
            let parts = project.build()?;
            let total = parts.iter().map(|part| part.seconds).sum();
            totals.push(total);
            lines.push(note(format!("{name}: seconds"), total));
            for part in parts {
                lines.push(note(format!("{name}, crate {}", part.name), part.seconds));
            }
        }
        lines.push(json!({
            "bench": BENCH, "figure": format!("{OURS}, processor time of tower-http's"),
            "value": totals[0] / totals[1],
            "bound": "at most", "limit": LIMIT, "goal_bound": "at most", "goal": GOAL,
        }));
    }
    Ok(lines.iter().map(|line| format!("{line}\n")).collect())
}

/// A package in its own folder, so that cargo enables no feature for another package.
struct Project(PathBuf);

struct Part {
    name: String,
    seconds: f64,
}

impl Project {
    fn new(root: &Path, dependencies: &str) -> Result<Self> {
        let project = Self(root.join("target/clean-build"));
        project.remove()?;
        fs::create_dir_all(project.0.join("src"))?;
        fs::write(project.0.join("src/lib.rs"), "")?;
        fs::copy(root.join("Cargo.lock"), project.0.join("Cargo.lock"))?;
        let manifest = format!(
            "[package]\nname = \"clean-build\"\nedition = \"2024\"\n\n[dependencies]\n\
             {dependencies}\n\n[workspace]\n"
        );
        fs::write(project.0.join("Cargo.toml"), manifest)?;
        Ok(project)
    }

    fn remove(&self) -> Result {
        if self.0.exists() {
            fs::remove_dir_all(&self.0)?;
        }
        Ok(())
    }

    /// Builds one crate after the other. Returns the processor time of each, with its build script.
    fn build(&self) -> Result<Vec<Part>> {
        let mut command =
            cargo::cargo(&["build", "--offline", "--jobs=1", "--message-format=json"])?;
        command
            .current_dir(&self.0)
            .arg("--target-dir=target")
            // As for a dependency that comes from a registry.
            .env("CARGO_INCREMENTAL", "0")
            .stdout(Stdio::piped());
        let mut child = command.spawn()?;
        let output = child.stdout.take().ok_or("cargo has no output")?;
        let mut parts: Vec<Part> = Vec::new();
        let mut before = 0.0;
        for line in BufReader::new(output).lines() {
            let message: Value = serde_json::from_str(&line?)?;
            let Some(name) = crate_of(&message) else {
                continue;
            };
            // The compilers that cargo has waited for.
            let now = processor_time(child.id()).ok_or("no processor time in /proc")?;
            let seconds = now - before;
            before = now;
            match parts.iter_mut().find(|part| part.name == name) {
                Some(part) => part.seconds += seconds,
                None => parts.push(Part { name, seconds }),
            }
        }
        let status = child.wait()?;
        self.remove()?;
        if status.success() {
            return Ok(parts);
        }
        Err(format!("the clean build failed: {status}").into())
    }
}

/// Returns the name of the crate that cargo has finished, from one of its messages.
fn crate_of(message: &Value) -> Option<String> {
    match message["reason"].as_str()? {
        "compiler-artifact" | "build-script-executed" => {}
        _ => return None,
    }
    // `registry+URL#name@1.2.3`, or `path+file:///a/name#1.2.3` if the folder has the crate's name.
    let id = message["package_id"].as_str()?;
    let (place, name) = id.split_once('#')?;
    let name = match name.split_once('@') {
        Some((name, _)) => name,
        None => place.rsplit('/').next()?,
    };
    Some(name.to_owned())
}

/// Returns the processor seconds, user and system, of the finished children of a process.
fn processor_time(process: u32) -> Option<f64> {
    children_seconds(&fs::read_to_string(format!("/proc/{process}/stat")).ok()?)
}

fn children_seconds(stat: &str) -> Option<f64> {
    // The second field is a name in parentheses, which may contain spaces. The 16th and 17th are
    // the children's user and system time, in hundredths of a second.
    let (_, fields) = stat.rsplit_once(") ")?;
    let mut fields = fields.split(' ').skip(13);
    let mut ticks = || fields.next()?.parse::<f64>().ok();
    Some((ticks()? + ticks()?) / 100.0)
}

fn locked_version<'a>(lock: &'a str, name: &str) -> Result<&'a str> {
    let entry = format!("name = \"{name}\"\nversion = \"");
    let (_, rest) = lock
        .split_once(&entry)
        .ok_or_else(|| format!("Cargo.lock has no {name}"))?;
    Ok(rest.split('"').next().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_children_is_found_after_a_name_with_spaces() {
        let stat = "12 (a b) c) S 1 12 12 0 -1 4194560 99 88 0 0 7 5 250 50 20 0 1 0 9 8";
        assert_eq!(children_seconds(stat), Some(3.0));
        assert_eq!(children_seconds("12 (a) S 1"), None);
    }

    #[test]
    fn a_message_names_the_finished_crate() {
        for (reason, id, name) in [
            (
                "compiler-artifact",
                "registry+https://a.example/i#http@1.5.0",
                Some("http"),
            ),
            (
                "build-script-executed",
                "path+file:///a/auth-core#0.1.0",
                Some("auth-core"),
            ),
            ("build-finished", "path+file:///a/auth-core#0.1.0", None),
        ] {
            let message = json!({ "reason": reason, "package_id": id });
            assert_eq!(crate_of(&message).as_deref(), name);
        }
    }

    #[test]
    fn a_version_is_read_from_the_lock() {
        let lock = "[[package]]\nname = \"tower\"\nversion = \"0.5.3\"\n\n[[package]]\nname = \"tower-http\"\nversion = \"0.7.0\"\n";
        assert_eq!(locked_version(lock, "tower-http").unwrap(), "0.7.0");
        assert!(locked_version(lock, "hyper").is_err());
    }
}
