//! The grammar of challenges (RFC 9110 sections 5.6 and 11.2 to 11.4).
//!
//! This crate has its own parser because `http-auth` 0.1.10, the best maintained crate for
//! challenges, rejects a line with a token68 (`Negotiate abc==, DPoP ...`), with several spaces or
//! a tab after a scheme, or with a byte of 0x80 or above; it also needs a `&str` and collects an
//! unlimited number of parameters. This parser reads bytes in place from front to back, without
//! allocation and without backtracking before an item that it returned.

/// A part of a list of challenges, in the order of the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Item<'a> {
    /// A challenge begins. Its token68, if any, is skipped.
    Scheme(&'a [u8]),
    /// A parameter of the latest challenge.
    Param(&'a [u8], Value<'a>),
}

/// A parameter's value: a token, or the text between quotes with its escapes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Value<'a>(&'a [u8]);

impl<'a> Value<'a> {
    /// Returns the bytes without the backslashes of escapes. A token contains none.
    pub(super) fn bytes(self) -> impl Iterator<Item = u8> + 'a {
        let mut raw = self.0.iter().copied();
        std::iter::from_fn(move || match raw.next() {
            Some(b'\\') => raw.next(),
            byte => byte,
        })
    }

    pub(super) fn is(self, text: &str) -> bool {
        self.bytes().eq(text.bytes())
    }

    /// Returns the text if it is printable ASCII and at most `max` bytes long.
    pub(super) fn printable(self, max: usize) -> Option<String> {
        if self.0.len() > max {
            return None;
        }
        let printable = |byte| matches!(byte, b' '..=b'~').then_some(char::from(byte));
        self.bytes().map(printable).collect()
    }
}

/// Iterates over one header line. Ends at the line's end or at the first violation of the grammar.
///
/// More tolerant than the grammar, as many senders require: any sequence of spaces and tabs for a
/// space, empty list elements anywhere, every byte except `"` and `\` in a quoted string. A
/// violation directly after a scheme or a value is noticed after that item was returned.
#[derive(Clone, Debug)]
pub(super) struct Items<'a> {
    rest: &'a [u8],
    place: Place,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Start,
    AfterScheme,
    AfterToken68,
    AfterParam,
}

impl<'a> Items<'a> {
    pub(super) fn new(line: &'a [u8]) -> Self {
        Self {
            rest: line,
            place: Place::Start,
        }
    }

    fn scheme(&mut self) -> Option<Item<'a>> {
        self.place = Place::AfterScheme;
        let scheme = self.run(is_token);
        (!scheme.is_empty()).then_some(Item::Scheme(scheme))
    }

    /// Reads `name = value`, or consumes nothing.
    fn param(&mut self) -> Option<Item<'a>> {
        let mut ahead = self.clone();
        let name = ahead.run(is_token);
        ahead.run(is_space);
        ahead.rest = ahead.rest.strip_prefix(b"=").filter(|_| !name.is_empty())?;
        ahead.run(is_space);
        let value = match ahead.rest.strip_prefix(b"\"") {
            Some(quoted) => {
                let length = quoted_length(quoted)?;
                let (value, rest) = quoted.split_at_checked(length)?;
                ahead.rest = rest.strip_prefix(b"\"")?;
                value
            }
            None => Some(ahead.run(is_token)).filter(|token| !token.is_empty())?,
        };
        ahead.place = Place::AfterParam;
        *self = ahead;
        Some(Item::Param(name, Value(value)))
    }

    /// Reads a token68 that fills its list element, or consumes nothing.
    fn token68(&mut self) -> bool {
        let mut ahead = self.clone();
        let found = !ahead.run(is_token68).is_empty();
        ahead.run(|byte| byte == b'=');
        ahead.run(is_space);
        let found = found && ahead.rest.first().is_none_or(|&byte| byte == b',');
        if found {
            *self = ahead;
        }
        found
    }

    /// Reads the longest sequence of such bytes.
    fn run(&mut self, accept: impl Fn(u8) -> bool) -> &'a [u8] {
        let length = self.rest.iter().take_while(|&&byte| accept(byte)).count();
        let (run, rest) = self
            .rest
            .split_at_checked(length)
            .unwrap_or((self.rest, &[]));
        self.rest = rest;
        run
    }
}

impl<'a> Iterator for Items<'a> {
    type Item = Item<'a>;

    fn next(&mut self) -> Option<Item<'a>> {
        let spaced = !self.run(is_space).is_empty();
        if self.place == Place::AfterScheme && spaced {
            if self.token68() {
                self.place = Place::AfterToken68;
            } else if let Some(param) = self.param() {
                return Some(param);
            }
        }
        let commas = self.run(|byte| byte == b',' || is_space(byte));
        if commas.is_empty() && self.place != Place::Start {
            return None;
        }
        // A comma separates challenges and parameters; only the text after the next name
        // distinguishes them.
        if matches!(self.place, Place::AfterScheme | Place::AfterParam) {
            if let Some(param) = self.param() {
                return Some(param);
            }
        }
        self.scheme()
    }
}

/// Returns the number of bytes before the closing quote. `None` without a closing quote.
fn quoted_length(quoted: &[u8]) -> Option<usize> {
    let mut bytes = quoted.iter().enumerate();
    while let Some((index, byte)) = bytes.next() {
        match byte {
            b'"' => return Some(index),
            b'\\' => _ = bytes.next(),
            _ => {}
        }
    }
    None
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

fn is_token68(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte)
}
