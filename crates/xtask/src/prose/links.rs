use std::collections::BTreeSet;

use super::{Text, read};
use crate::{Result, cargo::root};

/// The URL under which pages on docs.rs link to a file of this repository.
const REPOSITORY: &str = "https://github.com/auth-tower/auth-tower/blob/main/";

/// Checks that relative links in all Markdown files lead to files and headings that exist.
pub(super) fn check(texts: &[Text]) -> Result<Vec<String>> {
    let mut faults = Vec::new();
    let mut followed = 0;
    for text in texts.iter().filter(|text| text.path.ends_with(".md")) {
        for target in targets(&text.content) {
            let Some((file, anchor)) = resolve(&text.path, target) else {
                continue;
            };
            followed += 1;
            if !root()?.join(&file).exists() {
                faults.push(format!("{}: link to {target}: no such file", text.path));
            } else if !anchor.is_empty() && !anchors(&read(&file)?).contains(anchor) {
                faults.push(format!("{}: link to {target}: no such heading", text.path));
            }
        }
    }
    println!("links: {followed} followed");
    Ok(faults)
}

/// Returns the file of a link, from the repository's root, and its anchor. Returns `None` for other
/// sites and for paths of rustdoc.
fn resolve<'a>(page: &str, target: &'a str) -> Option<(String, &'a str)> {
    let (path, anchor) = target.split_once('#').unwrap_or((target, ""));
    if let Some(path) = path.strip_prefix(REPOSITORY) {
        return Some((path.to_owned(), anchor));
    }
    if path.is_empty() {
        return Some((page.to_owned(), anchor));
    }
    if path.contains("::") || path.contains(":/") || !path.contains(['/', '.']) {
        return None;
    }
    let mut parts: Vec<&str> = page.split('/').collect();
    parts.pop();
    for part in path.split('/') {
        match part {
            ".." => drop(parts.pop()),
            "." | "" => {}
            part => parts.push(part),
        }
    }
    Some((parts.join("/"), anchor))
}

/// Returns the targets of a page's links, except those in code.
fn targets(page: &str) -> Vec<&str> {
    let mut targets = Vec::new();
    for line in prose_lines(page) {
        let inline = line.split("](").skip(1);
        targets.extend(inline.filter_map(|rest| rest.split([')', ' ']).next()));
        if let Some((_, target)) = line.split_once("]: ").filter(|_| line.starts_with('[')) {
            targets.push(target.trim());
        }
    }
    targets
}

/// Returns the anchors of a page's headings, as GitHub makes them.
fn anchors(page: &str) -> BTreeSet<String> {
    let headings = prose_lines(page).filter(|line| line.starts_with('#'));
    headings
        .map(|line| {
            let kept = line.trim_start_matches('#').trim().chars();
            kept.filter(|it| it.is_alphanumeric() || matches!(it, ' ' | '-' | '_'))
                .map(|it| if it == ' ' { '-' } else { it })
                .collect::<String>()
                .to_lowercase()
        })
        .collect()
}

/// Returns the lines of a page outside fenced code.
fn prose_lines(page: &str) -> impl Iterator<Item = &str> {
    let mut code = false;
    page.lines().filter(move |line| {
        let fence = line.trim_start().starts_with("```");
        code ^= fence;
        !code && !fence
    })
}

#[cfg(test)]
mod tests {
    use super::{anchors, resolve, targets};

    #[test]
    fn targets_are_found_outside_code() {
        let page = "[a](b.md#c) and [d](e/)\n```\n[no](no.md)\n```\n[f]: g.rs\n";
        assert_eq!(targets(page), ["b.md#c", "e/", "g.rs"]);
    }

    #[test]
    fn a_link_is_relative_to_its_page() {
        let page = "crates/a/README.md";
        let file = |target| resolve(page, target).map(|(file, _)| file);
        assert_eq!(file("../../x.md#y").as_deref(), Some("x.md"));
        assert_eq!(file("#y").as_deref(), Some(page));
        assert_eq!(file("https://docs.rs/a"), None);
        assert_eq!(file("crate::Token"), None);
        let here = "https://github.com/auth-tower/auth-tower/blob/main/tests/a.rs";
        assert_eq!(file(here).as_deref(), Some("tests/a.rs"));
    }

    #[test]
    fn headings_become_anchors() {
        let anchors = anchors("# A `Token` of 1 KiB, sent\n```\n# not this\n```\n");
        assert_eq!(
            anchors.into_iter().collect::<Vec<_>>(),
            ["a-token-of-1-kib-sent"]
        );
    }
}
