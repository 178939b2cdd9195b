use std::{collections::BTreeMap, fs};

use crate::{Result, cargo::root};

/// Each line is the name of a mutant, then [`BEFORE_REASON`] and a reason. Two mutants of one name
/// have two lines.
pub(super) const FILE: &str = ".cargo/mutants.survivors.txt";

const BEFORE_REASON: &str = " # ";

/// Mutants that no test notices, for a reason.
pub(super) struct Survivors(BTreeMap<String, usize>);

impl Survivors {
    pub(super) fn load() -> Result<Self> {
        Self::parse(&fs::read_to_string(root()?.join(FILE))?)
    }

    fn parse(text: &str) -> Result<Self> {
        let mut listed = BTreeMap::new();
        let lines = text
            .lines()
            .filter(|line| !line.is_empty() && !line.starts_with('#'));
        for line in lines {
            match line.split_once(BEFORE_REASON) {
                Some((name, reason)) if !reason.trim().is_empty() => {
                    *listed.entry(name.trim().to_owned()).or_default() += 1;
                }
                _ => return Err(format!("{FILE}: a line has no reason: {line}").into()),
            }
        }
        Ok(Self(listed))
    }

    /// Returns the missed mutants that are not listed, as often as they are missing in the list.
    pub(super) fn unlisted(&self, missed: &[String]) -> Vec<String> {
        let mut left = self.0.clone();
        let missed = missed.iter().filter(|name| match left.get_mut(*name) {
            Some(count @ 1..) => {
                *count -= 1;
                false
            }
            _ => true,
        });
        missed.cloned().collect()
    }

    /// Returns the listed mutants that a test notices by now.
    pub(super) fn outdated(&self, missed: &[String], caught: &[String]) -> Vec<&str> {
        let times = |names: &[String], name: &str| names.iter().filter(|it| *it == name).count();
        let outdated = self
            .0
            .iter()
            .filter(|(name, listed)| times(missed, name) < **listed && times(caught, name) > 0);
        outdated.map(|(name, _)| name.as_str()).collect()
    }
}

/// Returns the file of a mutant, whose name begins with `file:` or `file:line:column:`.
pub(super) fn file_of(name: &str) -> &str {
    name.split(':').next().unwrap_or(name)
}

/// Removes line and column, which change with every edit: `a.rs:1:2: replace` is
/// `a.rs: replace`.
pub(super) fn without_place(name: &str) -> String {
    let Some((_, what)) = name.split_once(": ") else {
        return name.to_owned();
    };
    format!("{}: {what}", file_of(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names<const N: usize>(names: [&str; N]) -> Vec<String> {
        names.map(str::to_owned).to_vec()
    }

    #[test]
    fn a_survivor_is_accepted_as_often_as_it_is_listed() {
        let survivors =
            Survivors::parse("# a comment\n\na.rs: x # equal\na.rs: x # too\n").unwrap();
        let missed = names(["a.rs: x", "a.rs: x", "a.rs: x", "b.rs: x"]);
        assert_eq!(survivors.unlisted(&missed), ["a.rs: x", "b.rs: x"]);
        assert!(survivors.unlisted(&missed[..2]).is_empty());
    }

    #[test]
    fn a_line_without_a_reason_is_an_error() {
        for text in ["a.rs: x", "a.rs: x # ", "a.rs: x #"] {
            assert!(Survivors::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_listed_mutant_that_a_test_notices_is_outdated() {
        let survivors = Survivors::parse("a.rs: x # equal\na.rs: y # equal").unwrap();
        let (x, y) = (names(["a.rs: x"]), names(["a.rs: y"]));
        assert_eq!(survivors.outdated(&x, &y), ["a.rs: y"]);
        assert!(survivors.outdated(&x, &[]).is_empty());
    }

    #[test]
    fn a_name_has_no_line_number() {
        let name = "src/a.rs:12:3: replace f -> bool with true in a::b";
        let without = "src/a.rs: replace f -> bool with true in a::b";
        assert_eq!(without_place(name), without);
        assert_eq!(without_place(without), without);
    }
}
