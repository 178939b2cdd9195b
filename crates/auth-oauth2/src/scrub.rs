use std::{borrow::Cow, fmt};

use auth_core::Secret;
use zeroize::Zeroizing;

mod form;
mod view;

use view::View;

/// Removes secrets from a vendor's text before the text gets into an error or a log.
///
/// Error replies echo what was sent: a request's body, a decoded header, a token. Give a scrubber
/// every secret of a token request. It removes them in these forms: plain; percent-encoded (any
/// characters, either letter case, `+` or `%20`); base64 (standard and URL-safe, padded or not, at
/// each of the three alignments); JSON-escaped; with HTML entities (named, decimal, hexadecimal);
/// hexadecimal (either letter case; digits only, or with a space, `:` or `-` between the bytes;
/// `\\x41`, `0x41`). Pieces of eight or more bytes are removed too.
///
/// # Example
///
/// ```
/// use auth_core::Secret;
/// use auth_oauth2::Scrubber;
///
/// let scrubber = Scrubber::new().secret(Secret::new("fake-secret+1"));
/// assert_eq!(scrubber.scrub("no client has fake%2Dsecret%2b1"), "no client has ***");
/// assert_eq!(scrubber.clean("bad\u{1b}[31m fake-secret+1", 256), "bad?[31m ***");
/// ```
///
/// # Security
///
/// Matching ignores letter case, and treats `-` like `+` and a space, and `_` like `/`. A text
/// without the secret may therefore lose some characters. A piece of a secret shorter than eight
/// bytes is not removed. A secret shorter than eight bytes is removed only as a whole.
#[derive(Clone, Default)]
pub struct Scrubber {
    secrets: Vec<Secret>,
}

impl Scrubber {
    /// Makes a scrubber without secrets.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a secret. An empty one is ignored.
    #[must_use]
    pub fn secret(mut self, secret: impl Into<Secret>) -> Self {
        let secret = secret.into();
        if !secret.is_empty() {
            self.secrets.push(secret);
        }
        self
    }

    /// Returns the text with `***` in place of each secret.
    #[must_use]
    pub fn scrub(&self, text: &str) -> String {
        let needles = self.needles();
        scrub(&needles, text).into_owned()
    }

    /// Returns the text in a form fit for an error or a log: scrubbed, at most `max` bytes long,
    /// and with `?` for each character that RFC 6749 section 5.2 does not permit in an error text
    /// (control characters, quotes, backslashes, characters outside ASCII).
    #[must_use]
    pub fn clean(&self, text: &str, max: usize) -> String {
        let needles = self.needles();
        // Scrubbed before the replacement, because a replaced character would hide a secret; and
        // after it, because the vendor may have replaced the same characters.
        let text = replace_unfit(&scrub(&needles, text));
        let mut text = scrub(&needles, text.trim_matches(' ')).into_owned();
        text.truncate(max);
        text
    }

    fn needles(&self) -> Needles {
        Needles::new(
            self.secrets
                .iter()
                .flat_map(|secret| form::all(secret.expose()))
                .collect(),
        )
    }
}

impl fmt::Debug for Scrubber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scrubber")
            .field("secrets", &self.secrets.len())
            .finish()
    }
}

/// The shortest piece of a secret that is searched for, in bytes.
const WINDOW: usize = 8;

const MASK: &str = "***";

/// The texts to search for, in every form and folded.
#[derive(Default)]
struct Needles {
    /// All pieces of the longer forms, sorted.
    windows: Zeroizing<Vec<[u8; WINDOW]>>,
    /// Forms that are shorter than a piece.
    short: Vec<Zeroizing<Vec<u8>>>,
}

impl Needles {
    fn new(mut forms: Vec<Zeroizing<Vec<u8>>>) -> Self {
        let pieces = |form: &[u8]| (form.len() + 1).saturating_sub(WINDOW);
        let mut this = Self::default();
        // Reserve the capacity: a vector that grows leaves unwiped copies.
        this.windows
            .reserve_exact(forms.iter().map(|form| pieces(form)).sum());
        for form in &mut forms {
            form.iter_mut().for_each(|byte| *byte = folded(*byte));
            this.windows.extend(form.windows(WINDOW).map(fold_piece));
        }
        this.windows.sort_unstable();
        this.short
            .extend(forms.into_iter().filter(|form| form.len() < WINDOW));
        this
    }

    /// Marks the bytes of the text that belong to a secret. Returns whether there are any.
    fn mark(&self, view: &View, marks: &mut [bool]) -> bool {
        let mut found = false;
        let mut mark = |start: usize, length: usize| {
            found = true;
            for span in view.spans.iter().skip(start).take(length) {
                marks.get_mut(span.clone()).unwrap_or_default().fill(true);
            }
        };
        for (start, piece) in view.bytes.windows(WINDOW).enumerate() {
            if self.windows.binary_search(&fold_piece(piece)).is_ok() {
                mark(start, WINDOW);
            }
        }
        for short in &self.short {
            for (start, piece) in view.bytes.windows(short.len()).enumerate() {
                if piece
                    .iter()
                    .zip(&**short)
                    .all(|(byte, other)| folded(*byte) == *other)
                {
                    mark(start, short.len());
                }
            }
        }
        found
    }
}

/// Maps bytes that encodings interchange to one byte: letter case, the two alphabets of base64, and
/// `+` for a space.
fn folded(byte: u8) -> u8 {
    match byte {
        b' ' | b'-' => b'+',
        b'_' => b'/',
        other => other.to_ascii_lowercase(),
    }
}

fn fold_piece(piece: &[u8]) -> [u8; WINDOW] {
    let mut folded_piece = [0; WINDOW];
    for (to, from) in folded_piece.iter_mut().zip(piece) {
        *to = folded(*from);
    }
    folded_piece
}

fn scrub<'a>(needles: &Needles, text: &'a str) -> Cow<'a, str> {
    let Some(marks) = find(needles, text) else {
        return Cow::Borrowed(text);
    };
    let mut out = String::with_capacity(text.len() + MASK.len());
    let mut masked = false;
    for (start, char) in text.char_indices() {
        let hidden = marks
            .get(start..start + char.len_utf8())
            .is_some_and(|own| own.contains(&true));
        if !hidden {
            out.push(char);
        } else if !masked {
            out.push_str(MASK);
        }
        masked = hidden;
    }
    // The mask and its neighbours may form a secret that contains asterisks.
    if find(needles, &out).is_some() {
        Cow::Borrowed("")
    } else {
        Cow::Owned(out)
    }
}

fn find(needles: &Needles, text: &str) -> Option<Vec<bool>> {
    let mut marks = vec![false; text.len()];
    let mut found = false;
    View::new(text).for_each(|view| found |= needles.mark(view, &mut marks));
    found.then_some(marks)
}

fn replace_unfit(text: &str) -> String {
    let fit = |char| matches!(char, ' '..='!' | '#'..='[' | ']'..='~');
    text.chars()
        .map(|char| if fit(char) { char } else { '?' })
        .collect()
}

#[cfg(test)]
mod tests;
