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

/// Prints the table of goals. Fails if a row was not measured and no program says why.
pub(crate) fn print(figures: &Figures) -> Result {
    let table = Table::of(figures);
    println!("{}", table.text());
    match table.lost() {
        None => Ok(()),
        Some(lost) => Err(lost.into()),
    }
}

/// Writes the page. Fails if a figure of the page was not measured.
pub(crate) fn write(figures: &Figures) -> Result {
    fs::write(PAGE, page::page(figures, &conditions())?)?;
    println!("wrote {PAGE}");
    Ok(())
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
    fn the_figures_of_the_readme_are_those_of_the_page() {
        let page = read(PAGE);
        let readme = read("README.md");
        let mut items = page.lines().filter_map(|line| line.strip_prefix("- "));
        let sentence = items.find(|item| item.starts_with(page::TASKS_SENTENCE));
        let sentence = sentence.unwrap().trim_end_matches('.');
        assert!(readme.contains(sentence), "README.md lacks: {sentence}");
    }
}
