use super::Text;
use crate::Result;

/// `phrase = what to write instead`, one per line.
const LIST: &str = include_str!("words.txt");

/// `path: phrase: reason`, one per line.
const EXCEPTIONS: &str = include_str!("exceptions.txt");

/// Files that are not our prose: lock files, licences, and the lists themselves.
const SKIPPED: [&str; 7] = [
    "Cargo.lock",
    "LICENSE-APACHE",
    "LICENSE-MIT",
    "crates/xtask/src/prose/words.txt",
    "crates/xtask/src/prose/exceptions.txt",
    "crates/xtask/src/prose/words/tests.rs",
    "tests/interop/oidc-provider/package-lock.json",
];

/// Finds listed phrases in all texts.
pub(super) fn check(texts: &[Text]) -> Result<Vec<String>> {
    let phrases = phrases()?;
    let exceptions = exceptions(&phrases)?;
    let mut used = vec![false; exceptions.len()];
    let mut faults = Vec::new();
    for text in texts {
        if SKIPPED.contains(&text.path.as_str()) {
            continue;
        }
        for found in find(&text.content, &phrases) {
            let phrase = found.phrase;
            let exception = exceptions
                .iter()
                .position(|it| it.phrase == phrase.text && within(&text.path, it.path));
            if let Some(exception) = exception {
                used[exception] = true;
            } else {
                faults.push(format!(
                    "{}:{}: \"{}\": write {}",
                    text.path, found.line, phrase.text, phrase.instead
                ));
            }
        }
    }
    for (exception, _) in exceptions.iter().zip(used).filter(|(_, used)| !used) {
        faults.push(format!(
            "exceptions.txt: \"{}\" does not occur in {}: remove the line",
            exception.phrase, exception.path
        ));
    }
    Ok(faults)
}

struct Phrase {
    text: &'static str,
    words: Vec<&'static str>,
    instead: &'static str,
}

struct Exception {
    path: &'static str,
    phrase: &'static str,
}

struct Found<'a> {
    phrase: &'a Phrase,
    line: usize,
}

fn phrases() -> Result<Vec<Phrase>> {
    lines(LIST)
        .map(|line| {
            let (text, instead) = line
                .split_once(" = ")
                .ok_or_else(|| format!("words.txt: not `phrase = instead`: {line}"))?;
            Ok(Phrase {
                text,
                words: text.split(' ').collect(),
                instead,
            })
        })
        .collect()
}

fn exceptions(phrases: &[Phrase]) -> Result<Vec<Exception>> {
    lines(EXCEPTIONS)
        .map(|line| {
            let mut parts = line.splitn(3, ": ");
            let (Some(path), Some(phrase), Some(_reason)) =
                (parts.next(), parts.next(), parts.next())
            else {
                return Err(format!("exceptions.txt: not `path: phrase: reason`: {line}").into());
            };
            if !phrases.iter().any(|it| it.text == phrase) {
                return Err(format!("exceptions.txt: \"{phrase}\" is not in words.txt").into());
            }
            Ok(Exception { path, phrase })
        })
        .collect()
}

/// Returns the lines of a list, without comments and empty lines.
fn lines(list: &'static str) -> impl Iterator<Item = &'static str> {
    list.lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
}

/// Returns whether a file is the path or is inside the folder.
fn within(file: &str, path: &str) -> bool {
    file.strip_prefix(path)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn find<'a>(text: &str, phrases: &'a [Phrase]) -> Vec<Found<'a>> {
    let tokens = tokens(text);
    let mut found = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        for phrase in phrases {
            let rest = &tokens[at..];
            let matches = rest.len() >= phrase.words.len()
                && rest.iter().zip(&phrase.words).all(|(a, b)| a.word == *b);
            if matches {
                found.push(Found {
                    phrase,
                    line: token.line,
                });
            }
        }
    }
    found
}

/// A word in lower case, or the empty text where a sentence or an expression ends.
struct Token {
    word: String,
    line: usize,
}

/// Splits text and code into words. A phrase may continue on the next line of a comment or of a
/// string. The parts of an identifier are words, except after `.` and `:`, because names such as
/// `.is_none()` belong to other crates.
fn tokens(text: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let line = without_marker(line);
        let mut characters = line.char_indices().peekable();
        let mut before = ' ';
        while let Some((start, character)) = characters.next() {
            if !character.is_alphanumeric() {
                if character == '\\' {
                    // An escape, or the end of a line of a string that continues.
                    characters.next();
                } else if !matches!(character, ' ' | '*' | '`' | '_') {
                    tokens.push(Token {
                        word: String::new(),
                        line: number + 1,
                    });
                }
                before = character;
                continue;
            }
            let mut end = start + character.len_utf8();
            while let Some(&(at, next)) = characters.peek() {
                let inside = next.is_alphanumeric()
                    || next == '_'
                    || (matches!(next, '\'' | '’')
                        && line[at + next.len_utf8()..].starts_with(char::is_alphabetic));
                if !inside {
                    break;
                }
                end = at + next.len_utf8();
                characters.next();
            }
            let word = &line[start..end];
            let ours = !(word.contains('_') && matches!(before, '.' | ':'));
            for part in word.split('_').filter(|part| ours && !part.is_empty()) {
                tokens.push(Token {
                    word: part.to_lowercase().replace('’', "'"),
                    line: number + 1,
                });
            }
            before = word.chars().next_back().unwrap_or(' ');
        }
    }
    tokens
}

/// Returns a line without the marker of a comment or a list item.
fn without_marker(line: &str) -> &str {
    let line = line.trim();
    ["///", "//!", "//", "--", "#", ">"]
        .iter()
        .find_map(|marker| line.strip_prefix(marker))
        .unwrap_or(line)
}

#[cfg(test)]
mod tests;
