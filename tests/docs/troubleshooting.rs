//! Every text that the product shows is on the page that explains it.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use crate::{read, texts};

const PAGE: &str = "crates/auth-core/src/_documentation/troubleshooting.md";

const EVENTS: &str = "crates/auth-core/src/_documentation/observability.md";
const LEVELS: [&str; 4] = ["DEBUG", "ERROR", "INFO", "WARN"];

/// Prose in the sources that no operator reads.
const NOT_SHOWN: &[&str] = &[
    // What other libraries and vendors say: it is compared.
    "Authentication error",
    "Couldn't find ApiKey with access_token",
    "Invalid API Key",
    "Invalid login credentials",
    "deadline has elapsed",
    "dns error",
    "error resolving DNS",
    "failed to create underlying connection",
    "invalid URL, scheme is not http",
    "operation timed out",
    "proxy authorization required",
    "request timed out",
    "tcp connect error",
    "tunnel error:",
    "unexpected end of file",
    // Labels of PEM blocks.
    "EC PRIVATE KEY",
    "ENCRYPTED PRIVATE KEY",
    "PRIVATE KEY",
    "PUBLIC KEY",
    "RSA PRIVATE KEY",
    "RSA PUBLIC KEY",
    // Names of values: of a vendor, a step, a setting, a member in a store's entry.
    "(label).…",
    "auth-core credentials 1",
    "cargo features",
    "http",
    "https",
    "kaizen central",
    "kaizen east",
    "not sent",
    "not understood",
    "refresh token",
    "second factor",
    "timed out",
    "token request",
    "token source",
    // The error of an example of an event.
    "connection refused",
    // What serde's visitors expect: their errors are dropped.
    "a text",
    "an object",
    // A panic of a future that is polled once more, as futures do.
    "polled after it was ready",
];

#[test]
fn each_text_is_explained() {
    let page = explained(&read(PAGE));
    let not_shown = BTreeSet::from_iter(NOT_SHOWN.iter().copied().map(String::from));
    let shown = texts::all(Path::new(env!("CARGO_MANIFEST_DIR")));

    let missing: Vec<String> = shown
        .iter()
        .filter(|(text, _)| !page.contains(*text) && !not_shown.contains(*text))
        .map(|(text, file)| format!("{file}: {text}"))
        .collect();
    let stale: Vec<&String> = page
        .iter()
        .chain(&not_shown)
        .filter(|text| !shown.contains_key(*text))
        .collect();

    assert!(
        missing.is_empty() && stale.is_empty(),
        "{PAGE} needs a row for {} texts:\n{}\nno source has these texts: {stale:#?}",
        missing.len(),
        missing.join("\n")
    );
    assert!(shown.len() > 350, "only {} texts were found", shown.len());
}

#[test]
fn a_line_of_the_log_has_the_level_of_its_event() {
    let (page, events) = (read(PAGE), read(EVENTS));
    let mut levels: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for cells in rows(&events).filter(|cells| cells[0].starts_with('`')) {
        let event = cells[0].split('`').nth(1).unwrap();
        let level = cells[1].split(' ').next().unwrap();
        levels.entry(event).or_default().push(level);
    }
    let mut compared = 0;
    for cells in rows(&page).filter(|cells| LEVELS.iter().any(|it| cells[1].starts_with(it))) {
        let level = cells[1].split(',').next().unwrap();
        for event in cells[2].split('`').skip(1).step_by(2) {
            let told = &levels[event];
            // "as `request_unsigned`" lends that event's level.
            let told = if told == &["as"] {
                &levels["request_unsigned"]
            } else {
                told
            };
            assert!(told.contains(&level), "{event}: {told:?}, not {level}");
            compared += 1;
        }
    }
    assert_eq!(compared, 28);
}

#[test]
fn a_text_is_found_wherever_it_is_written() {
    let source = r#"
        //! not a comment
        /// not this one
        #[error("not an attribute")]
        const MESSAGE: &str = "a constant's text";
        impl std::fmt::Display for Cause {
            fn fmt(&self, f: &mut Formatter) -> Result {
                match self { Self::A => f.write_str("truncated"), Self::B => write!(f, "of {} parts", 2) }
            }
        }
        fn make(host: &str) -> Error {
            tracing::warn!(target: "x", host, "a line of the log");
            let advice = if host.is_empty() { "first \
                \"advice\"" } else { "word" };
            debug_assert!(host.len() > 1, "not for operators");
            Error::config("field", format!("{host:?} has {{braces}}; {advice}"))
        }
        #[cfg(test)]
        mod tests { const TEXT: &str = "not in tests"; }
        #[cfg(not(feature = "fake"))]
        fn other() -> Error { Error::new(Kind::Config, format_args!("{} is too long", 1)) }
    "#;
    let found = texts::of_file(&syn::parse_file(source).unwrap());
    assert_eq!(
        found,
        [
            "a constant's text",
            "truncated",
            "of … parts",
            "a line of the log",
            "first \"advice\"",
            "… has {braces}; …",
            "… is too long",
        ]
    );
}

#[test]
fn code_of_a_rows_first_cell_is_what_the_row_explains() {
    let page = "| text | cause |\n|---|---|\n| `a b`<br>`` `c` d`` | `not this` |\n\n`nor this`\n";
    let expected = ["a b", "`c` d"].map(String::from);
    assert_eq!(explained(page), BTreeSet::from(expected));
}

/// The code in the first cell of each row.
fn explained(page: &str) -> BTreeSet<String> {
    rows(page).flat_map(|cells| code(cells[0])).collect()
}

/// The cells of each row of a page's tables.
fn rows(page: &str) -> impl Iterator<Item = Vec<&str>> {
    let rows = page.lines().filter_map(|line| line.strip_prefix("| "));
    rows.map(|row| row.split(" |").map(str::trim).collect())
}

/// The parts of a text that are marked as code, by one or two backticks.
fn code(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find('`') {
        let mark = if rest[start..].starts_with("``") {
            "``"
        } else {
            "`"
        };
        let inside = &rest[start + mark.len()..];
        let Some(end) = inside.find(mark) else { break };
        found.push(inside[..end].trim().to_owned());
        rest = &inside[end + mark.len()..];
    }
    found
}
