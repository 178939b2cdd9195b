use std::{
    collections::HashSet,
    fs,
    hash::{DefaultHasher, Hash, Hasher},
    io,
    path::{Path, PathBuf},
};

use crate::{
    Result,
    cargo::{output, root},
};

/// A copy of the working tree, in which cargo-mutants changes files.
///
/// The copy always has the same path, so that a second run compiles only what has changed, and the
/// working tree can be edited meanwhile.
pub(super) struct Tree {
    pub(super) path: PathBuf,
    files: Vec<String>,
}

impl Tree {
    /// Copies the files that git knows or would add, as they are on the disk.
    pub(super) fn update() -> Result<Self> {
        let from = root()?;
        let path = from.join("target/mutants/tree");
        let mut list = std::process::Command::new("git");
        list.current_dir(&from)
            .args(["ls-files", "--cached", "--others", "--exclude-standard"]);
        let files: Vec<String> = output(&mut list)?
            .lines()
            .filter(|file| from.join(file).is_file())
            .map(str::to_owned)
            .collect();
        for file in &files {
            copy(&from.join(file), &path.join(file))?;
        }
        let known = files.iter().map(|file| path.join(file)).collect();
        remove_unknown(&path, &known)?;
        Ok(Self { path, files })
    }

    /// Returns a number for the contents of a file. 0: there is no such file.
    pub(super) fn print_of(&self, file: &str) -> u64 {
        fs::read(self.path.join(file)).map_or(0, |content| print(&content))
    }

    /// Returns a number for the contents of all Rust files, tests included.
    pub(super) fn print(&self) -> u64 {
        let sources = self.files.iter().filter(|file| file.ends_with(".rs"));
        let prints: Vec<u64> = sources.map(|file| self.print_of(file)).collect();
        print(&prints)
    }
}

/// Leaves a file with the same content untouched, also its date, by which cargo decides what to
/// compile.
fn copy(from: &Path, to: &Path) -> Result {
    let content = fs::read(from)?;
    if fs::read(to).is_ok_and(|now| now == content) {
        return Ok(());
    }
    to.parent().map_or(Ok(()), fs::create_dir_all)?;
    fs::write(to, content).map_err(|error| format!("{}: {error}", to.display()))?;
    Ok(())
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
