use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

/// The imports of each file: file, other file, and an item that it uses there.
pub(super) type Imports = BTreeMap<String, BTreeMap<String, String>>;

/// Files of which each imports each other one, directly or through others.
#[derive(Debug)]
pub(super) struct Circle {
    pub(super) files: BTreeSet<String>,
    uses: Vec<String>,
}

/// Finds the circles.
pub(super) fn circles(imports: &Imports) -> Vec<Circle> {
    let reached: BTreeMap<&str, BTreeSet<&str>> = imports
        .keys()
        .map(|file| (file.as_str(), reachable(imports, file)))
        .collect();
    let leads = |from: &str, to: &str| reached.get(from).is_some_and(|all| all.contains(to));
    let mut done = BTreeSet::new();
    let mut circles = Vec::new();
    for file in imports.keys() {
        if !leads(file, file) || done.contains(file) {
            continue;
        }
        let files: BTreeSet<String> = imports
            .keys()
            .filter(|other| leads(file, other) && leads(other, file))
            .cloned()
            .collect();
        done.extend(files.iter().cloned());
        let inside = |file: &String| {
            let others = imports.get(file).into_iter().flatten();
            let others = others.filter(|(other, _)| files.contains(*other));
            others
                .map(|(_, what)| format!("{file} uses {what}"))
                .collect::<Vec<_>>()
        };
        let uses = files.iter().flat_map(inside).collect();
        circles.push(Circle { files, uses });
    }
    circles
}

fn reachable<'a>(imports: &'a Imports, from: &str) -> BTreeSet<&'a str> {
    let mut reached = BTreeSet::new();
    let mut open = vec![from];
    while let Some(file) = open.pop() {
        for other in imports.get(file).into_iter().flat_map(BTreeMap::keys) {
            if reached.insert(other.as_str()) {
                open.push(other);
            }
        }
    }
    reached
}

impl fmt::Display for Circle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let files: Vec<&str> = self.files.iter().map(String::as_str).collect();
        write!(f, "circle of {}", files.join(", "))?;
        self.uses
            .iter()
            .try_for_each(|what| write!(f, "\n  {what}"))
    }
}
