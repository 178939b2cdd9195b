use serde_json::Value;

use crate::Result;

/// A small change of the code, as cargo-mutants lists it.
#[derive(Clone, Debug)]
pub(super) struct Mutant {
    /// `file:line:column: what`.
    pub(super) name: String,
    pub(super) file: String,
    pub(super) span: Span,
    pub(super) replacement: String,
    /// `None`: the change is in a constant.
    pub(super) function: Option<Span>,
}

/// A part of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) start: Place,
    pub(super) end: Place,
}

/// Line and column count from 1, a column is a character.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) line: usize,
    pub(super) column: usize,
}

impl Mutant {
    /// Reads the output of `cargo mutants --list --json`.
    pub(super) fn parse_all(json: &str) -> Result<Vec<Self>> {
        let all: Vec<Value> = serde_json::from_str(json)?;
        let parsed: Option<Vec<_>> = all.iter().map(Self::parse).collect();
        parsed.ok_or_else(|| "the list of cargo-mutants has an unknown format".into())
    }

    fn parse(value: &Value) -> Option<Self> {
        let text = |name: &str| Some(value[name].as_str()?.to_owned());
        let function = &value["function"];
        Some(Self {
            name: text("name")?,
            file: text("file")?,
            replacement: text("replacement")?,
            span: Span::parse(&value["span"])?,
            function: if function.is_null() {
                None
            } else {
                Some(Span::parse(&function["span"])?)
            },
        })
    }
}

impl Span {
    fn parse(value: &Value) -> Option<Self> {
        let place = |value: &Value| {
            let number = |name: &str| usize::try_from(value[name].as_u64()?).ok();
            Some(Place {
                line: number("line")?,
                column: number("column")?,
            })
        };
        Some(Self {
            start: place(&value["start"])?,
            end: place(&value["end"])?,
        })
    }

    /// Returns the bytes of the text. `None`: the text is shorter.
    pub(super) fn bytes(self, text: &str) -> Option<std::ops::Range<usize>> {
        Some(self.start.byte(text)?..self.end.byte(text)?)
    }
}

impl Place {
    fn byte(self, text: &str) -> Option<usize> {
        let line = match self.line.checked_sub(1)? {
            0 => 0,
            before => text.match_indices('\n').nth(before - 1)?.0 + 1,
        };
        let rest = text.get(line..)?;
        let mut ends = rest.char_indices().map(|(index, _)| index);
        let column = ends.nth(self.column.checked_sub(1)?);
        Some(line + column.unwrap_or(rest.len()))
    }
}
