//! The result of a part, kept in `target/report`.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Instant,
};

use serde_json::{Value, json};

use crate::{
    Result,
    cargo::{output, root},
    report::FILE,
};

/// When and of what commit a part ran, and the figures that it wrote.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Ran {
    pub(crate) date: String,
    pub(crate) commit: String,
    pub(crate) seconds: u64,
    pub(crate) passed: bool,
    /// Why the part did not run, or empty.
    pub(crate) not_run: String,
    pub(crate) lines: Vec<Value>,
}

impl Ran {
    /// Runs a part. `run` gets the file for figures. A part whose run fails has figures too.
    #[expect(clippy::disallowed_methods, reason = "measures how long a part takes")]
    pub(crate) fn of(name: &str, run: impl FnOnce(&Path) -> Result) -> Result<Self> {
        let file = folder()?.join(format!("{name}.jsonl"));
        fs::create_dir_all(folder()?)?;
        fs::write(&file, "")?;
        let begun = Instant::now();
        let result = run(&file);
        if let Err(error) = &result {
            println!("{name}: {error}");
        }
        Ok(Self {
            seconds: begun.elapsed().as_secs(),
            passed: result.is_ok(),
            lines: parse(&fs::read_to_string(&file)?)?,
            ..Self::now()?
        })
    }

    /// Runs a command that appends its figures to the file that [`FILE`] names.
    pub(crate) fn of_command(name: &str, command: &mut Command) -> Result<Self> {
        Self::of(name, |file| crate::cargo::run(command.env(FILE, file)))
    }

    /// Makes a result of figures that another command has left.
    pub(crate) fn of_lines(lines: Vec<Value>, passed: bool) -> Result<Self> {
        Ok(Self {
            passed,
            lines,
            ..Self::now()?
        })
    }

    pub(crate) fn not_run(why: &str) -> Result<Self> {
        Ok(Self {
            not_run: why.to_owned(),
            ..Self::now()?
        })
    }

    fn now() -> Result<Self> {
        let date = output(Command::new("date").args(["-u", "+%Y-%m-%d %H:%M UTC"]))?;
        let git =
            |arguments: &[&str]| output(Command::new("git").args(arguments).current_dir(root()?));
        let mut commit = git(&["rev-parse", "--short=10", "HEAD"])?.trim().to_owned();
        if !git(&["status", "--porcelain", "--untracked-files=no"])?.is_empty() {
            commit.push_str(" and changes");
        }
        Ok(Self {
            date: date.trim().to_owned(),
            commit,
            seconds: 0,
            passed: false,
            not_run: String::new(),
            lines: Vec::new(),
        })
    }

    /// Reads the last result of a part.
    pub(crate) fn load(name: &str) -> Result<Option<Self>> {
        match fs::read_to_string(folder()?.join(format!("{name}.json"))) {
            Ok(text) => Ok(Some(Self::from_json(&serde_json::from_str(&text)?))),
            Err(_) => Ok(None),
        }
    }

    /// Keeps the result of a part.
    pub(crate) fn write(&self, name: &str) -> Result {
        let file = folder()?.join(format!("{name}.json"));
        fs::create_dir_all(folder()?)?;
        fs::write(file, serde_json::to_string_pretty(&self.to_json())?)?;
        Ok(())
    }

    pub(crate) fn to_json(&self) -> Value {
        json!({
            "date": self.date,
            "commit": self.commit,
            "seconds": self.seconds,
            "passed": self.passed,
            "not_run": self.not_run,
            "lines": self.lines,
        })
    }

    pub(crate) fn from_json(json: &Value) -> Self {
        let text = |name: &str| json[name].as_str().unwrap_or_default().to_owned();
        Self {
            date: text("date"),
            commit: text("commit"),
            seconds: json["seconds"].as_u64().unwrap_or_default(),
            passed: json["passed"].as_bool().unwrap_or_default(),
            not_run: text("not_run"),
            lines: json["lines"].as_array().cloned().unwrap_or_default(),
        }
    }
}

/// Parses one object a line.
pub(crate) fn parse(text: &str) -> Result<Vec<Value>> {
    text.lines()
        .map(|line| serde_json::from_str(line).map_err(Into::into))
        .collect()
}

fn folder() -> Result<PathBuf> {
    Ok(root()?.join("target/report"))
}
