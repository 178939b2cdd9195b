//! What the crates cost: the table of goals, and the page "Costs" of auth-tower's documentation.
//! Both are made from the figures of a bench run.

pub(crate) mod figures;
mod page;
mod plot;
mod rows;
mod table;

use std::{fs, process::Command};

use crate::Result;
use figures::Figures;
use page::Conditions;
use table::Table;

const PAGE: &str = "crates/auth-tower/src/_documentation/costs.md";
const README: &str = "README.md";
/// How the sentence begins that README.md repeats.
const TASKS: &str = "16 tasks on ";

/// Prints the table of goals. Fails if a row misses its limit, or was not measured and no program
/// says why.
pub(crate) fn print(figures: &Figures) -> Result {
    let table = Table::of(figures);
    println!("{}", table.text());
    let errors: Vec<_> = table.lost().into_iter().chain(table.missed()).collect();
    if errors.is_empty() {
        return Ok(());
    }
    Err(errors.join("; ").into())
}

/// Writes the page, and the sentence of README.md that repeats a figure. Fails if a program did not
/// run that measures a figure of the page.
pub(crate) fn write(figures: &Figures) -> Result {
    let conditions = conditions();
    let page = page::page(figures, &conditions)?;
    let sentence = page::tasks_sentence(figures, conditions.processors)?;
    let readme = with_sentence(&fs::read_to_string(README)?, &sentence)?;
    fs::write(PAGE, page)?;
    fs::write(README, readme)?;
    println!("wrote {PAGE} and the figure in {README}");
    Ok(())
}

/// Replaces the sentence of README.md that begins as this one.
fn with_sentence(readme: &str, sentence: &str) -> Result<String> {
    let lines = readme.lines();
    let line = lines.into_iter().find(|line| line.starts_with(TASKS));
    let old = line.and_then(|line| line.split(':').next());
    let old = old.ok_or_else(|| format!("{README} has no line that begins with {TASKS:?}"))?;
    Ok(readme.replacen(old, sentence, 1))
}

fn conditions() -> Conditions {
    let first_line = |program: &str, arguments: &[&str]| {
        let output = Command::new(program).args(arguments).output().ok()?;
        let text = String::from_utf8(output.stdout).ok()?;
        Some(text.lines().next()?.to_owned())
    };
    let unknown = || String::from("unknown");
    let processors = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = processors
        .lines()
        .find(|line| line.starts_with("model name"))
        .and_then(|line| line.split(": ").nth(1));
    Conditions {
        date: first_line("date", &["-u", "+%Y-%m-%d"]).unwrap_or_else(unknown),
        processors: std::thread::available_parallelism().map_or(0, usize::from),
        model: model.map_or_else(unknown, str::to_owned),
        compiler: first_line("rustc", &["--version"]).unwrap_or_else(unknown),
    }
}

#[cfg(test)]
mod tests {
    use super::{rows::ROWS, table::UNKNOWN, *};

    fn read(path: &str) -> String {
        fs::read_to_string(crate::cargo::root().unwrap().join(path)).unwrap()
    }

    #[test]
    fn the_page_has_every_row_of_the_table_of_goals() {
        let page = read(PAGE);
        for row in ROWS {
            let lines = page
                .lines()
                .filter(|line| line.starts_with(&format!("| {} | ", row.what)));
            assert_eq!(lines.count(), 1, "{}", row.what);
        }
        assert!(!page.contains(UNKNOWN));
    }

    #[test]
    fn the_figure_of_the_readme_is_that_of_the_page() {
        let (page, readme) = (read(PAGE), read(README));
        let mut items = page.lines().filter_map(|line| line.strip_prefix("- "));
        let sentence = items.find(|item| item.starts_with(TASKS)).unwrap();
        let sentence = sentence.trim_end_matches('.');
        assert!(readme.contains(sentence), "README.md lacks: {sentence}");
    }

    #[test]
    fn the_sentence_of_the_readme_is_replaced() {
        let readme = "# A\n\n16 tasks on a core sign: [costs](c.md).\n";
        let new = with_sentence(readme, "16 tasks on two cores sign more").unwrap();
        assert_eq!(
            new,
            "# A\n\n16 tasks on two cores sign more: [costs](c.md).\n"
        );
        assert!(with_sentence("# A\n", "16 tasks").is_err());
    }
}
