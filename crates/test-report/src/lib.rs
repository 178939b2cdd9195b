//! Figures of tests: a line of JSON for each, for `cargo xtask report`; and [`figure!`], an
//! assertion whose numbers `cargo xtask standards` writes into the page of the guarantees.
//!
//! # Example
//!
//! ```
//! # let (token_requests, waited_ms) = (1, 40);
//! test_report::line("storm", [("processes", 8.into()), ("token_requests", token_requests.into())]);
//! test_report::figure!("G3: {} token request for {} callers", token_requests => 1, 10 * 1_000 => 10_000);
//! test_report::figure!("G16: the store delays a request by {} ms", waited_ms => 0..=50);
//! ```

use std::{env, fs::OpenOptions, io::Write as _};

#[doc(hidden)]
pub use serde_json::{Value, json};

/// The variable with the file to which figures are appended. Without it, nothing is written.
pub const FILE: &str = "AUTH_REPORT";

/// Appends a line of JSON to the file of the report: `{"kind": kind, ...}`. Does nothing if
/// `AUTH_REPORT` is not set.
///
/// # Panics
///
/// If the file cannot be written.
pub fn line<'a>(kind: &str, figures: impl IntoIterator<Item = (&'a str, Value)>) {
    let Some(file) = env::var_os(FILE) else {
        return;
    };
    let text = text(kind, figures);
    let file = OpenOptions::new().append(true).create(true).open(file);
    // One write, so that lines of several threads and processes do not mix.
    let written = file.and_then(|mut file| file.write_all(text.as_bytes()));
    written.expect("the file of AUTH_REPORT can be written");
}

fn text<'a>(kind: &str, figures: impl IntoIterator<Item = (&'a str, Value)>) -> String {
    let mut line = json!({ "kind": kind });
    for (name, value) in figures {
        line[name] = value;
    }
    format!("{line}\n")
}

/// Asserts figures of a guarantee. The text begins with the guarantee's number. Each `{}` stands
/// for a figure: an expression, `=>`, and a literal or a range that the expression must match.
///
/// `cargo xtask standards` reads the literals from the source: the page of the guarantees says `5`
/// for `5`, `2 to 5` for `2..=5`, and `at most 5` for `0..=5`. A number on the page is thus what a
/// test asserts.
#[macro_export]
macro_rules! figure {
    ($text:literal $(, $measured:expr => $figure:pat)+ $(,)?) => {{
        let text: &str = $text;
        $(
            let measured = $measured;
            assert!(
                matches!(measured, $figure),
                "{text}: {} is {measured:?}, not {}",
                stringify!($measured),
                stringify!($figure),
            );
        )+
        $crate::line("figure", [("text", $crate::json!(text))]);
    }};
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_one_object_with_its_kind() {
        let line = text("soak", [("seed", 7.into()), ("ok", true.into())]);
        assert!(line.ends_with("}\n"));
        let object: Value = serde_json::from_str(&line).expect("JSON");
        assert_eq!(object, json!({ "kind": "soak", "seed": 7, "ok": true }));
    }

    #[test]
    fn a_figure_that_matches_passes() {
        figure!("G1: {} and {} and {}", 1 + 1 => 2, 4_u64 => 0..=4, 1_000 => 999..=1_001);
    }

    #[test]
    #[should_panic(expected = "G1: {}: 1 + 1 is 2, not 3")]
    fn a_figure_that_does_not_match_fails() {
        figure!("G1: {}", 1 + 1 => 3);
    }

    #[test]
    #[should_panic(expected = "is 5, not 0..=4")]
    fn a_figure_above_its_bound_fails() {
        figure!("G1: {}", 5 => 0..=4);
    }
}
