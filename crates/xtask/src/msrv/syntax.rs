use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::Result;

/// Finds `if let ... && ...` in a directory's sources. Returns places as `file:line`.
///
/// Every compiler since 1.88 accepts such chains in edition 2024 with any `rust-version`, and no
/// lint reports them, so a machine with one toolchain would not notice. The search needs formatted
/// sources: rustfmt puts the part after a `let` in a chain on a separate line.
pub(super) fn let_chains(directory: &Path) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for file in sources(directory)? {
        let text = fs::read_to_string(&file)?;
        found.extend(chains(&text).map(|line| format!("{}:{line}", file.display())));
    }
    Ok(found)
}

fn chains(text: &str) -> impl Iterator<Item = usize> {
    let mut in_condition = false;
    text.lines()
        .map(str::trim)
        .enumerate()
        .filter_map(move |(index, line)| {
            if line.starts_with("//") {
                return None;
            }
            let continued = in_condition && line.starts_with("&& ");
            in_condition |= STARTS.iter().any(|start| line.starts_with(start));
            in_condition &= !line.ends_with('{');
            (continued || line.contains("&& let ")).then_some(index + 1)
        })
}

const STARTS: [&str; 3] = ["if let ", "while let ", "} else if let "];

fn sources(directory: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.is_dir() {
            files.extend(sources(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_let_chains_are_found() {
        let text = "
            if let Some(x) = y {
            } else if let Some(x) = z
                && x > 1
            {
            }
            if a && let Some(x) = y {}
            // if a && let Some(x) = y {}
            if let Some(x) =
                long.call(a && b)
            {
                let both = a
                    && b;
            }
        ";
        assert_eq!(chains(text).collect::<Vec<_>>(), [4, 7]);
    }
}
