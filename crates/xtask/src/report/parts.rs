//! The parts of the report: what runs, and the table of its figures.

use std::process::Command;

use serde_json::Value;

use super::{
    ran::Ran,
    table::{Table, number, text},
};
use crate::{Result, bench, cargo::cargo, models, mutants, redis, soak};

/// One kind of check.
pub(crate) struct Part {
    pub(crate) name: &'static str,
    pub(crate) title: &'static str,
    /// The command that repeats it.
    pub(crate) command: &'static str,
    /// Whether it runs without being named.
    pub(crate) is_default: bool,
    /// Why it may not have run.
    pub(crate) otherwise: &'static str,
    run: fn() -> Result<Ran>,
    /// Makes tables of the figures.
    pub(crate) tables: fn(&[Value]) -> Vec<Table>,
}

pub(crate) const PARTS: [Part; 9] = [
    Part {
        name: "explore",
        title: "Small worlds, explored completely",
        command: "cargo test -p auth-core --all-features --lib machine::explore -- --nocapture",
        is_default: true,
        otherwise: NOT_NAMED,
        run: || {
            test(
                "explore",
                &[
                    "-p",
                    "auth-core",
                    "--all-features",
                    "--lib",
                    "machine::explore",
                ],
            )
        },
        tables: explore,
    },
    Part {
        name: "simulation",
        title: "Simulated schedules",
        command: "cargo test --test simulation",
        is_default: true,
        otherwise: NOT_NAMED,
        run: || test("simulation", &["--test", "simulation"]),
        tables: simulation,
    },
    Part {
        name: "fleet",
        title: "Real processes, killed, stopped and cut off",
        command: "cargo xtask test --test fleet",
        is_default: true,
        otherwise: NOT_NAMED,
        run: || {
            println!("{}", redis::find_or_install()?);
            let mut command = tests(&["--test", "fleet"])?;
            Ran::of_command("fleet", command.env("AUTH_REDIS", "1"))
        },
        tables: fleet,
    },
    Part {
        name: "field",
        title: "What servers, proxies and networks really answer",
        command: "cargo test --test field",
        is_default: true,
        otherwise: NOT_NAMED,
        run: || test("field", &["--test", "field"]),
        tables: field,
    },
    Part {
        name: "corpus",
        title: "Inputs of parsers",
        command: "cargo test --test corpus",
        is_default: true,
        otherwise: NOT_NAMED,
        run: || test("corpus", &["--test", "corpus"]),
        tables: corpus,
    },
    Part {
        name: "models",
        title: "Models of what threads share, in every order of the threads' steps",
        command: "cargo xtask models",
        is_default: true,
        otherwise: NOT_NAMED,
        run: || Ran::of("models", |file| models::run_for(&[], Some(file))),
        tables: loom,
    },
    Part {
        name: "mutants",
        title: "Small changes of the code",
        command: "cargo xtask mutants",
        is_default: false,
        otherwise: "takes hours; the results of the last run are read from target/mutants",
        run: || Err("it takes hours: run `cargo xtask mutants`, and this command again".into()),
        tables: changes,
    },
    Part {
        name: "soak",
        title: "Soak",
        command: "cargo xtask soak",
        is_default: false,
        otherwise: "takes 20 minutes; it runs only if it is named",
        run: || soak::part(&soak::Settings::default()),
        tables: soaked,
    },
    Part {
        name: "bench",
        title: "Benches",
        command: "cargo xtask bench",
        is_default: false,
        otherwise: "needs valgrind and five minutes; it runs only if it is named",
        run: || {
            Ran::of("bench", |file| {
                let file = file.display().to_string();
                bench::run(&[String::from("--json"), file])
            })
        },
        tables: benches,
    },
];

const NOT_NAMED: &str = "it was not named";

impl Part {
    pub(crate) fn execute(&self) -> Result<Ran> {
        (self.run)()
    }

    /// Returns the last result.
    pub(crate) fn last(&self) -> Result<Option<Ran>> {
        if self.name == "mutants" {
            return mutants::last();
        }
        Ran::load(self.name)
    }
}

fn tests(arguments: &[&str]) -> Result<Command> {
    let mut command = cargo(&["test", "--locked"])?;
    command.args(arguments);
    Ok(command)
}

fn test(name: &str, arguments: &[&str]) -> Result<Ran> {
    Ran::of_command(name, &mut tests(arguments)?)
}

fn of<'a>(lines: &'a [Value], kind: &'static str) -> impl Iterator<Item = &'a Value> {
    lines.iter().filter(move |line| line["kind"] == kind)
}

fn explore(lines: &[Value]) -> Vec<Table> {
    let mut table = Table::new(["world", "states", "transitions", "recoveries judged"]);
    let mut worlds: Vec<_> = of(lines, "world").collect();
    worlds.sort_by_key(|world| text(&world["world"]));
    for world in &worlds {
        table.row(["world", "states", "transitions", "judged"].map(|name| text(&world[name])));
    }
    let sum = |name: &str| {
        worlds
            .iter()
            .filter_map(|world| world[name].as_u64())
            .sum::<u64>()
    };
    let sums = ["states", "transitions", "judged"].map(|name| number(sum(name)));
    let [states, transitions, judged] = sums;
    table.row([
        format!("all {} worlds", worlds.len()),
        states,
        transitions,
        judged,
    ]);
    vec![table]
}

fn simulation(lines: &[Value]) -> Vec<Table> {
    let mut table = Table::new([
        "schedules",
        "seeds",
        "processes",
        "requests",
        "token requests",
        "also counted",
    ]);
    for line in of(lines, "simulation") {
        table.row([
            text(&line["schedules"]),
            text(&line["seeds"]),
            text(&line["processes"]),
            text(&line["requests"]),
            text(&line["token_requests"]),
            counts(&line["counted"]),
        ]);
    }
    vec![table]
}

fn fleet(lines: &[Value]) -> Vec<Table> {
    let mut table = Table::new([
        "store",
        "point",
        "runs",
        "crashes",
        "token requests",
        "bound",
        "refresh tokens sent once more",
        "sent more often",
        "longest wait",
        "requests",
        "failed",
        "recovery",
        "seed",
    ]);
    for line in of(lines, "fleet") {
        table.row(
            [
                "store",
                "point",
                "runs",
                "crashes",
                "calls",
                "bound",
                "reuses",
                "double",
                "longest_ms",
                "requests",
                "failed",
                "recovery_ms",
                "seed",
            ]
            .map(|name| match name.strip_suffix("_ms") {
                Some(_) => millis(&line[name]),
                None => text(&line[name]),
            }),
        );
    }
    vec![table]
}

fn field(lines: &[Value]) -> Vec<Table> {
    let mut table = Table::new(["cases", "passed", "failed"]);
    for line in of(lines, "field") {
        table.row(["covered", "passed", "failed"].map(|name| text(&line[name])));
    }
    vec![table]
}

fn corpus(lines: &[Value]) -> Vec<Table> {
    let mut files = Table::new(["target of the fuzzer", "files of the corpus"]);
    of(lines, "corpus")
        .for_each(|line| files.row(["target", "files"].map(|name| text(&line[name]))));
    let mut random = Table::new(["random inputs", "cases"]);
    of(lines, "random")
        .for_each(|line| random.row(["test", "cases"].map(|name| text(&line[name]))));
    vec![files.sorted(), random.sorted()]
}

fn loom(lines: &[Value]) -> Vec<Table> {
    let mut table = Table::new(["model", "orders"]);
    of(lines, "model")
        .for_each(|line| table.row(["model", "orders"].map(|name| text(&line[name]))));
    vec![table.sorted()]
}

fn changes(lines: &[Value]) -> Vec<Table> {
    let mut table = Table::new([
        "code",
        "run",
        "score",
        "noticed",
        "time-outs",
        "not noticed",
        "of these listed with a reason",
        "do not compile",
        "not run",
    ]);
    for line in of(lines, "mutants") {
        table.row(
            [
                "group", "date", "score", "caught", "timeouts", "missed", "listed", "unviable",
                "not_run",
            ]
            .map(|name| text(&line[name])),
        );
    }
    vec![table]
}

fn soaked(lines: &[Value]) -> Vec<Table> {
    let mut table = Table::new(["figure", "value"]);
    for line in of(lines, "soak") {
        for (title, name) in SOAK {
            let value = &line[name];
            let value = match name.strip_suffix("_ms") {
                Some(_) => millis(value),
                None if value.is_object() => counts(value),
                None => text(value),
            };
            table.row([title.to_owned(), value]);
        }
    }
    vec![table]
}

const SOAK: [(&str, &str); 22] = [
    ("seconds", "seconds"),
    ("seed", "seed"),
    ("store", "store"),
    ("cycles: a calm time, a fault, the recovery", "cycles"),
    ("faults", "faults"),
    ("requests", "requests"),
    ("without a response, as the faults permit", "failed"),
    ("401 that reached a caller", "refused"),
    ("requests in calm times", "calm_requests"),
    ("of these failed", "calm_failed"),
    ("token requests in calm times", "calm_token_requests"),
    ("lifetimes of tokens in calm times", "calm_bound"),
    ("token requests", "token_requests"),
    ("permitted token requests", "bound"),
    ("refresh tokens", "refresh_tokens"),
    ("sent once more after a lost reply", "reuses"),
    ("log lines searched for secrets", "log_lines"),
    ("most growth of a process' memory, KiB", "memory_growth_kib"),
    ("most growth of open files", "files_growth"),
    ("most growth of tasks", "tasks_growth"),
    ("longest recovery", "longest_recovery_ms"),
    ("violations", "violations"),
];

fn benches(lines: &[Value]) -> Vec<Table> {
    let mut table = Table::new(["figure", "value", "limit"]);
    for line in lines {
        table.row(["figure", "value", "limit"].map(|name| text(&line[name])));
    }
    vec![table]
}

/// Shows a map of counts: `3 a, 1 b`. Many counts are shown by their number and sum.
fn counts(value: &Value) -> String {
    let Some(counts) = value.as_object() else {
        return String::new();
    };
    if counts.len() > 20 {
        let sum = counts.values().filter_map(Value::as_u64).sum();
        return format!("{} events of {} kinds", number(sum), counts.len());
    }
    let counts = counts.iter().filter(|(_, count)| **count != 0);
    let counts = counts.map(|(name, count)| format!("{} {name}", text(count)));
    counts.collect::<Vec<_>>().join(", ")
}

fn millis(value: &Value) -> String {
    value.as_u64().map_or_else(String::new, |millis| {
        format!("{:.2} s", millis as f64 / 1000.0)
    })
}
