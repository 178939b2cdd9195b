use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::{
    Result,
    cargo::{cargo, output, root, run as execute},
    report::Ran,
};

mod survivors;

use survivors::{Survivors, without_place};

/// Some files, and the tests that must fail when one of the files is changed.
struct Group {
    name: &'static str,
    package: &'static str,
    files: &'static [&'static str],
    /// Arguments of `cargo test`, which also limit what is built.
    targets: &'static [&'static str],
    /// Arguments of the test programs.
    filter: &'static [&'static str],
}

const GROUPS: [Group; 3] = [
    Group {
        name: "machine",
        package: "auth-core",
        files: &["crates/auth-core/src/machine/**/*.rs"],
        targets: &["--lib"],
        // The exploration takes minutes for each mutant; `--explore` adds it.
        filter: &["--skip", "machine::explore::"],
    },
    Group {
        name: "layer",
        package: "auth-tower",
        files: &["crates/auth-tower/src/**/*.rs"],
        targets: &["--lib", "--tests"],
        filter: &[],
    },
    Group {
        name: "reply",
        package: "auth-oauth2",
        files: &[
            "crates/auth-oauth2/src/response.rs",
            "crates/auth-oauth2/src/response/**/*.rs",
        ],
        targets: &["--lib"],
        filter: &[],
    },
];

/// Changes the code in small ways and checks that a test fails for each change.
///
/// Fails if a change that no test notices is not listed with a reason in
/// `.cargo/mutants.survivors.txt`.
///
/// Arguments: names of groups (default: all), `--explore` (the group `machine` is also tested by
/// the exploration), and after them arguments of cargo-mutants, for example `--shard 0/8` or
/// `--file crates/auth-core/src/machine/backoff.rs`, which replaces the files of the group.
pub(crate) fn run(arguments: &[String]) -> Result {
    let arguments = arguments
        .strip_prefix(&[String::from("--")])
        .unwrap_or(arguments);
    let named = arguments
        .iter()
        .take_while(|argument| !argument.starts_with('-'))
        .count();
    let (names, options) = arguments.split_at(named);
    if let Some(unknown) = names.iter().find(|name| group(name).is_none()) {
        return Err(format!("unknown group `{unknown}`; there are: {}", all_names()).into());
    }
    let (explore, options): (Vec<_>, Vec<_>) =
        options.iter().partition(|option| *option == "--explore");
    if !find_or_install()? {
        return Ok(());
    }

    let survivors = Survivors::load()?;
    let mut unlisted = Vec::new();
    for group in GROUPS {
        // A file of `auth-core` belongs to the group `machine` only.
        if !(names.is_empty() || names.iter().any(|name| name == group.name)) {
            continue;
        }
        let found = group.test(&options, !explore.is_empty())?;
        println!("{}", found.figures(group.name));
        for name in survivors.outdated(&found.missed, &found.caught) {
            println!("  now caught, remove from the list: {name}");
        }
        unlisted.extend(survivors.unlisted(&found.missed));
    }
    if unlisted.is_empty() {
        return Ok(());
    }
    for name in &unlisted {
        println!("  not noticed by a test: {name}");
    }
    Err(format!(
        "{} changes are not noticed by a test; add a test, or a line with a reason to {}",
        unlisted.len(),
        survivors::FILE
    )
    .into())
}

/// Returns the results of the last run of each group, or nothing if there was none.
pub(crate) fn last() -> Result<Option<Ran>> {
    let survivors = Survivors::load()?;
    let mut lines = Vec::new();
    for group in &GROUPS {
        let folder = place(group.name)?.join("mutants.out");
        if !folder.join("caught.txt").exists() {
            continue;
        }
        let found = Found::load(&folder)?;
        let date = output(
            Command::new("date")
                .args(["-u", "+%Y-%m-%d %H:%M UTC", "-r"])
                .arg(folder.join("caught.txt")),
        )?;
        let unlisted = survivors.unlisted(&found.missed).len();
        lines.push(serde_json::json!({
            "kind": "mutants",
            "group": group.name,
            "date": date.trim(),
            "score": found.score(),
            "caught": found.caught.len(),
            "timeouts": found.timeouts,
            "missed": found.missed.len(),
            "listed": found.missed.len() - unlisted,
            "unviable": found.unviable,
        }));
    }
    if lines.is_empty() {
        return Ok(None);
    }
    let passed = lines.iter().all(|line| line["missed"] == line["listed"]);
    Ran::of_lines(lines, passed).map(Some)
}

impl Group {
    fn test(&self, options: &[&String], explore: bool) -> Result<Found> {
        let place = place(self.name)?;
        fs::create_dir_all(&place)?;
        let mut command = cargo(&["mutants", "--no-shuffle", "--colors=never"])?;
        command
            .args(["--package", self.package])
            .arg("--output")
            .arg(&place);
        let is_file = |option: &&String| {
            let name = option.split('=').next();
            matches!(name, Some("--file" | "-f"))
        };
        if !options.iter().any(is_file) {
            self.files.iter().for_each(|file| {
                command.args(["--file", file]);
            });
        }
        command.args(options);
        for target in self.targets {
            command.arg(format!("--cargo-arg={target}"));
        }
        if !(explore || self.filter.is_empty()) {
            // The first ends cargo-mutants' arguments, the second those of cargo test.
            command.args(["--", "--"]).args(self.filter);
        }
        let result = execute(&mut command);
        let found = Found::load(&place.join("mutants.out"))?;
        // cargo-mutants also fails when it found survivors. Everything else is an error.
        match result {
            Err(error) if found.missed.is_empty() && found.timeouts == 0 => Err(error),
            _ => Ok(found),
        }
    }
}

/// What a run of cargo-mutants found. Names have no line numbers.
struct Found {
    caught: Vec<String>,
    missed: Vec<String>,
    timeouts: usize,
    unviable: usize,
}

impl Found {
    fn load(folder: &Path) -> Result<Self> {
        let names = |file: &str| -> Result<Vec<String>> {
            let text = fs::read_to_string(folder.join(file))
                .map_err(|error| format!("{}: {error}", folder.join(file).display()))?;
            Ok(text.lines().map(without_place).collect())
        };
        Ok(Self {
            caught: names("caught.txt")?,
            missed: names("missed.txt")?,
            timeouts: names("timeout.txt")?.len(),
            unviable: names("unviable.txt")?.len(),
        })
    }

    /// Counts a time-out as caught, and leaves out what does not compile.
    fn score(&self) -> String {
        let caught = self.caught.len() + self.timeouts;
        match caught + self.missed.len() {
            0 => String::from("none"),
            judged => format!("{:.1} %", caught as f64 * 100.0 / judged as f64),
        }
    }

    fn figures(&self, group: &str) -> String {
        let score = self.score();
        let mut text = format!(
            "{group}: score {score}: {} caught, {} time-outs, {} missed, {} do not compile",
            self.caught.len(),
            self.timeouts,
            self.missed.len(),
            self.unviable,
        );
        let mut files = BTreeMap::<&str, (usize, usize)>::new();
        for name in &self.caught {
            files.entry(file_of(name)).or_default().0 += 1;
        }
        for name in &self.missed {
            files.entry(file_of(name)).or_default().1 += 1;
        }
        for (file, (caught, missed)) in files {
            text += &format!("\n  {file}: {caught} caught, {missed} missed");
        }
        text
    }
}

fn file_of(name: &str) -> &str {
    name.split(": ").next().unwrap_or(name)
}

fn place(group: &str) -> Result<PathBuf> {
    Ok(root()?.join("target/mutants").join(group))
}

fn group(name: &str) -> Option<&'static Group> {
    const { &GROUPS }.iter().find(|group| group.name == name)
}

fn all_names() -> String {
    GROUPS.map(|group| group.name).join(", ")
}

/// Tells whether cargo-mutants is installed now. Prints why not.
fn find_or_install() -> Result<bool> {
    let mut version = cargo(&["mutants", "--version"])?;
    let is_installed = version
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    if is_installed {
        return Ok(true);
    }
    if let Err(error) = execute(&mut cargo(&["install", "cargo-mutants", "--locked"])?) {
        println!("not run: mutants: cargo-mutants is missing, and was not installed: {error}");
        return Ok(false);
    }
    Ok(true)
}
