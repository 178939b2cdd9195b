use std::ops::Range;

use super::{
    build::VARIABLE,
    mutant::{Mutant, Span},
};

/// A file with all its mutants: each function chooses at run time which of its bodies it runs.
/// So one build serves all mutants.
pub(super) struct Woven {
    pub(super) text: String,
    /// The lines of each mutant, and its number.
    lines: Vec<(Range<usize>, usize)>,
    /// The mutants that need separate builds: in constants, and in functions that can have
    /// only one body.
    pub(super) left: Vec<usize>,
}

/// A function, and the numbers of its mutants.
struct Function<'a> {
    bytes: Range<usize>,
    mutants: Vec<(usize, &'a Mutant)>,
}

impl Woven {
    /// `mutants`: those of this file, with their numbers. No number is 0.
    pub(super) fn new(text: &str, mutants: &[(usize, &Mutant)]) -> Self {
        let mut woven = Self {
            text: String::new(),
            lines: Vec::new(),
            left: Vec::new(),
        };
        let mut done = 0;
        for function in functions(text, mutants) {
            let Some(body) = body(text, &function.bytes) else {
                let numbers = function.mutants.iter().map(|(number, _)| *number);
                woven.left.extend(numbers);
                continue;
            };
            woven.text += &text[done..body.start];
            woven.text += "\nmatch crate::mutant_number() {\n";
            for (number, mutant) in function.mutants {
                let Some(changed) = changed(text, &body, mutant) else {
                    woven.left.push(number);
                    continue;
                };
                let start = woven.line();
                woven.text += &format!("{number} => {{\n{changed}\n}}\n");
                woven.lines.push((start..woven.line(), number));
            }
            woven.text += "_ => {\n";
            woven.text += &text[body.clone()];
            woven.text += "\n}\n}\n";
            done = body.end;
        }
        woven.text += &text[done..];
        let is_in_function = |mutant: &Mutant| mutant.function.is_some();
        let outside = mutants.iter().filter(|(_, it)| !is_in_function(it));
        woven.left.extend(outside.map(|(number, _)| *number));
        woven
    }

    /// Returns the number of the mutant whose code has this line.
    pub(super) fn at(&self, line: usize) -> Option<usize> {
        let mut lines = self.lines.iter();
        let found = lines.find(|(range, _)| range.contains(&line));
        found.map(|(_, number)| *number)
    }

    /// The line that comes next, counted from 1.
    fn line(&self) -> usize {
        self.text.matches('\n').count() + 1
    }
}

/// The function that each function with mutants calls. It becomes part of the crate's root.
pub(super) fn chooser() -> String {
    format!(
        r#"
#[doc(hidden)]
pub fn mutant_number() -> usize {{
    static NUMBER: std::sync::OnceLock<usize> = std::sync::OnceLock::new();
    *NUMBER.get_or_init(|| {{
        let number = std::env::var("{VARIABLE}").ok();
        number.and_then(|number| number.parse().ok()).unwrap_or(0)
    }})
}}
"#
    )
}

/// Returns the file with one change.
pub(super) fn mutated(text: &str, mutant: &Mutant) -> Option<String> {
    changed(text, &(0..text.len()), mutant)
}

/// Returns a part of the text with the change.
fn changed(text: &str, part: &Range<usize>, mutant: &Mutant) -> Option<String> {
    let Range { start, end } = mutant.span.bytes(text)?;
    let before = text.get(part.start..start)?;
    let after = text.get(end..part.end)?;
    Some(format!("{before}{}{after}", mutant.replacement))
}

/// Returns the outermost functions in the order of the text.
fn functions<'a>(text: &str, mutants: &[(usize, &'a Mutant)]) -> Vec<Function<'a>> {
    let mut found: Vec<Function<'a>> = Vec::new();
    let mut inside: Vec<_> = mutants
        .iter()
        .filter_map(|(number, mutant)| {
            let bytes = mutant.function.and_then(|span: Span| span.bytes(text))?;
            Some((bytes, *number, *mutant))
        })
        .collect();
    inside.sort_by_key(|(bytes, _, _)| (bytes.start, std::cmp::Reverse(bytes.end)));
    for (bytes, number, mutant) in inside {
        match found.last_mut() {
            Some(last) if bytes.end <= last.bytes.end => last.mutants.push((number, mutant)),
            _ => found.push(Function {
                bytes,
                mutants: vec![(number, mutant)],
            }),
        }
    }
    found
}

/// Returns what is between the braces. `None`: the function can have only one body, because its
/// result has an unnamed type or because the compiler runs it.
fn body(text: &str, function: &Range<usize>) -> Option<Range<usize>> {
    // The range begins with the documentation, whose examples have functions too.
    let item = without_comments(&text[function.clone()]);
    let name = item.find("fn ")?;
    let open = name + item[name..].find('{')?;
    let signature = &item[..open];
    let result = signature.split_once("->").map_or("", |(_, result)| result);
    if signature[..name].contains("const") || result.contains("impl ") {
        return None;
    }
    let close = item.rfind('}')?;
    Some(function.start + open + 1..function.start + close)
}

/// Replaces the lines of comments by blanks. All other text keeps its place.
fn without_comments(text: &str) -> String {
    let lines = text.split_inclusive('\n').map(|line| {
        if line.trim_start().starts_with("//") {
            let blank = " ".repeat(line.trim_end_matches('\n').len());
            blank + &line[line.trim_end_matches('\n').len()..]
        } else {
            line.to_owned()
        }
    });
    lines.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mutants::mutant::Place;

    fn span(start: (usize, usize), end: (usize, usize)) -> Span {
        let place = |(line, column)| Place { line, column };
        Span {
            start: place(start),
            end: place(end),
        }
    }

    fn mutant(span: Span, function: Option<Span>) -> Mutant {
        Mutant {
            name: String::new(),
            file: String::new(),
            span,
            replacement: "-".into(),
            function,
        }
    }

    #[test]
    fn a_function_chooses_among_its_bodies() {
        let text = "const A: u8 = 1 + 2;\nfn f() -> u8 {\n    3 + 4\n}\nfn g() {}\n";
        let function = span((2, 1), (4, 2));
        let plus = mutant(span((3, 7), (3, 8)), Some(function));
        let constant = mutant(span((1, 17), (1, 18)), None);
        let woven = Woven::new(text, &[(7, &plus), (8, &constant)]);
        assert_eq!(
            woven.text,
            "const A: u8 = 1 + 2;\nfn f() -> u8 {\nmatch crate::mutant_number() {\n7 => {\n\n    3 - 4\n\n}\n_ => {\n\n    3 + 4\n\n}\n}\n}\nfn g() {}\n"
        );
        assert_eq!(woven.left, [8]);
        let lines: Vec<_> = (1..20).filter(|line| woven.at(*line).is_some()).collect();
        assert_eq!(lines, [4, 5, 6, 7, 8]);
        assert_eq!(woven.at(6), Some(7));
        assert_eq!(
            mutated(text, &constant).as_deref(),
            Some(text.replace("1 + 2", "1 - 2").as_str())
        );
    }

    #[test]
    fn examples_in_the_documentation_are_no_functions() {
        let text = "/// é\n/// fn main() {\n/// }\nfn f() -> u8 {\n    3 + 4\n}\n";
        let function = span((1, 1), (6, 2));
        let plus = mutant(span((5, 7), (5, 8)), Some(function));
        let woven = Woven::new(text, &[(7, &plus)]);
        assert!(woven.text.starts_with(
            "/// é\n/// fn main() {\n/// }\nfn f() -> u8 {\nmatch crate::mutant_number() {\n"
        ));
        assert!(woven.text.contains("3 - 4"));
    }

    #[test]
    fn a_function_in_a_function_is_part_of_the_outer_one() {
        let text = "fn f() {\n    fn g() { 1 + 1 }\n    2 + 2\n}\n";
        let (outer, inner) = (span((1, 1), (4, 2)), span((2, 5), (2, 21)));
        let one = mutant(span((2, 16), (2, 17)), Some(inner));
        let two = mutant(span((3, 7), (3, 8)), Some(outer));
        let woven = Woven::new(text, &[(1, &one), (2, &two)]);
        assert_eq!(woven.text.matches("mutant_number").count(), 1);
        assert!(woven.text.contains("1 - 1") && woven.text.contains("2 - 2"));
    }

    #[test]
    fn constant_functions_and_unnamed_results_need_their_own_builds() {
        for text in [
            "const fn f() -> u8 { 1 + 2 }",
            "fn f() -> impl Sized { 1 + 2 }",
        ] {
            let end = (1, text.len() + 1);
            let plus = text.find('+').unwrap() + 1;
            let mutant = mutant(span((1, plus), (1, plus + 1)), Some(span((1, 1), end)));
            let woven = Woven::new(text, &[(1, &mutant)]);
            assert_eq!((woven.text.as_str(), woven.left), (text, vec![1]));
        }
    }
}
