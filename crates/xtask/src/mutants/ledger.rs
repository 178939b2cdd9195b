use std::{collections::BTreeMap, fs, path::PathBuf};

use serde_json::{Value, json};

use super::{survivors::file_of, tree::Tree};
use crate::Result;

/// What is known of the mutants of a group. Survives interruptions and changes of other files.
pub(super) struct Ledger {
    place: PathBuf,
    verdicts: BTreeMap<String, Verdict>,
    /// A number for all sources, and one for each file with mutants.
    sources: u64,
    files: BTreeMap<String, u64>,
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
    /// Loads what is known. Forgets the mutants of changed files, and all that were missed if any
    /// file has changed: a new test may notice them.
    pub(super) fn load(place: PathBuf, tree: &Tree) -> Result<Self> {
        let mut ledger = Self {
            place,
            verdicts: BTreeMap::new(),
            sources: tree.print(),
            files: BTreeMap::new(),
        };
        let Ok(text) = fs::read_to_string(&ledger.place) else {
            return Ok(ledger);
        };
        let saved: Value = serde_json::from_str(&text)?;
        let is_same = saved["sources"] == ledger.sources;
        for (name, verdict) in saved["mutants"].as_object().into_iter().flatten() {
            let verdict = Verdict::parse(verdict.as_str().unwrap_or_default());
            let file = file_of(name);
            let is_same_file = saved["files"][file] == tree.print_of(file);
            let Some(verdict) = verdict.filter(|_| is_same_file) else {
                continue;
            };
            if is_same || !matches!(verdict, Verdict::Missed(_)) {
                ledger.set(name, verdict, tree);
            }
        }
        Ok(ledger)
    }

    pub(super) fn set(&mut self, name: &str, verdict: Verdict, tree: &Tree) {
        let file = file_of(name);
        if !self.files.contains_key(file) {
            self.files.insert(file.to_owned(), tree.print_of(file));
        }
        self.verdicts.insert(name.to_owned(), verdict);
    }

    pub(super) fn save(&self) -> Result {
        let mutants = self.verdicts.iter();
        let mutants: BTreeMap<_, _> = mutants
            .map(|(name, verdict)| (name, verdict.text()))
            .collect();
        let saved = json!({ "sources": self.sources, "files": self.files, "mutants": mutants });
        self.place.parent().map_or(Ok(()), fs::create_dir_all)?;
        // Renamed, so that an interruption leaves the old file or the new one.
        let new = self.place.with_extension("new");
        fs::write(&new, serde_json::to_string_pretty(&saved)?)?;
        Ok(fs::rename(new, &self.place)?)
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
            place: PathBuf::new(),
            verdicts: verdicts.collect(),
            sources: 0,
            files: BTreeMap::new(),
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
