use super::{Phrase, find, lines, phrases, within};

fn found(text: &str) -> Vec<(&'static str, usize)> {
    let phrases = phrases().unwrap_or_default();
    assert!(!phrases.is_empty());
    find(text, &phrases)
        .iter()
        .map(|found| (found.phrase.text, found.line))
        .collect()
}

#[test]
fn a_phrase_is_found_across_lines_of_a_comment() {
    assert_eq!(
        found("/// The token at\n/// hand is sent."),
        [("at hand", 1)]
    );
    assert_eq!(found("# asked in\n# vain"), [("in vain", 1)]);
}

#[test]
fn a_phrase_is_found_across_lines_of_a_string() {
    assert_eq!(found("x\nlet a = \"so \\\n    many\";"), [("so many", 2)]);
}

#[test]
fn a_phrase_is_found_in_a_test_name_and_with_a_capital() {
    assert_eq!(found("fn whoever_waits_is_told() {"), [("whoever", 1)]);
    assert_eq!(found("Nobody's token"), [("nobody's", 1)]);
    assert_eq!(found("nobody’s token"), [("nobody's", 1)]);
}

#[test]
fn methods_of_the_standard_library_are_not_found() {
    assert_eq!(found("if token.is_none() || Option::is_none(x)"), []);
    assert_eq!(found("/// There is none."), [("is none", 1)]);
}

#[test]
fn the_end_of_a_sentence_ends_a_phrase() {
    assert_eq!(found("It works at. Hand it over."), []);
}

#[test]
fn part_of_a_word_is_not_found() {
    assert_eq!(found("canewoven manewhoevers"), []);
}

#[test]
fn a_path_covers_its_folder_only() {
    assert!(within("crates/auth-core/src/lib.rs", "crates/auth-core"));
    assert!(within("README.md", "README.md"));
    assert!(!within("crates/auth-core-x/src/lib.rs", "crates/auth-core"));
}

#[test]
fn no_phrase_is_listed_twice() {
    let phrases: Vec<Phrase> = phrases().unwrap_or_default();
    let mut texts: Vec<_> = phrases.iter().map(|phrase| phrase.text).collect();
    texts.sort_unstable();
    texts.dedup();
    assert_eq!(texts.len(), lines(super::LIST).count());
}
