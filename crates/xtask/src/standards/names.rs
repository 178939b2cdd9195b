//! The numbers in the names of tests.

use std::collections::{BTreeMap, BTreeSet};

use super::figures::{self, Figure};

/// The kind of a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Guarantee,
    Standard,
    Threat,
}

impl Kind {
    pub(super) fn letter(self) -> char {
        match self {
            Self::Guarantee => 'G',
            Self::Standard => 'S',
            Self::Threat => 'T',
        }
    }

    fn of(letter: char) -> Option<Self> {
        let kinds = [Self::Guarantee, Self::Standard, Self::Threat];
        kinds
            .into_iter()
            .find(|kind| kind.letter() == letter.to_ascii_uppercase())
    }
}

/// A number with its kind, for example `S38`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Number(pub(super) Kind, pub(super) u32);

impl Number {
    /// Parses a text such as `S38`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut chars = text.chars();
        let kind = Kind::of(chars.next().filter(char::is_ascii_uppercase)?)?;
        digits(chars.as_str()).map(|number| Self(kind, number))
    }

    /// Reads the numbers at the beginning of a test's name, such as `g07f_...` or `s20_s27_...`.
    fn of_name(name: &str) -> impl Iterator<Item = Self> {
        // The last part is a word of the name.
        let (head, _) = name.rsplit_once('_').unwrap_or_default();
        head.split('_').map_while(Self::of_name_part)
    }

    fn of_name_part(part: &str) -> Option<Self> {
        let mut chars = part.chars();
        let kind = Kind::of(chars.next().filter(char::is_ascii_lowercase)?)?;
        let number = chars.as_str();
        digits(number.strip_suffix('f').unwrap_or(number)).map(|number| Self(kind, number))
    }
}

impl std::fmt::Display for Number {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}{}", self.0.letter(), self.1)
    }
}

/// Parses one or two digits.
fn digits(text: &str) -> Option<u32> {
    let fits = (1..=2).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    fits.then(|| text.parse().ok()).flatten()
}

/// The tests by number, with the place of each.
#[derive(Default)]
pub(super) struct Tests {
    numbered: BTreeMap<Number, BTreeMap<String, BTreeSet<String>>>,
    all: BTreeSet<String>,
    figures: BTreeSet<Figure>,
    /// Figures that cannot be read.
    faults: Vec<String>,
}

impl Tests {
    /// Reads a source file. Functions in macros count too, so the text is read, not the syntax. A
    /// test quotes numbers at the beginning of its name, and in its documentation.
    pub(super) fn read(&mut self, path: &str, text: &str) {
        match figures::read(path, text) {
            Ok(figures) => self.figures.extend(figures),
            Err(fault) => self.faults.push(fault),
        }
        let mut quoted = BTreeSet::new();
        let mut is_test = false;
        for line in text.lines().map(str::trim) {
            if let Some(doc) = line.strip_prefix("///") {
                let words = doc.split(|char: char| !char.is_ascii_alphanumeric());
                quoted.extend(words.filter_map(Number::parse));
            } else if line.starts_with("#[") {
                is_test |= line.starts_with("#[test]") || line.starts_with("#[tokio::test");
            } else {
                if let Some(name) = function(line) {
                    let documented = is_test.then_some(&quoted).into_iter().flatten().copied();
                    let numbers: Vec<_> = documented.chain(Number::of_name(name)).collect();
                    self.add(path, name, &numbers);
                }
                quoted.clear();
                is_test = false;
            }
        }
    }

    fn add(&mut self, path: &str, name: &str, numbers: &[Number]) {
        self.all.insert(name.to_owned());
        for number in numbers {
            let places = self.numbered.entry(*number).or_default();
            let names = places.entry(place(path)).or_default();
            names.insert(name.to_owned());
        }
    }

    /// Returns whether there is a function of this name.
    pub(super) fn has(&self, name: &str) -> bool {
        self.all.contains(name)
    }

    /// Returns the numbers that tests quote.
    pub(super) fn numbers(&self) -> impl Iterator<Item = Number> {
        self.numbered.keys().copied()
    }

    /// Returns the figures that tests assert.
    pub(super) fn figures(&self) -> impl Iterator<Item = &Figure> {
        self.figures.iter()
    }

    /// Returns what could not be read.
    pub(super) fn faults(&self) -> &[String] {
        &self.faults
    }

    /// Returns the tests of a number, by package or folder.
    pub(super) fn of(&self, number: Number) -> impl Iterator<Item = (&str, &BTreeSet<String>)> {
        let places = self.numbered.get(&number).into_iter().flatten();
        places.map(|(place, names)| (place.as_str(), names))
    }
}

/// Returns the name of a function that starts on a line.
fn function(line: &str) -> Option<&str> {
    let mut rest = line;
    for word in ["pub ", "pub(crate) ", "pub(super) ", "async "] {
        rest = rest.strip_prefix(word).unwrap_or(rest);
    }
    let rest = rest.strip_prefix("fn ")?;
    let end = rest.find(|char: char| char != '_' && !char.is_ascii_alphanumeric())?;
    rest.get(..end)
}

/// Returns the package (`auth-core`) or the folder of the workspace's tests (`tests/field`).
fn place(path: &str) -> String {
    let mut parts = path.split('/');
    match (parts.next(), parts.next()) {
        (Some("crates"), Some(package)) => package.to_owned(),
        (Some(top), Some(folder)) => format!("{top}/{folder}"),
        _ => path.to_owned(),
    }
}
