mod build;

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf, absolute},
};

use serde_json::json;

use crate::{
    Result, apt, cargo,
    costs::{self, figures::Figures},
};

/// The program that counts instructions and allocations.
const VALGRIND: &str = "valgrind";

/// The packages with benches. Each is built by itself, because features that one enables in shared
/// dependencies must not change the figures of the other. The last list is that of the programs
/// that count.
const PACKAGES: [(&[&str], &[&str]); 2] = [
    (
        &["--package=auth-tower"],
        &["--bench=per_request", "--bench=clients"],
    ),
    (
        &["--package=auth-reqwest", "--features=middleware"],
        &["--bench=clients"],
    ),
];

/// Runs all benches and prints a table of goals. Fails if a figure misses its limit, or if a row of
/// the table was not measured.
///
/// - `--json FILE` writes the figures to this file, one object per line. Default:
///   `target/bench.json`.
/// - `--page` also writes the page "Costs" of auth-tower's documentation. The programs that count
///   run twice, and the page says whether their counts are the same.
/// - `--from FILE` runs nothing and reads the figures from this file.
pub(crate) fn run(arguments: &[String]) -> Result {
    let arguments = Arguments::parse(arguments)?;
    let mut results = Vec::new();
    let file = match arguments.from {
        Some(file) => file,
        None => {
            let file = new_file(
                arguments
                    .json
                    .as_deref()
                    .unwrap_or(Path::new("target/bench.json")),
            )?;
            results.push(valgrind());
            results.extend(measure(&file, Programs::All));
            results.push(build::measure().and_then(|lines| append(&file, &lines)));
            if arguments.page {
                results.push(repeat(&file));
            }
            file
        }
    };
    let figures = Figures::parse(&fs::read_to_string(&file)?)?;
    results.push(costs::print(&figures));
    if arguments.page {
        results.push(costs::write(&figures));
    }
    let errors = results.into_iter().filter_map(Result::err);
    let errors: Vec<_> = errors.map(|error| error.to_string()).collect();
    if errors.is_empty() {
        return Ok(());
    }
    Err(errors.join("\n").into())
}

#[derive(Debug, Default, PartialEq)]
struct Arguments {
    json: Option<PathBuf>,
    from: Option<PathBuf>,
    page: bool,
}

impl Arguments {
    fn parse(arguments: &[String]) -> Result<Self> {
        let mut parsed = Self::default();
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            let mut file = || -> Result<Option<PathBuf>> {
                let file = rest
                    .next()
                    .ok_or_else(|| format!("{argument} lacks its file"))?;
                Ok(Some(PathBuf::from(file)))
            };
            match argument.as_str() {
                "--json" => parsed.json = file()?,
                "--from" => parsed.from = file()?,
                "--page" => parsed.page = true,
                other => {
                    let known = "`--json FILE`, `--page` and `--from FILE`";
                    return Err(format!("unknown argument {other}; known are {known}").into());
                }
            }
        }
        if parsed.json.is_some() && parsed.from.is_some() {
            return Err("`--json` and `--from` exclude each other".into());
        }
        Ok(parsed)
    }
}

/// Makes sure that valgrind is installed. Without it, the programs say that they counted nothing.
fn valgrind() -> Result {
    if apt::on_path(VALGRIND) {
        return Ok(());
    }
    apt::install(&[VALGRIND]).map_err(|error| {
        let by_hand = apt::by_hand(&[VALGRIND]);
        format!("valgrind is missing ({error}): install it, on Debian by `{by_hand}`").into()
    })
}

#[derive(Clone, Copy, PartialEq)]
enum Programs {
    All,
    /// Only those that count instructions.
    Counting,
}

/// Runs the programs, also if one of them fails.
fn measure(file: &Path, programs: Programs) -> Vec<Result> {
    let results = PACKAGES.iter().map(|(package, counting)| {
        let mut command = cargo::cargo(&["bench", "--locked"])?;
        command.args(*package);
        if programs == Programs::Counting {
            command.args(*counting);
        }
        command.args(["--no-fail-fast", "--", "--json"]).arg(file);
        cargo::run(&mut command)
    });
    results.collect()
}

/// Counts a second time, and records how well the counts agree.
fn repeat(file: &Path) -> Result {
    let second = new_file(Path::new("target/bench-again.json"))?;
    // A program that misses a limit has counted nevertheless.
    let ran: Result = measure(&second, Programs::Counting).into_iter().collect();
    let read = |file: &Path| Figures::parse(&fs::read_to_string(file)?);
    let mut lines = String::new();
    for repeat in read(file)?.compare(&read(&second)?) {
        for (what, value) in [
            ("counts", f64::from(repeat.counts)),
            ("same", f64::from(repeat.same)),
            ("largest difference, %", repeat.most * 100.0),
        ] {
            let figure = format!("{}: {what}", repeat.bench);
            println!("{figure}: {value}");
            let line = json!({
                "bench": "repeat", "figure": figure, "value": value, "bound": "none",
            });
            lines.push_str(&format!("{line}\n"));
        }
    }
    append(file, &lines)?;
    ran
}

/// Makes an empty file, to which the programs append.
fn new_file(path: &Path) -> Result<PathBuf> {
    let file = absolute(path)?;
    fs::write(&file, "")?;
    Ok(file)
}

fn append(file: &Path, lines: &str) -> Result {
    let mut file = fs::OpenOptions::new().append(true).open(file)?;
    file.write_all(lines.as_bytes())?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str]) -> Result<Arguments> {
        let arguments: Vec<_> = arguments.iter().map(ToString::to_string).collect();
        Arguments::parse(&arguments)
    }

    #[test]
    fn arguments_may_come_in_any_order() {
        let expected = Arguments {
            json: Some(PathBuf::from("a")),
            from: None,
            page: true,
        };
        assert_eq!(parse(&["--page", "--json", "a"]).unwrap(), expected);
        assert_eq!(parse(&["--json", "a", "--page"]).unwrap(), expected);
    }

    #[test]
    fn wrong_arguments_are_errors() {
        for arguments in [
            &["--jsn", "a"][..],
            &["--json"],
            &["--json", "a", "--from", "b"],
        ] {
            assert!(parse(arguments).is_err(), "{arguments:?}");
        }
    }
}
