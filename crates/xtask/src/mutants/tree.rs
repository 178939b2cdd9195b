use std::{
    collections::{BTreeMap, HashSet},
    fs,
    hash::{DefaultHasher, Hash, Hasher},
    io,
    path::{Path, PathBuf},
};

use crate::{
    Result,
    cargo::{output, root},
};

/// A copy of the working tree, in which files are changed.
///
/// The copy always has the same path, so that a second run compiles only what has changed, and the
/// working tree can be edited meanwhile: the files are read once.
pub(super) struct Tree {
    pub(super) path: PathBuf,
    files: BTreeMap<String, Vec<u8>>,
}

impl Tree {
    /// Reads the files that git knows or would add.
    pub(super) fn new() -> Result<Self> {
        let from = root()?;
        let path = from.join("target/mutants/woven");
        let mut list = std::process::Command::new("git");
        list.current_dir(&from)
            .args(["ls-files", "--cached", "--others", "--exclude-standard"]);
        let mut files = BTreeMap::new();
        for file in output(&mut list)?.lines() {
            // A file that git knows may be deleted.
            if from.join(file).is_file() {
                files.insert(file.to_owned(), fs::read(from.join(file))?);
            }
        }
        let known = files.keys().map(|file| path.join(file)).collect();
        fs::create_dir_all(&path)?;
        remove_unknown(&path, &known)?;
        Ok(Self { path, files })
    }

    /// Writes the copies: with the contents of `changed`, or as the files are.
    pub(super) fn write(&self, changed: &BTreeMap<String, String>) -> Result {
        for (file, content) in &self.files {
            let content = changed.get(file).map_or(&**content, String::as_bytes);
            let to = self.path.join(file);
            // A file with the same content keeps its date, by which cargo decides what to compile.
            if fs::read(&to).is_ok_and(|now| now == content) {
                continue;
            }
            to.parent().map_or(Ok(()), fs::create_dir_all)?;
            fs::write(&to, content).map_err(|error| format!("{}: {error}", to.display()))?;
        }
        Ok(())
    }

    /// Returns the text of a file, unchanged.
    pub(super) fn text(&self, file: &str) -> Result<&str> {
        let content = self.files.get(file);
        let content = content.ok_or_else(|| format!("{file}: git does not know this file"))?;
        Ok(std::str::from_utf8(content)?)
    }

    /// Returns a number for the contents of a file. 0: there is no such file.
    pub(super) fn print_of(&self, file: &str) -> u64 {
        self.files.get(file).map_or(0, print)
    }

    /// Returns a number for the contents of all Rust files, tests included.
    pub(super) fn print(&self) -> u64 {
        let is_source = |file: &&String| file.ends_with(".rs");
        let sources = self.files.keys().filter(is_source);
        let prints: Vec<u64> = sources.map(|file| self.print_of(file)).collect();
        print(&prints)
    }
}

fn remove_unknown(folder: &Path, known: &HashSet<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            remove_unknown(&path, known)?;
        } else if !known.contains(&path) {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}

fn print(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}
