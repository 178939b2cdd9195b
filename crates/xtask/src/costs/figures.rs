//! The figures of a bench run, as the bench programs write them: one JSON object per line.

use std::{collections::HashMap, fmt};

use serde_json::Value;

use crate::Result;

/// The figures of all programs.
#[derive(Default)]
pub(crate) struct Figures {
    figures: HashMap<Id, Figure>,
    /// Why a program has not measured all of its figures, by the program's name.
    not_measured: HashMap<String, String>,
}

#[derive(PartialEq, Eq, Hash)]
struct Id {
    bench: String,
    figure: String,
}

/// One figure.
#[derive(Clone, Copy)]
pub(crate) struct Figure {
    pub(crate) value: f64,
    /// The bound at which the bench program fails.
    pub(crate) limit: Option<Bound>,
    pub(crate) goal: Option<Bound>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Bound {
    AtMost(f64),
    AtLeast(f64),
}

/// What a run says about one figure.
pub(crate) enum Reading<'a> {
    Measured(Figure),
    /// The program ran, and says why it could not measure the figure.
    NotMeasured(&'a str),
    /// No program mentions the figure.
    Lost,
}

/// What a program means by the bound "unjudged".
const BUSY: &str = "the machine was too busy";

impl Figures {
    pub(crate) fn parse(json: &str) -> Result<Self> {
        let mut figures = Self::default();
        for line in json.lines() {
            let line: Value =
                serde_json::from_str(line).map_err(|error| format!("{line}: {error}"))?;
            let text = |name: &str| line[name].as_str().unwrap_or_default().to_owned();
            let bench = text("bench");
            if let Some(reason) = line["not_measured"].as_str() {
                figures.not_measured.insert(bench, reason.to_owned());
                continue;
            }
            let figure = Figure {
                value: match text("bound").as_str() {
                    "unjudged" => f64::NAN,
                    _ => line["value"].as_f64().unwrap_or(f64::NAN),
                },
                limit: Bound::parse(&text("bound"), &line["limit"]),
                goal: Bound::parse(&text("goal_bound"), &line["goal"]),
            };
            let id = Id {
                bench,
                figure: text("figure"),
            };
            figures.figures.insert(id, figure);
        }
        Ok(figures)
    }

    pub(crate) fn read(&self, bench: &str, figure: &str) -> Reading<'_> {
        let id = Id {
            bench: bench.to_owned(),
            figure: figure.to_owned(),
        };
        match self.figures.get(&id) {
            Some(figure) if figure.value.is_nan() => Reading::NotMeasured(BUSY),
            Some(figure) => Reading::Measured(*figure),
            None => match self.not_measured.get(bench) {
                Some(reason) => Reading::NotMeasured(reason),
                None => Reading::Lost,
            },
        }
    }

    /// Returns the value of a figure, NaN if its program could not measure it. Fails if no program
    /// mentions the figure.
    pub(crate) fn value(&self, bench: &str, figure: &str) -> Result<f64> {
        match self.read(bench, figure) {
            Reading::Measured(figure) => Ok(figure.value),
            Reading::NotMeasured(_) => Ok(f64::NAN),
            Reading::Lost => {
                Err(format!("figure \"{figure}\" of \"{bench}\" was not measured").into())
            }
        }
    }

    /// Returns the names and values of a program's figures with this prefix, the largest first.
    pub(crate) fn largest_first(&self, bench: &str, prefix: &str) -> Vec<(&str, f64)> {
        let of_bench = self.figures.iter().filter(|(id, _)| id.bench == bench);
        let mut found: Vec<_> = of_bench
            .filter_map(|(id, figure)| Some((id.figure.strip_prefix(prefix)?, figure.value)))
            .collect();
        found.sort_by(|(name, value), (other_name, other)| {
            other.total_cmp(value).then(name.cmp(other_name))
        });
        found
    }

    /// Compares the counts of two runs. Returns for each program how many counts there are, how many
    /// are the same in both, and the largest difference as a share.
    pub(crate) fn compare(&self, other: &Self) -> Vec<Repeat> {
        let mut repeats: Vec<Repeat> = Vec::new();
        for (id, figure) in &self.figures {
            let is_count = COUNTS.iter().any(|unit| id.figure.ends_with(unit));
            let Some(again) = other.figures.get(id).filter(|_| is_count) else {
                continue;
            };
            let at = repeats.iter().position(|repeat| repeat.bench == id.bench);
            let at = at.unwrap_or_else(|| {
                repeats.push(Repeat::new(id.bench.clone()));
                repeats.len() - 1
            });
            repeats[at].add(figure.value, again.value);
        }
        repeats.sort_by(|one, other| one.bench.cmp(&other.bench));
        repeats
    }
}

/// How the names of counts end.
const COUNTS: [&str; 2] = [": instructions", ": allocations"];

/// How well the counts of a program repeat.
#[derive(Debug, PartialEq)]
pub(crate) struct Repeat {
    pub(crate) bench: String,
    pub(crate) counts: u32,
    pub(crate) same: u32,
    /// The largest difference, as a share of the count.
    pub(crate) most: f64,
}

impl Repeat {
    fn new(bench: String) -> Self {
        Self {
            bench,
            counts: 0,
            same: 0,
            most: 0.0,
        }
    }

    fn add(&mut self, one: f64, other: f64) {
        self.counts += 1;
        let difference = (one - other).abs();
        if difference == 0.0 {
            self.same += 1;
        } else {
            // A count of nearly zero allocations would make any difference large.
            self.most = self
                .most
                .max(difference / one.abs().max(other.abs()).max(1.0));
        }
    }
}

impl Bound {
    fn parse(direction: &str, number: &Value) -> Option<Self> {
        match direction {
            "at most" => number.as_f64().map(Self::AtMost),
            "at least" => number.as_f64().map(Self::AtLeast),
            _ => None,
        }
    }

    pub(crate) fn holds(self, value: f64) -> bool {
        match self {
            Self::AtMost(most) => value <= most,
            Self::AtLeast(least) => value >= least,
        }
    }
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtMost(most) => write!(f, "<= {}", number(*most)),
            Self::AtLeast(least) => write!(f, ">= {}", number(*least)),
        }
    }
}

/// Formats a number with three digits that count: 1.74, 338, 2,205.
pub(crate) fn number(value: f64) -> String {
    if value.is_nan() {
        return NOT_MEASURED.to_owned();
    }
    let size = value.abs();
    if size >= 1_000.0 {
        return thousands(value);
    }
    let text = match size {
        100.0.. => return format!("{value:.0}"),
        10.0.. => format!("{value:.1}"),
        0.095.. => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    };
    let text = text.trim_end_matches('0').trim_end_matches('.');
    String::from(if text == "-0" { "0" } else { text })
}

/// Formats a number with this many digits after the point.
pub(crate) fn fixed(value: f64, digits: usize) -> String {
    if value.is_nan() {
        return NOT_MEASURED.to_owned();
    }
    format!("{value:.digits$}")
}

const NOT_MEASURED: &str = "(not measured)";

fn thousands(value: f64) -> String {
    let digits = format!("{:.0}", value.abs());
    let mut text = String::from(if value < 0.0 { "-" } else { "" });
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(figure: &str, value: &str, bound: &str) -> String {
        format!(
            r#"{{"bench":"b","figure":"{figure}","value":{value},"bound":"{bound}","limit":2,"goal_bound":"at most","goal":1.5,"verdict":"holds"}}"#
        )
    }

    #[test]
    fn a_figure_has_its_value_limit_and_goal() {
        let figures = Figures::parse(&line("f", "1.6", "at most")).unwrap();
        let Reading::Measured(figure) = figures.read("b", "f") else {
            panic!("it is measured");
        };
        assert_eq!(figure.value, 1.6);
        assert_eq!(figure.limit, Some(Bound::AtMost(2.0)));
        assert_eq!(figure.goal, Some(Bound::AtMost(1.5)));
    }

    #[test]
    fn the_same_name_in_another_program_is_another_figure() {
        let figures = Figures::parse(&line("f", "1.6", "at most")).unwrap();
        assert!(matches!(figures.read("c", "f"), Reading::Lost));
        assert!(figures.value("c", "f").is_err());
    }

    #[test]
    fn what_a_busy_machine_prevents_is_not_measured() {
        for (value, bound) in [("1.6", "unjudged"), ("null", "unjudged"), ("null", "none")] {
            let figures = Figures::parse(&line("f", value, bound)).unwrap();
            assert!(matches!(figures.read("b", "f"), Reading::NotMeasured(BUSY)));
            let value = figures.value("b", "f").unwrap();
            assert_eq!([number(value), fixed(value, 1)], [NOT_MEASURED; 2]);
        }
    }

    #[test]
    fn a_program_says_why_its_figures_are_missing() {
        let json = r#"{"bench":"b","not_measured":"valgrind is not installed"}"#;
        let figures = Figures::parse(json).unwrap();
        let Reading::NotMeasured(reason) = figures.read("b", "f") else {
            panic!("a reason");
        };
        assert_eq!(reason, "valgrind is not installed");
        assert!(matches!(figures.read("c", "f"), Reading::Lost));
    }

    #[test]
    fn a_line_that_is_not_json_is_an_error() {
        assert!(Figures::parse("figure: 3").is_err());
    }

    #[test]
    fn only_counts_are_compared_and_the_largest_difference_is_found() {
        let parse = |instructions: [&str; 2], nanos: &str| {
            let lines = [
                line("a: instructions", instructions[0], "none"),
                line("b: instructions", instructions[1], "none"),
                line("a: ns", nanos, "none"),
            ];
            Figures::parse(&lines.join("\n")).unwrap()
        };
        let repeats = parse(["200", "300"], "4").compare(&parse(["201", "300"], "9"));
        let expected = Repeat {
            bench: String::from("b"),
            counts: 2,
            same: 1,
            most: 1.0 / 201.0,
        };
        assert_eq!(repeats, [expected]);
    }

    #[test]
    fn numbers_have_three_digits_that_count() {
        for (value, text) in [
            (0.0, "0"),
            (-0.0001, "0"),
            (0.0123, "0.012"),
            (1.0, "1"),
            (1.744, "1.74"),
            (33.25, "33.2"),
            (338.4, "338"),
            (2205.0, "2,205"),
            (1_234_567.0, "1,234,567"),
            (-1234.0, "-1,234"),
        ] {
            assert_eq!(number(value), text);
        }
    }
}
