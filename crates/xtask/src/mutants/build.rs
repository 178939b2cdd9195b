use std::{
    collections::BTreeSet,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, SystemTime},
};

use serde_json::Value;

use super::{ledger::Verdict, stage::Stage};
use crate::{
    Result,
    cargo::{cargo, root},
};

/// The environment variable that chooses a mutant. The added function of the mutated crate reads
/// the variable.
pub(super) const VARIABLE: &str = "MUTANT";

/// The test programs of a stage.
pub(super) struct Programs {
    programs: Vec<Program>,
    filter: &'static [&'static str],
    limit: Duration,
}

struct Program {
    path: PathBuf,
    /// The directory of the package, as with `cargo test`.
    directory: PathBuf,
}

/// What a build found.
pub(super) enum Built {
    Programs(Programs),
    /// Places of the errors in files of the workspace: file and line. `text` is all that the
    /// compiler said.
    Errors {
        places: BTreeSet<(String, usize)>,
        text: String,
    },
}

/// Builds the tests of a stage in a copy of the workspace.
pub(super) fn build(tree: &Path, stage: &Stage) -> Result<Built> {
    let mut command = cargo(&[
        "test",
        "--no-run",
        "--locked",
        "--all-features",
        "--message-format=json",
        "--package",
        stage.package,
    ])?;
    command
        .current_dir(tree)
        .args(stage.targets)
        .env("CARGO_TARGET_DIR", root()?.join("target/mutants/build"))
        // The build of a mutant compiles one crate, and most of it is known from the build before.
        .env("CARGO_INCREMENTAL", "1")
        .stderr(Stdio::null());
    for profile in ["DEV", "TEST"] {
        command
            .env(format!("CARGO_PROFILE_{profile}_DEBUG"), "0")
            // One build, but the tests run for each mutant.
            .env(format!("CARGO_PROFILE_{profile}_OPT_LEVEL"), "1");
    }
    let output = command.output()?;
    let messages = String::from_utf8_lossy(&output.stdout).into_owned();
    let (mut programs, mut places, mut text) = (Vec::new(), BTreeSet::new(), String::new());
    for line in messages.lines() {
        let Ok(message) = serde_json::from_str::<Value>(line) else {
            continue;
        };
        if let Some(path) = message["executable"].as_str() {
            let manifest = Path::new(message["manifest_path"].as_str().unwrap_or_default());
            programs.push(Program {
                path: path.into(),
                directory: manifest.parent().unwrap_or(tree).to_owned(),
            });
        }
        let message = &message["message"];
        if message["level"] == "error" {
            text += message["rendered"].as_str().unwrap_or_default();
            let spans = message["spans"].as_array().into_iter().flatten();
            let primary = spans.filter(|span| span["is_primary"] == true);
            places.extend(primary.filter_map(place));
        }
    }
    if !output.status.success() {
        return Ok(Built::Errors { places, text });
    }
    Ok(Built::Programs(Programs {
        programs,
        filter: stage.filter,
        limit: Duration::MAX,
    }))
}

/// Returns file and line of a span. An error inside a macro is at the call of the macro.
fn place(span: &Value) -> Option<(String, usize)> {
    let mut span = span;
    while !span["expansion"].is_null() {
        span = &span["expansion"]["span"];
    }
    let line = usize::try_from(span["line_start"].as_u64()?).ok()?;
    Some((span["file_name"].as_str()?.to_owned(), line))
}

impl Programs {
    /// Runs the tests without a mutant, repeatedly: a test that fails now and then would notice
    /// mutants that no test notices. Their duration limits that of later runs.
    pub(super) fn check(&mut self) -> Result {
        let start = SystemTime::UNIX_EPOCH.elapsed()?;
        for runs in 1..=CHECKS {
            if let Some(verdict) = self.test(0)? {
                return Err(
                    format!("the tests fail without a mutant, in run {runs}: {verdict:?}").into(),
                );
            }
            let took = SystemTime::UNIX_EPOCH.elapsed()?.saturating_sub(start);
            self.limit = (took / runs * TIMES).max(SHORTEST);
            if took > CHECKS_TAKE {
                break;
            }
        }
        Ok(())
    }

    /// For programs that contain only their mutant, and cannot be checked.
    pub(super) fn limited(self) -> Self {
        let limit = ALONE;
        Self { limit, ..self }
    }

    /// Runs the tests with a mutant. `None`: they pass.
    pub(super) fn test(&self, mutant: usize) -> Result<Option<Verdict>> {
        for program in &self.programs {
            let verdict = program.run(mutant, self.filter, self.limit)?;
            if verdict.is_some() {
                return Ok(verdict);
            }
        }
        Ok(None)
    }
}

impl Program {
    fn run(&self, mutant: usize, filter: &[&str], limit: Duration) -> Result<Option<Verdict>> {
        let mut child = Command::new(&self.path)
            .current_dir(&self.directory)
            .args(filter)
            .env("CARGO_MANIFEST_DIR", &self.directory)
            .env(VARIABLE, mutant.to_string())
            // A function with all its mutants needs more stack.
            .env("RUST_MIN_STACK", "67108864")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let stdout = child.stdout.take().ok_or("no standard output")?;
        let (tell, told) = mpsc::channel();
        // One failed test is enough: the others are not waited for.
        let reader = thread::spawn(move || {
            let lines = BufReader::new(stdout).lines().map_while(|line| line.ok());
            for line in lines {
                if line.ends_with("FAILED") && tell.send(()).is_err() {
                    return;
                }
            }
        });
        let verdict = match told.recv_timeout(limit) {
            Ok(()) => Some(Verdict::Caught),
            Err(mpsc::RecvTimeoutError::Timeout) => Some(Verdict::TimedOut),
            // The program has ended, or will in a moment.
            Err(mpsc::RecvTimeoutError::Disconnected) => {
                let passed = child.wait()?.success();
                (!passed).then_some(Verdict::Caught)
            }
        };
        if verdict.is_some() {
            // Fails if the program has ended.
            child.kill().unwrap_or_default();
        }
        child.wait()?;
        drop(told);
        reader
            .join()
            .map_err(|_| "the reader of the output panicked")?;
        Ok(verdict)
    }
}

/// How often the tests run without a mutant, unless they take longer than [`CHECKS_TAKE`].
const CHECKS: u32 = 20;
const CHECKS_TAKE: Duration = Duration::from_secs(60);
/// A mutant that takes this many times the duration of the unchanged tests loops forever.
const TIMES: u32 = 10;
const SHORTEST: Duration = Duration::from_secs(30);
const ALONE: Duration = Duration::from_secs(600);
