//! Each file of the folder `mistakes` contains a mistake. The expected text of the compiler is at
//! the top of the file: `//! says:` for its first message, `//! hints:` for additions to any
//! message.
//!
//! Only texts of this workspace are checked, and the compiler's own text if it names the fix. The
//! position at which the compiler shows them differs between releases.

use std::{
    collections::BTreeMap,
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

#[test]
fn the_compiler_names_the_cause_and_the_fix() {
    let mistakes = Mistake::all();
    assert!(mistakes.len() >= 10, "only {} mistakes", mistakes.len());
    let messages = compile(&mistakes);
    let mut problems = Vec::new();
    for mistake in &mistakes {
        let Some(said) = messages.get(&mistake.name) else {
            problems.push(format!("{}: compiles", mistake.name));
            continue;
        };
        problems.extend(mistake.problems(said));
    }
    assert!(problems.is_empty(), "{}", problems.join("\n\n"));
}

struct Mistake {
    name: String,
    file: PathBuf,
    says: Vec<String>,
    hints: Vec<String>,
}

impl Mistake {
    fn all() -> Vec<Self> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/stacks/mistakes");
        let mut files: Vec<PathBuf> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        files.sort();
        files.into_iter().map(Self::read).collect()
    }

    fn read(file: PathBuf) -> Self {
        let text = fs::read_to_string(&file).unwrap();
        let after = |mark: &str| {
            let lines = text.lines().filter_map(|line| line.strip_prefix(mark));
            lines.map(|line| line.trim().to_owned()).collect::<Vec<_>>()
        };
        let (says, hints) = (after("//! says:"), after("//! hints:"));
        assert!(
            !says.is_empty() && !hints.is_empty(),
            "{}: nothing to check",
            file.display()
        );
        let name = file.file_stem().unwrap().to_str().unwrap().to_owned();
        Self {
            name,
            file,
            says,
            hints,
        }
    }

    fn problems(&self, said: &[Said]) -> Vec<String> {
        let whole: Vec<&str> = said.iter().map(|said| said.rendered.as_str()).collect();
        let whole = whole.join("\n");
        // The message and the label at the place of the mistake, which an editor shows.
        let first = &said[0];
        let missing = |kind: &str, text: &str| {
            format!("{}: {kind} `{text}` is missing in\n{whole}", self.name)
        };
        let says = self.says.iter().filter(|text| !first.start.contains(*text));
        let says = says.map(|text| missing("the start", text));
        let hints = self
            .hints
            .iter()
            .filter(|text| !first.whole.contains(*text));
        says.chain(hints.map(|text| missing("the hint", text)))
            .collect()
    }
}

/// One error of the compiler.
struct Said {
    /// Message and labels.
    /// Message, labels and notes.
    start: String,
    /// The notes, too.
    whole: String,
    rendered: String,
}

impl Said {
    fn read(message: &Value) -> Option<Self> {
        if message["level"] != "error" || message["spans"].as_array()?.is_empty() {
            return None;
        }
        let texts = |list: &Value, name: &str| -> Vec<String> {
            let list = list.as_array().into_iter().flatten();
            list.filter_map(|part| part[name].as_str().map(String::from))
                .collect()
        };
        let mut start = vec![message["message"].as_str()?.to_owned()];
        start.extend(texts(&message["spans"], "label"));
        let mut whole = start.clone();
        whole.extend(texts(&message["children"], "message"));
        for child in message["children"].as_array()? {
            whole.extend(texts(&child["spans"], "label"));
        }
        Some(Self {
            start: start.join("\n"),
            whole: whole.join("\n"),
            rendered: message["rendered"].as_str()?.to_owned(),
        })
    }
}

/// Compiles each file as a program of one package. Returns the errors per program.
fn compile(mistakes: &[Mistake]) -> BTreeMap<String, Vec<Said>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let package = Path::new(env!("CARGO_TARGET_TMPDIR")).join("mistakes");
    fs::create_dir_all(package.join("reqwest-0.12/src")).unwrap();
    let mut manifest = MANIFEST.replace("{root}", root.to_str().unwrap());
    for mistake in mistakes {
        let (name, file) = (&mistake.name, mistake.file.display());
        manifest += &format!("[[bin]]\nname = \"{name}\"\npath = \"{file}\"\n\n");
    }
    fs::write(package.join("Cargo.toml"), manifest).unwrap();
    fs::write(package.join("reqwest-0.12/Cargo.toml"), OLD_REQWEST).unwrap();
    fs::write(
        package.join("reqwest-0.12/src/lib.rs"),
        "pub struct Client;",
    )
    .unwrap();
    // The versions with which this test was compiled: they are present, so nothing is downloaded.
    fs::copy(root.join("Cargo.lock"), package.join("Cargo.lock")).unwrap();
    let output = Command::new(env!("CARGO"))
        .args([
            "check",
            "--bins",
            "--keep-going",
            "--offline",
            "--message-format=json",
        ])
        .current_dir(&package)
        .env(
            "CARGO_TARGET_DIR",
            Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap(),
        )
        .output()
        .unwrap();
    let mut all: BTreeMap<String, Vec<Said>> = BTreeMap::new();
    for line in String::from_utf8(output.stdout).unwrap().lines() {
        let Ok(line) = serde_json::from_str::<Value>(line) else {
            continue;
        };
        if let Some(said) = Said::read(&line["message"]) {
            let name = line["target"]["name"].as_str().unwrap_or_default();
            all.entry(name.to_owned()).or_default().push(said);
        }
    }
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(!all.is_empty(), "cargo compiled nothing: {complaints}");
    all
}

/// The features of a program that enables none.
const MANIFEST: &str = r#"
[package]
name = "mistakes"
edition = "2024"

[workspace]

[dependencies]
auth-core = { path = "{root}/crates/auth-core" }
auth-kaizen = { path = "{root}/crates/auth-kaizen" }
auth-oauth2 = { path = "{root}/crates/auth-oauth2" }
auth-reqwest = { path = "{root}/crates/auth-reqwest", default-features = false }
auth-tower = { path = "{root}/crates/auth-tower" }
axum = { version = "0.8", default-features = false }
bytes = "1"
http = "1"
http-body = "1"
http-body-util = "0.1"
reqwest = { version = "0.13", default-features = false }
reqwest-old = { package = "reqwest", path = "reqwest-0.12" }
tower = { version = "0.5", features = ["timeout", "util"] }

"#;

/// Represents the release before the one that the workspace uses.
const OLD_REQWEST: &str = r#"
[package]
name = "reqwest"
version = "0.12.99"
edition = "2024"
"#;
