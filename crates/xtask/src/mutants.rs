use std::{
    collections::HashSet,
    fs,
    process::{Command, Stdio},
};

use crate::{
    Result,
    cargo::{cargo, output, root, run as execute},
};

mod ledger;
mod score;
mod survivors;
mod tree;

use ledger::{Ledger, Verdict};
use score::{Score, Scores};
use survivors::{Survivors, without_place};
use tree::Tree;

/// Some files, and the tests that must fail when one of the files is changed.
struct Group {
    name: &'static str,
    package: &'static str,
    /// Beginnings of paths: a file, or a folder with `/` at its end.
    paths: &'static [&'static str],
    /// Files of these folders belong to another group.
    except: &'static [&'static str],
    /// Each tests what all before it missed. The first are the fastest.
    stages: &'static [Stage],
}

/// Tests of one build.
struct Stage {
    name: &'static str,
    /// The package of the tests.
    package: &'static str,
    /// Arguments of `cargo test`, which also limit what is built.
    targets: &'static [&'static str],
    /// Arguments of the test programs.
    filter: &'static [&'static str],
    /// The build optimizes, for tests that compute much.
    optimized: bool,
}

const GROUPS: [Group; 4] = [
    Group {
        name: "machine",
        package: "auth-core",
        paths: &["crates/auth-core/src/machine/"],
        except: &["crates/auth-core/src/machine/explore/"],
        stages: &[
            Stage {
                name: "unit tests",
                package: "auth-core",
                targets: &["--lib"],
                filter: &["machine::", "--skip", "machine::explore::"],
                optimized: false,
            },
            Stage {
                name: "small worlds",
                package: "auth-core",
                targets: &["--lib"],
                // Those with less than 20,000 states and all kinds of moves: seconds.
                filter: &[
                    "explore::worlds::g04_one_process",
                    "explore::worlds::g07_two_processes_survive",
                    "explore::worlds::g11_renewals",
                    "explore::worlds::g17_a_refresh_token",
                    "explore::worlds::g20",
                    "explore::worlds::t16",
                ],
                optimized: false,
            },
            Stage {
                name: "all worlds",
                package: "auth-core",
                targets: &["--lib"],
                filter: &[],
                optimized: true,
            },
        ],
    },
    Group {
        name: "core",
        package: "auth-core",
        paths: &["crates/auth-core/src/"],
        except: &["crates/auth-core/src/machine/"],
        stages: &[Stage {
            name: "unit tests",
            package: "auth-core",
            targets: &["--lib", "--tests"],
            filter: &["--skip", "machine::"],
            optimized: false,
        }],
    },
    Group {
        name: "layer",
        package: "auth-tower",
        paths: &["crates/auth-tower/src/"],
        except: &[],
        stages: &[Stage {
            name: "all tests",
            package: "auth-tower",
            targets: &["--lib", "--tests"],
            filter: &[],
            optimized: false,
        }],
    },
    Group {
        name: "reply",
        package: "auth-oauth2",
        paths: &[
            "crates/auth-oauth2/src/response.rs",
            "crates/auth-oauth2/src/response/",
        ],
        except: &[],
        stages: &[Stage {
            name: "unit tests",
            package: "auth-oauth2",
            targets: &["--lib"],
            filter: &[],
            optimized: false,
        }],
    },
];

/// The lowest score of a group, in percent.
const LOWEST: f64 = 95.0;

/// Changes the code in small ways and checks that a test fails for each change.
///
/// Fails if a group's score is below [`LOWEST`], or if a change that no test notices is not listed
/// with a reason in `.cargo/mutants.survivors.txt`. A listed change counts as missed in the score.
///
/// Arguments: names of groups (default: all), then options: `--file PATH` (may be repeated; each
/// applies to the group of the file), `--shard K/N` (of N parts the one with the number K, from
/// 0), `--fresh` (forget what earlier runs found), `--score` (run nothing, print what is known).
///
/// What is found is kept in `target/mutants/GROUP`: a second run continues after an interruption,
/// and repeats the mutants of changed files and those that were missed before the last change of
/// any file.
pub(crate) fn run(arguments: &[String]) -> Result {
    let options = Options::parse(arguments)?;
    if !find_or_install()? {
        return Ok(());
    }
    let tree = Tree::update()?;
    let survivors = Survivors::load()?;
    let (mut total, mut errors) = (Score::default(), Vec::new());
    for group in &GROUPS {
        if !options.wants(group) {
            continue;
        }
        let (ledger, all) = group.test(&options, &tree)?;
        let last = group.stages.len() - 1;
        let names = |wanted: &dyn Fn(Verdict) -> bool| -> Vec<String> {
            let names = all.iter();
            names
                .filter(|name| ledger.verdict(name).is_some_and(wanted))
                .map(|name| without_place(name))
                .collect()
        };
        let missed = names(&|verdict| verdict == Verdict::Missed(last));
        let caught = names(&|verdict| matches!(verdict, Verdict::Caught | Verdict::TimedOut));
        let unlisted = survivors.unlisted(&missed);

        let scores = Scores::of(&ledger, &all, last);
        let score = scores.total(missed.len() - unlisted.len());
        println!("{}: {}", group.name, score.text());
        scores.print();
        scores.write(group.name, score)?;
        total = total.plus(score);
        for name in survivors.outdated(&missed, &caught) {
            println!("  now caught, remove from the list: {name}");
        }
        for name in &unlisted {
            println!("  not noticed by a test: {name}");
        }
        if !unlisted.is_empty() {
            errors.push(format!(
                "{}: {} changes are not noticed by a test; add a test, or a line with a reason to {}",
                group.name,
                unlisted.len(),
                survivors::FILE
            ));
        }
        if score.percent().is_some_and(|percent| percent < LOWEST) {
            errors.push(format!(
                "{}: the score is below {LOWEST} %; add tests",
                group.name
            ));
        }
    }
    println!("total: {}", total.text());
    if errors.is_empty() {
        return Ok(());
    }
    Err(errors.join("\n").into())
}

struct Options {
    groups: Vec<String>,
    files: Vec<String>,
    shard: Option<(usize, usize)>,
    fresh: bool,
    only_score: bool,
}

impl Options {
    fn parse(arguments: &[String]) -> Result<Self> {
        let mut options = Self {
            groups: Vec::new(),
            files: Vec::new(),
            shard: None,
            fresh: false,
            only_score: false,
        };
        let mut arguments = arguments.iter().map(String::as_str);
        while let Some(argument) = arguments.next() {
            let mut value = || {
                let value = arguments.next();
                value.ok_or_else(|| format!("`{argument}` needs a value"))
            };
            match argument {
                "--" => {}
                "--file" => options.files.push(value()?.to_owned()),
                "--shard" => options.shard = Some(shard(value()?)?),
                "--fresh" => options.fresh = true,
                "--score" => options.only_score = true,
                name if GROUPS.iter().any(|group| group.name == name) => {
                    options.groups.push(name.to_owned());
                }
                other => {
                    let groups = GROUPS.map(|group| group.name).join(", ");
                    return Err(format!(
                        "unknown argument `{other}`; groups are: {groups}; options are: --file PATH, --shard K/N, --fresh, --score"
                    )
                    .into());
                }
            }
        }
        if let Some(file) = options
            .files
            .iter()
            .find(|file| !GROUPS.iter().any(|group| group.has(file)))
        {
            return Err(format!("no group has the file `{file}`").into());
        }
        Ok(options)
    }

    fn wants(&self, group: &Group) -> bool {
        let is_named = self.groups.is_empty() || self.groups.iter().any(|it| it == group.name);
        is_named && (self.files.is_empty() || self.files.iter().any(|file| group.has(file)))
    }

    fn selects(&self, number: usize, file: &str) -> bool {
        let is_file = self.files.is_empty() || self.files.iter().any(|it| it == file);
        is_file
            && self
                .shard
                .is_none_or(|(part, parts)| number % parts == part)
    }
}

fn shard(text: &str) -> Result<(usize, usize)> {
    let parse = || {
        let (part, parts) = text.split_once('/')?;
        let (part, parts) = (part.parse().ok()?, parts.parse().ok()?);
        (part < parts).then_some((part, parts))
    };
    parse().ok_or_else(|| format!("`--shard {text}`: expected K/N, for example 0/8").into())
}

impl Group {
    fn has(&self, file: &str) -> bool {
        let begins = |path: &&str| file.starts_with(*path);
        self.paths.iter().any(begins) && !self.except.iter().any(begins)
    }

    /// Returns what is known after the run, and the names of all mutants of the group.
    fn test(&self, options: &Options, tree: &Tree) -> Result<(Ledger, Vec<String>)> {
        let folder = root()?.join("target/mutants").join(self.name);
        if options.fresh && folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        let all = self.all(tree)?;
        let mut ledger = Ledger::load(folder, tree)?;
        ledger.save(tree, None)?;
        for (number, stage) in self.stages.iter().enumerate() {
            let wanted: HashSet<&str> = all
                .iter()
                .enumerate()
                .filter(|(index, name)| options.selects(*index, survivors::file_of(name)))
                .filter(|(_, name)| ledger.needs(name, number))
                .map(|(_, name)| name.as_str())
                .collect();
            if wanted.is_empty() || options.only_score {
                continue;
            }
            println!("{}: {}: {} mutants", self.name, stage.name, wanted.len());
            ledger.start(number, &wanted, &all, tree)?;
            let mut command = self.mutants(tree)?;
            command.arg("--output").arg(ledger.folder());
            stage.configure(&mut command);
            let result = execute(&mut command);
            ledger.absorb(number)?;
            ledger.save(tree, None)?;
            // cargo-mutants also fails when it found survivors.
            let left = wanted.iter().filter(|name| ledger.needs(name, number));
            match (left.count(), result) {
                (0, _) | (_, Ok(())) => {}
                (_, Err(error)) => return Err(error),
            }
        }
        Ok((ledger, all))
    }

    /// Returns the names of all mutants.
    fn all(&self, tree: &Tree) -> Result<Vec<String>> {
        let names = output(self.mutants(tree)?.arg("--list"))?;
        Ok(names.lines().map(str::to_owned).collect())
    }

    fn mutants(&self, tree: &Tree) -> Result<Command> {
        let mut command = cargo(&["mutants", "--no-shuffle", "--colors=never"])?;
        command
            .env("CARGO_TARGET_DIR", root()?.join("target/mutants/build"))
            .arg("--dir")
            .arg(&tree.path)
            .args(["--package", self.package]);
        let glob = |path: &str| match path.strip_suffix('/') {
            Some(folder) => format!("{folder}/**/*.rs"),
            None => path.to_owned(),
        };
        for path in self.paths {
            command.arg("--file").arg(glob(path));
        }
        for path in self.except {
            command.arg("--exclude").arg(glob(path));
        }
        Ok(command)
    }
}

impl Stage {
    /// Adds arguments of cargo-mutants, then those of the tests.
    fn configure(&self, command: &mut Command) {
        // The build of a mutant compiles one crate, and most of it is known from the build before.
        command
            .env("CARGO_INCREMENTAL", "1")
            .env("CARGO_PROFILE_DEV_DEBUG", "0")
            .env("CARGO_PROFILE_TEST_DEBUG", "0");
        if self.optimized {
            command
                .env("CARGO_PROFILE_DEV_OPT_LEVEL", "1")
                .env("CARGO_PROFILE_TEST_OPT_LEVEL", "1");
        }
        command
            .args(["--in-place", "--iterate"])
            .args(["--test-package", self.package]);
        for target in self.targets {
            command.arg(format!("--cargo-arg={target}"));
        }
        if !self.filter.is_empty() {
            // The first ends cargo-mutants' arguments, the second those of cargo test.
            command.args(["--", "--"]).args(self.filter);
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str]) -> Result<Options> {
        let arguments: Vec<String> = arguments.iter().map(|it| (*it).to_owned()).collect();
        Options::parse(&arguments)
    }

    fn wanted(arguments: &[&str]) -> Vec<&'static str> {
        let options = parse(arguments).unwrap();
        let groups = GROUPS.iter().filter(|group| options.wants(group));
        groups.map(|group| group.name).collect()
    }

    #[test]
    fn a_file_applies_to_its_group_only() {
        assert_eq!(wanted(&[]), ["machine", "core", "layer", "reply"]);
        assert_eq!(wanted(&["reply", "layer"]), ["layer", "reply"]);
        let cases = [
            ("crates/auth-core/src/machine/backoff.rs", "machine"),
            ("crates/auth-core/src/clock.rs", "core"),
            ("crates/auth-tower/src/lib.rs", "layer"),
            ("crates/auth-oauth2/src/response.rs", "reply"),
        ];
        for (file, group) in cases {
            assert_eq!(wanted(&["--file", file]), [group]);
        }
        assert!(wanted(&["layer", "--file", "crates/auth-core/src/clock.rs"]).is_empty());
    }

    #[test]
    fn the_parts_of_a_group_are_disjoint_and_complete() {
        let parts = ["0/3", "1/3", "2/3"].map(|it| parse(&["--shard", it]).unwrap());
        for number in 0..10 {
            let owners = parts.iter().filter(|it| it.selects(number, "a.rs")).count();
            assert_eq!(owners, 1, "{number}");
        }
    }

    #[test]
    fn unknown_arguments_are_errors() {
        let all: [&[&str]; 6] = [
            &["other"],
            &["--file"],
            &["--file", "other.rs"],
            &["--shard", "3"],
            &["--shard", "3/3"],
            &["--jobs", "2"],
        ];
        for arguments in all {
            assert!(parse(arguments).is_err(), "{arguments:?}");
        }
    }
}
