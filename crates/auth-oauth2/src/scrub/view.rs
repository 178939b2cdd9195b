use std::ops::Range;

use zeroize::Zeroizing;

/// A text with some encodings decoded, and for each byte its position in the original text.
#[derive(Clone)]
pub(super) struct View {
    pub(super) bytes: Zeroizing<Vec<u8>>,
    pub(super) spans: Vec<Range<usize>>,
}

/// The maximum number of nested encodings.
const DEPTH: usize = 2;

impl View {
    pub(super) fn new(text: &str) -> Self {
        Self {
            bytes: Zeroizing::new(text.as_bytes().to_vec()),
            spans: (0..text.len()).map(|at| at..at + 1).collect(),
        }
    }

    /// Calls `look` with the text, and with each likely combination of encodings decoded.
    pub(super) fn for_each(&self, mut look: impl FnMut(&Self)) {
        self.undo(DEPTH, &mut look);
    }

    fn undo(&self, depth: usize, look: &mut impl FnMut(&Self)) {
        look(self);
        if depth > 0 {
            for view in [
                self.json_unescaped(),
                self.percent_decoded(),
                self.html_unescaped(),
            ]
            .into_iter()
            .flatten()
            {
                view.undo(depth - 1, look);
            }
        }
    }

    /// Returns `None` if there is nothing to decode.
    fn percent_decoded(&self) -> Option<Self> {
        self.bytes.contains(&b'%').then(|| {
            self.replaced(|rest| match rest {
                [b'%', high, low, ..] => Some((3, Decoded::byte(hex(*high)? << 4 | hex(*low)?))),
                _ => None,
            })
        })
    }

    /// Returns `None` if there is nothing to unescape.
    fn json_unescaped(&self) -> Option<Self> {
        self.bytes.contains(&b'\\').then(|| {
            self.replaced(|rest| {
                let [b'\\', escaped, ..] = rest else {
                    return None;
                };
                let byte = match escaped {
                    b'"' | b'\\' | b'/' => *escaped,
                    b'b' => 0x08,
                    b'f' => 0x0c,
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    // Not JSON, but many languages print bytes this way.
                    b'x' => return byte_escape(rest),
                    _ => return unicode_escape(rest),
                };
                Some((2, Decoded::byte(byte)))
            })
        })
    }

    /// Returns `None` if there is nothing to decode.
    fn html_unescaped(&self) -> Option<Self> {
        self.bytes.contains(&b'&').then(|| self.replaced(entity))
    }

    fn replaced(&self, decode: impl Fn(&[u8]) -> Option<(usize, Decoded)>) -> Self {
        let mut view = Self {
            bytes: Zeroizing::new(Vec::with_capacity(self.bytes.len())),
            spans: Vec::with_capacity(self.bytes.len()),
        };
        let mut at = 0;
        while let Some(rest @ [first, ..]) = self.bytes.get(at..) {
            let (taken, decoded) = decode(rest).unwrap_or((1, Decoded::byte(*first)));
            let source = self.spans.get(at..at + taken);
            if let Some([first, .., last] | [first @ last]) = source {
                for byte in decoded.bytes() {
                    view.bytes.push(*byte);
                    view.spans.push(first.start..last.end);
                }
            }
            at += taken;
        }
        view
    }
}

/// The meaning of one escape: at most one character.
struct Decoded {
    bytes: [u8; 4],
    length: usize,
}

impl Decoded {
    fn byte(byte: u8) -> Self {
        Self {
            bytes: [byte, 0, 0, 0],
            length: 1,
        }
    }

    fn char(char: char) -> Self {
        let mut bytes = [0; 4];
        let length = char.encode_utf8(&mut bytes).len();
        Self { bytes, length }
    }

    fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }
}

/// `\x41`.
fn byte_escape(rest: &[u8]) -> Option<(usize, Decoded)> {
    let [b'\\', b'x', high, low, ..] = rest else {
        return None;
    };
    Some((4, Decoded::byte(hex(*high)? << 4 | hex(*low)?)))
}

/// `&amp;`, `&#38;` or `&#x26;`. Browsers accept them without the semicolon too.
fn entity(rest: &[u8]) -> Option<(usize, Decoded)> {
    let text = rest.strip_prefix(b"&")?;
    let end = |from: usize, fits: fn(&u8) -> bool| {
        let digits = text
            .get(from..)?
            .iter()
            .take(10)
            .take_while(|byte| fits(byte));
        Some(from + digits.count()).filter(|end| *end > from)
    };
    let (end, char) = match text {
        [b'#', b'x' | b'X', ..] => {
            let end = end(2, u8::is_ascii_hexdigit)?;
            (end, number(text.get(2..end)?, 16)?)
        }
        [b'#', ..] => {
            let end = end(1, u8::is_ascii_digit)?;
            (end, number(text.get(1..end)?, 10)?)
        }
        _ => {
            let end = end(0, u8::is_ascii_alphabetic)?;
            let name = text.get(..end)?;
            let (_, char) = ENTITIES
                .iter()
                .find(|(known, _)| known.as_bytes() == name)?;
            (end, *char)
        }
    };
    let semicolon = usize::from(text.get(end) == Some(&b';'));
    Some((1 + end + semicolon, Decoded::char(char)))
}

fn number(digits: &[u8], radix: u32) -> Option<char> {
    let digits = std::str::from_utf8(digits).ok()?;
    char::from_u32(u32::from_str_radix(digits, radix).ok()?)
}

/// The characters of printable ASCII that have an entity name (HTML Living Standard section 13.5).
const ENTITIES: [(&str, char); 32] = [
    ("amp", '&'),
    ("apos", '\''),
    ("ast", '*'),
    ("bsol", '\\'),
    ("colon", ':'),
    ("comma", ','),
    ("commat", '@'),
    ("dollar", '$'),
    ("equals", '='),
    ("excl", '!'),
    ("grave", '`'),
    ("gt", '>'),
    ("Hat", '^'),
    ("lbrace", '{'),
    ("lbrack", '['),
    ("lowbar", '_'),
    ("lpar", '('),
    ("lt", '<'),
    ("nbsp", ' '),
    ("num", '#'),
    ("percnt", '%'),
    ("period", '.'),
    ("plus", '+'),
    ("quest", '?'),
    ("quot", '"'),
    ("rbrace", '}'),
    ("rbrack", ']'),
    ("rpar", ')'),
    ("semi", ';'),
    ("sol", '/'),
    ("verbar", '|'),
    ("vert", '|'),
];

/// `\u0041`, or two of them that form a surrogate pair.
fn unicode_escape(rest: &[u8]) -> Option<(usize, Decoded)> {
    let first = unit(rest)?;
    if let Some(char) = char::from_u32(first.into()) {
        return Some((6, Decoded::char(char)));
    }
    let second = unit(rest.get(6..)?)?;
    let char = char::decode_utf16([first, second]).next()?.ok()?;
    Some((12, Decoded::char(char)))
}

fn unit(rest: &[u8]) -> Option<u16> {
    let [b'\\', b'u', digits @ ..] = rest else {
        return None;
    };
    let digits = digits.get(..4)?;
    digits.iter().try_fold(0, |value: u16, digit| {
        Some(value << 4 | u16::from(hex(*digit)?))
    })
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit)
        .to_digit(16)
        .and_then(|digit| u8::try_from(digit).ok())
}
