use std::{
    collections::{BTreeMap, HashSet},
    fs,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};

use super::{survivors::file_of, tree::Tree};
use crate::Result;

/// What is known of the mutants of a group. Survives interruptions and changes of other files.
pub(super) struct Ledger {
    folder: PathBuf,
    verdicts: BTreeMap<String, Verdict>,
}

/// What the tests said of a mutant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Caught,
    TimedOut,
    /// It does not compile.
    Unviable,
    /// No test noticed, up to the stage with this number.
    Missed(usize),
}

impl Ledger {
    /// Loads what is known, and what an interrupted run has found. Forgets the mutants of changed
    /// files, and all that were missed if any file has changed: a new test may notice them.
    pub(super) fn load(folder: PathBuf, tree: &Tree) -> Result<Self> {
        let mut ledger = Self {
            folder,
            verdicts: BTreeMap::new(),
        };
        let Ok(text) = fs::read_to_string(ledger.file()) else {
            return Ok(ledger);
        };
        let saved: Value = serde_json::from_str(&text)?;
        let verdicts = saved["mutants"].as_object().into_iter().flatten();
        for (name, verdict) in verdicts {
            if let Some(verdict) = Verdict::parse(verdict.as_str().unwrap_or_default()) {
                ledger.verdicts.insert(name.clone(), verdict);
            }
        }
        if let Some(stage) = saved["running"].as_u64() {
            ledger.absorb(usize::try_from(stage)?)?;
        }
        let is_same = saved["sources"].as_u64() == Some(tree.print());
        ledger.verdicts.retain(|name, verdict| {
            let file = file_of(name);
            saved["files"][file].as_u64() == Some(tree.print_of(file))
                && (is_same || !matches!(verdict, Verdict::Missed(_)))
        });
        Ok(ledger)
    }

    /// Saves what is known. `running`: the stage whose results are to be read after an
    /// interruption.
    pub(super) fn save(&self, tree: &Tree, running: Option<usize>) -> Result {
        let files: HashSet<&str> = self.verdicts.keys().map(|name| file_of(name)).collect();
        self.save_with(files, tree, running)
    }

    /// Prepares a run of cargo-mutants with `--iterate` that tests only `wanted`.
    pub(super) fn start(
        &self,
        stage: usize,
        wanted: &HashSet<&str>,
        all: &[String],
        tree: &Tree,
    ) -> Result {
        let out = self.out();
        if out.exists() {
            fs::remove_dir_all(&out)?;
        }
        fs::create_dir_all(&out)?;
        let skipped = all.iter().filter(|name| !wanted.contains(name.as_str()));
        let skipped: String = skipped.map(|name| format!("{name}\n")).collect();
        // cargo-mutants reads with `--iterate` what it need not repeat from this file.
        fs::write(out.join("previously_caught.txt"), skipped)?;
        let files = all.iter().map(|name| file_of(name)).collect();
        self.save_with(files, tree, Some(stage))
    }

    /// Takes over what cargo-mutants has written.
    pub(super) fn absorb(&mut self, stage: usize) -> Result {
        let lists = [
            ("caught.txt", Verdict::Caught),
            ("timeout.txt", Verdict::TimedOut),
            ("unviable.txt", Verdict::Unviable),
            ("missed.txt", Verdict::Missed(stage)),
        ];
        for (file, verdict) in lists {
            // Missing if the run was interrupted before the first mutant.
            let text = fs::read_to_string(self.out().join(file)).unwrap_or_default();
            for name in text.lines() {
                self.verdicts.insert(name.to_owned(), verdict);
            }
        }
        Ok(())
    }

    pub(super) fn verdict(&self, name: &str) -> Option<Verdict> {
        self.verdicts.get(name).copied()
    }

    /// Tells whether a stage has to test this mutant.
    pub(super) fn needs(&self, name: &str, stage: usize) -> bool {
        match self.verdict(name) {
            None => stage == 0,
            Some(Verdict::Missed(last)) => last + 1 == stage,
            Some(Verdict::Caught | Verdict::TimedOut | Verdict::Unviable) => false,
        }
    }

    fn save_with(&self, files: HashSet<&str>, tree: &Tree, running: Option<usize>) -> Result {
        let mutants = self.verdicts.iter();
        let mutants: BTreeMap<_, _> = mutants
            .map(|(name, verdict)| (name, verdict.text()))
            .collect();
        let files: BTreeMap<_, _> = files
            .into_iter()
            .map(|file| (file, tree.print_of(file)))
            .collect();
        let saved = json!({
            "sources": tree.print(),
            "files": files,
            "mutants": mutants,
            "running": running,
        });
        fs::create_dir_all(&self.folder)?;
        // Renamed, so that an interruption leaves the old file or the new one.
        let new = self.folder.join("ledger.json.new");
        fs::write(&new, serde_json::to_string_pretty(&saved)?)?;
        Ok(fs::rename(new, self.file())?)
    }

    fn file(&self) -> PathBuf {
        self.folder.join("ledger.json")
    }

    /// The output folder of cargo-mutants.
    fn out(&self) -> PathBuf {
        self.folder.join("mutants.out")
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }
}

impl Verdict {
    fn text(self) -> String {
        match self {
            Self::Caught => "caught".into(),
            Self::TimedOut => "timeout".into(),
            Self::Unviable => "unviable".into(),
            Self::Missed(stage) => format!("missed {stage}"),
        }
    }

    fn parse(text: &str) -> Option<Self> {
        match text.split_once(' ') {
            Some(("missed", stage)) => Some(Self::Missed(stage.parse().ok()?)),
            Some(_) => None,
            None => match text {
                "caught" => Some(Self::Caught),
                "timeout" => Some(Self::TimedOut),
                "unviable" => Some(Self::Unviable),
                _ => None,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ledger(verdicts: &[(&str, Verdict)]) -> Ledger {
        let verdicts = verdicts.iter().map(|(name, it)| ((*name).to_owned(), *it));
        Ledger {
            folder: PathBuf::new(),
            verdicts: verdicts.collect(),
        }
    }

    #[test]
    fn each_stage_tests_only_what_the_stage_before_missed() {
        let ledger = ledger(&[
            ("caught", Verdict::Caught),
            ("timeout", Verdict::TimedOut),
            ("unviable", Verdict::Unviable),
            ("missed once", Verdict::Missed(0)),
            ("missed twice", Verdict::Missed(1)),
        ]);
        let names = [
            "caught",
            "timeout",
            "unviable",
            "missed once",
            "missed twice",
            "new",
        ];
        let needs = |stage| names.map(|name| ledger.needs(name, stage));
        assert_eq!(needs(0), [false, false, false, false, false, true]);
        assert_eq!(needs(1), [false, false, false, true, false, false]);
        assert_eq!(needs(2), [false, false, false, false, true, false]);
    }

    #[test]
    fn verdicts_are_read_as_they_were_written() {
        let all = [
            Verdict::Caught,
            Verdict::TimedOut,
            Verdict::Unviable,
            Verdict::Missed(2),
        ];
        for verdict in all {
            assert_eq!(Verdict::parse(&verdict.text()), Some(verdict));
        }
        for text in ["", "missed", "missed x", "else", "else 1"] {
            assert_eq!(Verdict::parse(text), None, "{text}");
        }
    }
}
