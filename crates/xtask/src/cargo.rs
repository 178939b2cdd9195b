use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

use crate::Result;

/// Makes a cargo command in the workspace's root, with the cargo that runs this task.
pub(crate) fn cargo(arguments: &[&str]) -> Result<Command> {
    let program = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(program);
    command.args(arguments).current_dir(root()?);
    Ok(command)
}

/// Prints a command, runs it with the caller's output, and fails if it fails.
pub(crate) fn run(command: &mut Command) -> Result {
    println!("$ {}", shown(command));
    let status = command
        .status()
        .map_err(|error| format!("{}: {error}", shown(command)))?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("{}: {status}", shown(command)).into())
    }
}

/// Runs a command and returns its output. Its error stream is the caller's.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let output = command
        .stderr(std::process::Stdio::inherit())
        .output()
        .map_err(|error| format!("{}: {error}", shown(command)))?;
    if !output.status.success() {
        return Err(format!("{}: {}", shown(command), output.status).into());
    }
    Ok(String::from_utf8(output.stdout)?)
}

/// Returns the workspace's root directory.
pub(crate) fn root() -> Result<PathBuf> {
    let here = env::var_os("CARGO_MANIFEST_DIR")
        .ok_or("CARGO_MANIFEST_DIR is not set; run the task with `cargo xtask`")?;
    let root = Path::new(&here)
        .ancestors()
        .nth(2)
        .ok_or("the workspace's root was not found")?;
    Ok(root.to_owned())
}

/// The output of `cargo metadata` for the workspace and all dependencies.
pub(crate) struct Metadata(Value);

impl Metadata {
    /// Runs `cargo metadata` with all features.
    pub(crate) fn load() -> Result<Self> {
        let mut command = cargo(&[
            "metadata",
            "--format-version=1",
            "--all-features",
            "--locked",
        ])?;
        Ok(Self(serde_json::from_str(&output(&mut command)?)?))
    }

    /// Returns the workspace's packages that are published.
    pub(crate) fn published(&self) -> impl Iterator<Item = Package<'_>> {
        self.members().filter(|package| self.is_published(*package))
    }

    /// Returns the workspace's packages.
    pub(crate) fn members(&self) -> impl Iterator<Item = Package<'_>> {
        self.packages().filter(|package| self.is_member(*package))
    }

    pub(crate) fn is_published(&self, package: Package<'_>) -> bool {
        // `null` means any registry, an empty list `publish = false`.
        self.is_member(package) && package.0["publish"] != Value::Array(Vec::new())
    }

    pub(crate) fn is_member(&self, package: Package<'_>) -> bool {
        let members = array(&self.0["workspace_members"]);
        members.iter().any(|id| id.as_str() == Some(package.id()))
    }

    /// Returns every package of the graph.
    pub(crate) fn packages(&self) -> impl Iterator<Item = Package<'_>> {
        array(&self.0["packages"]).iter().map(Package)
    }
}

/// One package of the graph.
#[derive(Clone, Copy)]
pub(crate) struct Package<'a>(&'a Value);

impl<'a> Package<'a> {
    pub(crate) fn id(self) -> &'a str {
        self.0["id"].as_str().unwrap_or_default()
    }

    pub(crate) fn name(self) -> &'a str {
        self.0["name"].as_str().unwrap_or_default()
    }

    pub(crate) fn version(self) -> &'a str {
        self.0["version"].as_str().unwrap_or_default()
    }

    /// Returns the directory of its manifest.
    pub(crate) fn directory(self) -> &'a Path {
        Path::new(self.0["manifest_path"].as_str().unwrap_or_default())
            .parent()
            .unwrap_or(Path::new(""))
    }

    pub(crate) fn edition(self) -> &'a str {
        self.0["edition"].as_str().unwrap_or_default()
    }

    pub(crate) fn rust_version(self) -> Option<&'a str> {
        self.0["rust_version"].as_str()
    }

    /// Returns the names of its features.
    pub(crate) fn features(self) -> impl Iterator<Item = &'a str> {
        self.0["features"]
            .as_object()
            .into_iter()
            .flat_map(|table| table.keys().map(String::as_str))
    }
}

fn array(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn shown(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let program = program.file_name().unwrap_or(command.get_program());
    let mut text = program.to_string_lossy().into_owned();
    for argument in command.get_args() {
        text.push(' ');
        text.push_str(&argument.to_string_lossy());
    }
    text
}
