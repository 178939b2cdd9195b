use std::{collections::BTreeMap, fs, io::ErrorKind, time::SystemTime};

use serde_json::{Value, json};

use super::{
    ledger::{Ledger, Verdict},
    mutant::Mutant,
};
use crate::{
    Result,
    cargo::{output, root},
};

/// The file that other commands read, from the workspace's root.
const FILE: &str = "target/mutants/score.json";

/// Numbers of mutants.
#[derive(Clone, Copy, Default)]
pub(super) struct Score {
    pub(super) caught: usize,
    pub(super) timeouts: usize,
    /// Those with a reason in the list of survivors included.
    pub(super) missed: usize,
    /// Those of the missed that have a reason in the list of survivors.
    pub(super) listed: usize,
    pub(super) unviable: usize,
    /// Not all stages have tested them. They are no part of the score.
    pub(super) not_run: usize,
}

impl Score {
    fn add(&mut self, verdict: Option<Verdict>, last_stage: usize) {
        match verdict {
            Some(Verdict::Caught) => self.caught += 1,
            Some(Verdict::TimedOut) => self.timeouts += 1,
            Some(Verdict::Unviable) => self.unviable += 1,
            Some(Verdict::Missed(stage)) if stage >= last_stage => self.missed += 1,
            Some(Verdict::Missed(_)) | None => self.not_run += 1,
        }
    }

    pub(super) fn plus(self, other: Self) -> Self {
        Self {
            caught: self.caught + other.caught,
            timeouts: self.timeouts + other.timeouts,
            missed: self.missed + other.missed,
            listed: self.listed + other.listed,
            unviable: self.unviable + other.unviable,
            not_run: self.not_run + other.not_run,
        }
    }

    /// Returns caught mutants and time-outs in percent of what compiles. `None`: nothing was run.
    pub(super) fn percent(&self) -> Option<f64> {
        let noticed = self.caught + self.timeouts;
        let viable = noticed + self.missed;
        (viable > 0).then(|| noticed as f64 * 100.0 / viable as f64)
    }

    pub(super) fn text(&self) -> String {
        let percent = self
            .percent()
            .map_or_else(|| "no score".into(), |percent| format!("{percent:.1} %"));
        let mut text = format!(
            "{percent}: {} caught, {} time-outs, {} missed",
            self.caught, self.timeouts, self.missed
        );
        if self.listed > 0 {
            text += &format!(" ({} with a reason)", self.listed);
        }
        text += &format!(", {} do not compile", self.unviable);
        if self.not_run > 0 {
            text += &format!(", {} NOT RUN", self.not_run);
        }
        text
    }
}

/// The scores of a group's files.
pub(super) struct Scores(BTreeMap<String, Score>);

impl Scores {
    pub(super) fn of(ledger: &Ledger, all: &[Mutant], last_stage: usize) -> Self {
        let mut files = BTreeMap::<String, Score>::new();
        for mutant in all {
            let score = files.entry(mutant.file.clone()).or_default();
            score.add(ledger.verdict(&mutant.name), last_stage);
        }
        Self(files)
    }

    pub(super) fn total(&self, listed: usize) -> Score {
        let total = self.0.values().copied().fold(Score::default(), Score::plus);
        Score { listed, ..total }
    }

    pub(super) fn print(&self) {
        for (file, score) in &self.0 {
            println!("  {file}: {}", score.text());
        }
    }

    /// Replaces what the file says of this group.
    pub(super) fn write(&self, group: &str, total: Score) -> Result {
        let mut groups = known()?;
        groups.retain(|it| it["group"] != group);
        let files: BTreeMap<_, _> = self
            .0
            .iter()
            .map(|(file, score)| (file, figures(*score)))
            .collect();
        let mut entry = figures(total);
        entry["group"] = group.into();
        entry["listed"] = total.listed.into();
        entry["date"] = today()?.into();
        entry["commit"] = commit()?.into();
        entry["files"] = json!(files);
        groups.push(entry);
        fs::write(root()?.join(FILE), serde_json::to_string_pretty(&groups)?)?;
        Ok(())
    }
}

/// Returns what the file says of each group. Empty if no group was run.
pub(super) fn known() -> Result<Vec<Value>> {
    match fs::read_to_string(root()?.join(FILE)) {
        Ok(text) => Ok(serde_json::from_str(&text)?),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(format!("{FILE}: {error}").into()),
    }
}

fn figures(score: Score) -> Value {
    json!({
        "caught": score.caught,
        "timeouts": score.timeouts,
        "missed": score.missed,
        "unviable": score.unviable,
        "not_run": score.not_run,
        "percent": score.percent(),
    })
}

/// Returns the commit, with `-dirty` behind it if files differ from it.
fn commit() -> Result<String> {
    let mut describe = std::process::Command::new("git");
    describe
        .current_dir(root()?)
        .args(["describe", "--always", "--dirty", "--exclude=*"]);
    Ok(output(&mut describe)?.trim().to_owned())
}

fn today() -> Result<String> {
    let since = SystemTime::UNIX_EPOCH.elapsed()?;
    Ok(date(since.as_secs() / 86_400))
}

/// Returns the date of a day after 1970-01-01 as `YYYY-MM-DD`.
fn date(days: u64) -> String {
    let is_leap = |year: u64| year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let (mut year, mut left) = (1970, days);
    loop {
        let length = if is_leap(year) { 366 } else { 365 };
        if left < length {
            break;
        }
        left -= length;
        year += 1;
    }
    let february = if is_leap(year) { 29 } else { 28 };
    let mut month = 1;
    for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if left < length {
            break;
        }
        left -= length;
        month += 1;
    }
    format!("{year}-{month:02}-{:02}", left + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_score_leaves_out_what_does_not_compile_and_what_was_not_run() {
        let verdicts = [
            Some(Verdict::Caught),
            Some(Verdict::Caught),
            Some(Verdict::TimedOut),
            Some(Verdict::Unviable),
            Some(Verdict::Missed(1)),
            Some(Verdict::Missed(0)),
            None,
        ];
        let mut score = Score::default();
        assert_eq!(score.percent(), None);
        for verdict in verdicts {
            score.add(verdict, 1);
        }
        assert_eq!(score.percent(), Some(75.0));
        assert_eq!(
            score.text(),
            "75.0 %: 2 caught, 1 time-outs, 1 missed, 1 do not compile, 2 NOT RUN"
        );
    }

    #[test]
    fn dates_are_those_of_the_calendar() {
        let dates = [
            (0, "1970-01-01"),
            (59, "1970-03-01"),
            (10_957, "2000-01-01"),
            (11_016, "2000-02-29"),
            (11_017, "2000-03-01"),
            (20_786, "2026-11-29"),
        ];
        for (days, expected) in dates {
            assert_eq!(date(days), expected);
        }
    }
}
