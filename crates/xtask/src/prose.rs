mod links;
mod program;
mod readme;
mod words;

use std::process::Command;

use crate::{
    Result,
    cargo::{Metadata, output, root},
};

/// Checks the repository's texts: no listed word, no dead link, and a README with correct versions,
/// commands and program. The argument `words` limits the check to words.
pub(crate) fn run(arguments: &[String]) -> Result {
    let words_only = match arguments {
        [] => false,
        [word] if word == "words" => true,
        _ => return Err("unknown argument; the only one is `words`".into()),
    };
    let texts = texts()?;
    let mut faults = words::check(&texts)?;
    if !words_only {
        faults.extend(links::check(&texts)?);
        faults.extend(readme::check(&Metadata::load()?)?);
    }
    if !faults.is_empty() {
        let list = faults.join("\n");
        return Err(format!("{} faults:\n{list}", faults.len()).into());
    }
    if !words_only {
        program::check()?;
    }
    Ok(())
}

/// A tracked text file.
struct Text {
    /// The path from the repository's root, with `/`.
    path: String,
    content: String,
}

/// Returns all UTF-8 files that git tracks or would add.
fn texts() -> Result<Vec<Text>> {
    let root = root()?;
    let mut list = Command::new("git");
    list.current_dir(&root).args([
        "ls-files",
        "-z",
        "--cached",
        "--others",
        "--exclude-standard",
    ]);
    let list = output(&mut list)?;
    let paths = list.split_terminator('\0');
    // Git also lists files that are deleted and not committed yet: they cannot be read.
    let texts = paths.filter_map(|path| {
        let content = std::fs::read_to_string(root.join(path)).ok()?;
        Some(Text {
            path: path.to_owned(),
            content,
        })
    });
    Ok(texts.collect())
}

/// Reads the file of this path, relative to the repository's root.
fn read(path: &str) -> Result<String> {
    std::fs::read_to_string(root()?.join(path)).map_err(|error| format!("{path}: {error}").into())
}
