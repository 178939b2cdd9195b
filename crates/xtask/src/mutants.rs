use std::{
    collections::{BTreeMap, HashSet},
    fs,
    process::Stdio,
};

use crate::{
    Result,
    cargo::{cargo, output, root, run as execute},
    report::Ran,
};

mod build;
mod ledger;
mod mutant;
mod options;
mod score;
mod stage;
mod survivors;
mod tree;
mod woven;

use build::{Built, build};
use ledger::{Ledger, Verdict};
use mutant::Mutant;
use options::Options;
use score::{Score, Scores};
use stage::Stage;
use survivors::{Survivors, without_place};
use tree::Tree;
use woven::Woven;

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
            },
            Stage {
                name: "small worlds",
                package: "auth-core",
                targets: &["--lib"],
                // Together less than 150,000 states, with most kinds of moves: 2 s.
                filter: &[
                    "explore::worlds::g04_one_process",
                    "explore::worlds::g07_two_processes_survive",
                    "explore::worlds::g11_renewals",
                    "explore::worlds::g17_a_refresh_token",
                    "explore::worlds::g20",
                    "explore::worlds::t16",
                ],
            },
            Stage {
                name: "other unit tests",
                package: "auth-core",
                targets: &["--lib"],
                filter: &["--skip", "machine::"],
            },
            Stage {
                name: "worlds",
                package: "auth-core",
                targets: &["--lib"],
                // Without those of more than 100,000 states: 15 s.
                filter: &[
                    "explore::worlds",
                    "--skip",
                    "g07_one_process_tells_a_store",
                    "--skip",
                    "g07_two_processes_replace",
                    "--skip",
                    "g11_two_processes_keep",
                ],
            },
        ],
    },
    Group {
        name: "core",
        package: "auth-core",
        paths: &["crates/auth-core/src/"],
        except: &["crates/auth-core/src/machine/"],
        stages: &[
            Stage {
                name: "unit tests",
                package: "auth-core",
                targets: &["--lib", "--tests"],
                filter: &["--skip", "machine::"],
            },
            Stage {
                name: "layer",
                package: "auth-tower",
                targets: &["--test", "layer"],
                filter: &[],
            },
            Stage {
                name: "guarantees",
                package: "auth-workspace",
                targets: &["--test", "guarantees"],
                filter: &[],
            },
            Stage {
                name: "log",
                package: "auth-workspace",
                targets: &["--test", "leak"],
                filter: &[],
            },
        ],
    },
    Group {
        name: "layer",
        package: "auth-tower",
        paths: &["crates/auth-tower/src/"],
        except: &[],
        stages: &[
            Stage {
                name: "all tests",
                package: "auth-tower",
                targets: &["--lib", "--tests"],
                filter: &[],
            },
            Stage {
                name: "reqwest",
                package: "auth-reqwest",
                targets: &["--lib", "--tests"],
                filter: &[],
            },
        ],
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
/// 0), `--stages N` (only the first N stages of each group), `--fresh` (forget what earlier runs
/// found), `--score` (run nothing, print what is known).
///
/// cargo-mutants lists the changes. One build contains all of them, and the environment chooses one
/// for each run of the tests. A change that needs a separate build, as that of a constant, gets one.
///
/// What is found is kept in `target/mutants/GROUP.json`: a second run continues after an interruption,
/// and repeats the mutants of changed files and those that were missed before the last change of
/// any file.
pub(crate) fn run(arguments: &[String]) -> Result {
    let options = Options::parse(arguments)?;
    if !find_or_install()? {
        return Ok(());
    }
    let tree = Tree::new()?;
    let survivors = Survivors::load()?;
    let (mut total, mut errors) = (Score::default(), Vec::new());
    for group in &GROUPS {
        if !options.wants(group) {
            continue;
        }
        let (ledger, all) = group.test(&options, &tree)?;
        let last = options.stages_of(group).len() - 1;
        let names = |wanted: &dyn Fn(Verdict) -> bool| -> Vec<String> {
            let mutants = all.iter();
            mutants
                .filter(|mutant| ledger.verdict(&mutant.name).is_some_and(wanted))
                .map(|mutant| without_place(&mutant.name))
                .collect()
        };
        let missed = names(&|verdict| matches!(verdict, Verdict::Missed(stage) if stage >= last));
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

/// Returns the scores that the last runs wrote, or nothing if there was no run.
pub(crate) fn last() -> Result<Option<Ran>> {
    let mut lines = score::known()?;
    for line in &mut lines {
        line["kind"] = "mutants".into();
        let percent = line["percent"].as_f64();
        let score = percent.map_or_else(|| "none".into(), |percent| format!("{percent:.1} %"));
        line["score"] = score.into();
    }
    if lines.is_empty() {
        return Ok(None);
    }
    let passed = lines
        .iter()
        .all(|line| line["missed"] == line["listed"] && line["not_run"] == 0);
    Ran::of_lines(lines, passed).map(Some)
}

impl Group {
    fn has(&self, file: &str) -> bool {
        let begins = |path: &&str| file.starts_with(*path);
        self.paths.iter().any(begins) && !self.except.iter().any(begins)
    }

    /// Returns what is known after the run, and all mutants of the group.
    fn test(&self, options: &Options, tree: &Tree) -> Result<(Ledger, Vec<Mutant>)> {
        let place = root()?.join(format!("target/mutants/{}.json", self.name));
        if options.fresh && place.exists() {
            fs::remove_file(&place)?;
        }
        let all = self.all()?;
        let mut ledger = Ledger::load(place, tree)?;
        if options.only_score {
            return Ok((ledger, all));
        }
        let mut wanted: Vec<(usize, &Mutant)> = all
            .iter()
            .enumerate()
            .filter(|(index, mutant)| options.selects(*index, &mutant.file))
            // 0 stands for the unchanged code.
            .map(|(index, mutant)| (index + 1, mutant))
            .collect();
        let stages = 0..options.stages_of(self).len();
        wanted.retain(|(_, it)| stages.clone().any(|stage| ledger.needs(&it.name, stage)));
        let mut alone = Vec::new();
        for (number, mutant) in std::mem::take(&mut wanted) {
            let woven = Woven::new(tree.text(&mutant.file)?, &[(number, mutant)]);
            if woven.left.is_empty() {
                wanted.push((number, mutant));
            } else {
                alone.push(mutant);
            }
        }
        let runs = options
            .stages_of(self)
            .iter()
            .enumerate()
            .map(|(number, stage)| Run {
                group: self,
                tree,
                stage,
                number,
            });
        runs.clone()
            .try_for_each(|run| run.together(&mut wanted, &mut ledger))?;
        // Last, because their builds share little with the others.
        for mutant in alone {
            runs.clone()
                .try_for_each(|run| run.alone(mutant, &mut ledger))?;
        }
        Ok((ledger, all))
    }

    /// Returns all mutants.
    fn all(&self) -> Result<Vec<Mutant>> {
        let mut command = cargo(&["mutants", "--list", "--json", "--package", self.package])?;
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
        Mutant::parse_all(&output(&mut command)?)
    }
}

/// One stage of one group.
#[derive(Clone, Copy)]
struct Run<'a> {
    group: &'a Group,
    tree: &'a Tree,
    stage: &'a Stage,
    number: usize,
}

impl Run<'_> {
    /// Tests with one build for all mutants. Removes from `wanted` what does not compile. All others
    /// are in the build of each stage, so that stages with the same tests share a build.
    fn together(self, wanted: &mut Vec<(usize, &Mutant)>, ledger: &mut Ledger) -> Result {
        let needs = |mutant: &Mutant, ledger: &Ledger| ledger.needs(&mutant.name, self.number);
        let count = wanted.iter().filter(|it| needs(it.1, ledger)).count();
        if count == 0 {
            return Ok(());
        }
        println!("{}: {}: {count} mutants", self.group.name, self.stage.name);
        let mut programs = loop {
            let mut files = BTreeMap::<&str, Vec<(usize, &Mutant)>>::new();
            for (number, mutant) in wanted.iter() {
                files
                    .entry(&mutant.file)
                    .or_default()
                    .push((*number, mutant));
            }
            let mut woven = BTreeMap::new();
            for (file, mutants) in files {
                woven.insert(file, Woven::new(self.tree.text(file)?, &mutants));
            }
            let texts = woven
                .iter()
                .map(|(file, woven)| ((*file).to_owned(), woven.text.clone()));
            self.write(texts.collect())?;
            match build(&self.tree.path, self.stage)? {
                Built::Programs(programs) => break programs,
                Built::Errors { places, text } => {
                    let numbers: HashSet<_> = places
                        .iter()
                        .filter_map(|(file, line)| woven.get(file.as_str())?.at(*line))
                        .collect();
                    if numbers.is_empty() {
                        return Err(format!("the build fails without a mutant:\n{text}").into());
                    }
                    for (_, mutant) in wanted.iter().filter(|(it, _)| numbers.contains(it)) {
                        ledger.set(&mutant.name, Verdict::Unviable, self.tree);
                    }
                    println!("  {} do not compile", numbers.len());
                    ledger.save()?;
                    wanted.retain(|(number, _)| !numbers.contains(number));
                }
            }
        };
        programs.check()?;
        let mut tested: Vec<_> = wanted.clone();
        tested.retain(|(_, mutant)| needs(mutant, ledger));
        let mut missed = 0;
        for (index, (number, mutant)) in tested.iter().enumerate() {
            let verdict = programs.test(*number)?;
            missed += usize::from(verdict.is_none());
            self.judge(mutant, verdict, ledger)?;
            if (index + 1) % 50 == 0 || index + 1 == tested.len() {
                let count = tested.len();
                println!("  {} of {count} tested, {missed} missed", index + 1);
            }
        }
        Ok(())
    }

    /// Tests with a build for this mutant.
    fn alone(self, mutant: &Mutant, ledger: &mut Ledger) -> Result {
        if !ledger.needs(&mutant.name, self.number) {
            return Ok(());
        }
        println!("{}: {}: {}", self.group.name, self.stage.name, mutant.name);
        let text = woven::mutated(self.tree.text(&mutant.file)?, mutant);
        let text = text.ok_or_else(|| format!("{}: no such place", mutant.name))?;
        self.write(BTreeMap::from([(mutant.file.clone(), text)]))?;
        match build(&self.tree.path, self.stage)? {
            Built::Programs(programs) => {
                let verdict = programs.limited().test(0)?;
                self.judge(mutant, verdict, ledger)
            }
            Built::Errors { .. } => {
                ledger.set(&mutant.name, Verdict::Unviable, self.tree);
                ledger.save()
            }
        }
    }

    fn judge(self, mutant: &Mutant, verdict: Option<Verdict>, ledger: &mut Ledger) -> Result {
        let verdict = verdict.unwrap_or(Verdict::Missed(self.number));
        ledger.set(&mutant.name, verdict, self.tree);
        ledger.save()
    }

    /// Writes changed files, and adds to the crate the function that chooses the mutant.
    fn write(self, mut changed: BTreeMap<String, String>) -> Result {
        let lib = format!("crates/{}/src/lib.rs", self.group.package);
        let text = match changed.remove(&lib) {
            Some(text) => text,
            None => self.tree.text(&lib)?.to_owned(),
        };
        changed.insert(lib, text + &woven::chooser());
        self.tree.write(&changed)
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
