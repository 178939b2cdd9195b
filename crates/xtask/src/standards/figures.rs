//! The figures that tests assert by `test_report::figure!`.

use proc_macro2::{TokenStream, TokenTree};

use super::names::Number;

/// A figure with its numbers, and the test that asserts it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Figure {
    pub(super) number: Number,
    /// For example `1 token request for 10,000 callers`.
    pub(super) text: String,
    pub(super) test: String,
}

/// Reads the figures of a source file. A use of the macro that cannot be read is an error.
pub(super) fn read(path: &str, source: &str) -> Result<Vec<Figure>, String> {
    // Most files have none, and parsing takes time.
    if !source.contains("figure!") {
        return Ok(Vec::new());
    }
    let tokens = source.parse().map_err(|error| format!("{path}: {error}"))?;
    let mut found = Vec::new();
    find(tokens, &mut String::new(), &mut found).map_err(|error| format!("{path}: {error}"))?;
    Ok(found)
}

/// Looks for `figure!(...)`, and remembers the function before it.
fn find(tokens: TokenStream, test: &mut String, found: &mut Vec<Figure>) -> Result<(), String> {
    let tokens: Vec<_> = tokens.into_iter().collect();
    for (at, token) in tokens.iter().enumerate() {
        let before = |back: usize| at.checked_sub(back).and_then(|at| tokens.get(at));
        match token {
            TokenTree::Ident(name) if is(before(1), "fn") => *test = name.to_string(),
            TokenTree::Group(group) if is(before(1), "!") && is(before(2), "figure") => {
                found.push(figure(group.stream(), test)?);
            }
            TokenTree::Group(group) => find(group.stream(), test, found)?,
            _ => {}
        }
    }
    Ok(())
}

fn is(token: Option<&TokenTree>, text: &str) -> bool {
    token.is_some_and(|token| token.to_string() == text)
}

/// Parses `"G3: {} ...", expression => pattern, ...`.
fn figure(tokens: TokenStream, test: &str) -> Result<Figure, String> {
    let mut parts = vec![Vec::new()];
    for token in tokens {
        match &token {
            TokenTree::Punct(comma) if comma.as_char() == ',' => parts.push(Vec::new()),
            _ => parts.last_mut().expect("one at least").push(token),
        }
    }
    parts.retain(|part| !part.is_empty());
    let (text, measured) = parts.split_first().ok_or("a figure has no text")?;
    let text: TokenStream = text.iter().cloned().collect();
    let text: syn::LitStr = syn::parse2(text).map_err(|_| "a figure's text is not a string")?;
    let text = text.value();
    let fault = |why: &str| format!("the figure \"{text}\" {why}");
    let (number, rest) = text
        .split_once(": ")
        .ok_or_else(|| fault("does not begin with the number of a guarantee"))?;
    let number = Number::parse(number)
        .ok_or_else(|| fault("does not begin with the number of a guarantee"))?;
    let mut pieces = rest.split("{}");
    let mut written = pieces.next().unwrap_or_default().to_owned();
    let mut figures = measured.iter();
    for piece in pieces {
        let figure = figures
            .next()
            .ok_or_else(|| fault("has more places than figures"))?;
        let shown =
            shown(figure).ok_or_else(|| fault("has a figure that is not a number or a range"))?;
        written.push_str(&shown);
        written.push_str(piece);
    }
    if figures.next().is_some() {
        return Err(fault("has fewer places than figures"));
    }
    Ok(Figure {
        number,
        text: written,
        test: test.to_owned(),
    })
}

/// Shows the pattern after `=>`: `5`, `2..=5` or `0..=5`.
fn shown(tokens: &[TokenTree]) -> Option<String> {
    let arrow = tokens
        .windows(2)
        .rposition(|two| is(two.first(), "=") && is(two.get(1), ">"))?;
    let pattern: String = tokens
        .get(arrow + 2..)?
        .iter()
        .map(TokenTree::to_string)
        .collect();
    match pattern.split_once("..=") {
        Some(("0", most)) => Some(format!("at most {}", number(most)?)),
        Some((least, most)) => Some(format!("{} to {}", number(least)?, number(most)?)),
        None => number(&pattern),
    }
}

/// Shows a whole number with a comma between thousands.
fn number(literal: &str) -> Option<String> {
    let digits: String = literal.chars().filter(|char| *char != '_').collect();
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    Some(text)
}
