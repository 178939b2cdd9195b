//! Markdown.

use super::{parts::Part, ran::Ran, table::Table};

pub(crate) fn head() -> String {
    let processors = std::thread::available_parallelism().map_or(0, usize::from);
    format!(
        "# Report of the tests\n\n\
         Made by `cargo xtask report`; do not edit. The command runs the tests and reads the figures \
         that they write. `cargo xtask report explore simulation` runs only these parts, and \
         keeps the last results of the others. Machine: {processors} processors.\n"
    )
}

/// Makes the table of all parts.
pub(crate) fn summary(results: &[(&Part, Option<Ran>)]) -> String {
    let mut table = Table::new(["part", "result", "date", "commit", "wall time"]);
    for (part, ran) in results {
        let cells = match ran {
            Some(ran) if ran.not_run.is_empty() => [
                part.title.to_owned(),
                ran.result().to_owned(),
                ran.date.clone(),
                ran.commit.clone(),
                time(ran.seconds),
            ],
            _ => {
                let [date, commit, wall] = [(); 3].map(|()| String::new());
                [
                    part.title.to_owned(),
                    "not run".to_owned(),
                    date,
                    commit,
                    wall,
                ]
            }
        };
        table.row(cells);
    }
    format!("\n{}", table.text())
}

pub(crate) fn part(part: &Part, ran: Option<&Ran>) -> String {
    let Part {
        name,
        title,
        command,
        otherwise,
        ..
    } = part;
    let mut text = format!(
        "\n## {title}\n\nRepeat: `{command}`. In this report: `cargo xtask report {name}`.\n\n"
    );
    let ran = match ran {
        None => return format!("{text}not run: {otherwise}\n"),
        Some(Ran { not_run, date, .. }) if !not_run.is_empty() => {
            return format!("{text}not run: {not_run} ({date})\n");
        }
        Some(ran) => ran,
    };
    let result = ran.result();
    let Ran { date, commit, .. } = ran;
    text.push_str(&format!(
        "{date}, commit {commit}, {}: {result}.\n",
        time(ran.seconds)
    ));
    for table in (part.tables)(&ran.lines) {
        if !table.is_empty() {
            text.push_str(&format!("\n{}", table.text()));
        }
    }
    text
}

/// Shows seconds as minutes and seconds.
fn time(seconds: u64) -> String {
    match (seconds / 60, seconds % 60) {
        (0, seconds) => format!("{seconds} s"),
        (minutes, seconds) => format!("{minutes} min {seconds} s"),
    }
}
