//! The page "Costs" of auth-tower's documentation, made from the figures of a bench run.

use std::{collections::HashMap, fmt::Write as _, fs, process::Command};

use serde_json::Value;

use crate::Result;

const PAGE: &str = "crates/auth-tower/src/_documentation/costs.md";
const COMMAND: &str = "cargo xtask bench --page";

const STATIC: &str = "tower-http AddAuthorization";
const OFF: &str = "AuthLayer, replay off";
const RETRY: &str = "tower Retry(clone) + AddAuthorization";
const ON: &str = "AuthLayer";
const METRICS: &str = "AuthLayer with MetricsObserver";
const BODY: &str = "ReplayBodyLayer + AuthLayer";
const BARE: &str = "hyper-util's client without a layer";

const ROOM: &str = "header map with room";

/// Rows of the table: the stack, and the request.
const ROWS: [(&str, &str); 17] = [
    (STATIC, ROOM),
    (OFF, ROOM),
    (ON, ROOM),
    (METRICS, ROOM),
    (RETRY, ROOM),
    (BODY, ROOM),
    (OFF, "map with room, response with an extension"),
    (STATIC, "full map"),
    (OFF, "full map"),
    (ON, "full map"),
    (RETRY, "full map"),
    (OFF, "map with room, URI with :443"),
    (OFF, "another origin, 1 permitted"),
    (OFF, "another origin, 20 permitted"),
    (
        "AuthLayer::keyed, replay off",
        "key with a subject of 16 bytes",
    ),
    (
        "AuthLayer::keyed, replay off",
        "key with a subject of 1 KiB",
    ),
    ("AuthLayer::keyed", "key with a subject of 1 KiB"),
];

/// Bars of the plot.
const BARS: [(&str, &str); 4] = [
    (STATIC, "static header, tower-http"),
    (OFF, "AuthLayer, replay off"),
    (ON, "AuthLayer"),
    (RETRY, "tower Retry + static header"),
];

/// Writes the page from the figures of `cargo bench`, one JSON object per line.
pub(crate) fn write(json: &str) -> Result {
    let figures = json
        .lines()
        .map(|line| {
            let line: Value = serde_json::from_str(line)?;
            let name = line["figure"].as_str().unwrap_or_default().to_owned();
            Ok((name, line["value"].as_f64().unwrap_or(f64::NAN)))
        })
        .collect::<Result<HashMap<_, _>>>()?;
    let of = |name: &str| figures.get(name).copied().unwrap_or(f64::NAN);
    let mut page = String::new();
    let _ = write!(
        page,
        "What a request costs with [`AuthLayer`](crate::AuthLayer), beside the same request with \
         other stacks.\n\n\
         Made by `{COMMAND}`; do not edit.\n\n\
         # Conditions\n\n{}\n\
         Instructions and allocations are counted by valgrind's callgrind, and are exact for one \
         build. Another build moves them by a few percent. Nanoseconds are the best of 101 rounds, \
         and depend on the machine. All figures are over the same request without a layer. The \
         token has 1 KiB; each request has six headers, two of them made for it.\n\n\
         # A request\n\n\
         | stack | request | instructions | allocations | ns |\n|---|---|---:|---:|---:|\n",
        conditions()
    );
    for (stack, request) in ROWS {
        let of = |unit: &str| of(&format!("{stack}, {request}: {unit}"));
        let _ = writeln!(
            page,
            "| {stack} | {request} | {:.0} | {:.0} | {:.0} |",
            of("instructions"),
            of("allocations").abs(),
            of("ns"),
        );
    }
    page.push_str(
        "\nA request to another origin costs more than a signed one, because its response carries \
         an [`AuthOutcome`](crate::AuthOutcome) that says so (three allocations), and because the \
         log tells the first such request for each host.\n\n# Instructions by stack\n\n",
    );
    page.push_str(&plot(&BARS.map(|(stack, title)| {
        (title, of(&format!("{stack}, {ROOM}: instructions")))
    })));
    let _ = write!(
        page,
        "\n# Around a real client\n\n\
         hyper-util's client, HTTP/1.1 over loopback, the server in the same thread. Instructions \
         of the whole program for one request, with a map with room:\n\n\
         | stack | instructions | more than without a layer |\n|---|---:|---:|\n"
    );
    let bare = of(&format!("{BARE}: instructions"));
    for stack in [BARE, STATIC, OFF, ON, BODY, RETRY] {
        let count = of(&format!("{stack}: instructions"));
        let _ = writeln!(page, "| {stack} | {count:.0} | {:.0} |", count - bare);
    }
    fs::write(PAGE, page)?;
    println!("wrote {PAGE}");
    Ok(())
}

/// Returns machine, date and compiler, as a list.
fn conditions() -> String {
    let first_line = |program: &str, arguments: &[&str]| {
        let output = Command::new(program).args(arguments).output().ok()?;
        let text = String::from_utf8(output.stdout).ok()?;
        Some(text.lines().next()?.to_owned())
    };
    let unknown = || String::from("unknown");
    let processors = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = processors
        .lines()
        .find(|line| line.starts_with("model name"));
    let model = model
        .and_then(|line| line.split(": ").nth(1))
        .unwrap_or("unknown");
    let count = std::thread::available_parallelism().map_or(0, usize::from);
    format!(
        "| | |\n|---|---|\n| date | {} |\n| command | `{COMMAND}` |\n| machine | {count} processors, \
         {model} |\n| compiler | {}, release, one codegen unit |\n",
        first_line("date", &["-u", "+%Y-%m-%d"]).unwrap_or_else(unknown),
        first_line("rustc", &["--version"]).unwrap_or_else(unknown),
    )
}

/// Draws a bar for each value.
fn plot(bars: &[(&str, f64)]) -> String {
    let most = bars.iter().map(|(_, value)| *value).fold(1.0, f64::max);
    let height = bars.len() * 28 + 8;
    // Rustdoc passes HTML on; an empty line would end it.
    let mut svg = format!(
        "<svg role=\"img\" aria-label=\"Instructions a request, by stack\" width=\"640\" \
         height=\"{height}\" viewBox=\"0 0 640 {height}\" font-size=\"13\" fill=\"currentColor\">\n"
    );
    for (place, (title, value)) in bars.iter().enumerate() {
        let top = place * 28 + 4;
        let width = value / most * 350.0;
        let _ = writeln!(
            svg,
            "<text x=\"0\" y=\"{}\">{title}</text><rect x=\"210\" y=\"{top}\" width=\"{width:.0}\" \
             height=\"20\" fill=\"#4d76ae\"/><text x=\"{:.0}\" y=\"{}\">{value:.0}</text>",
            top + 15,
            216.0 + width,
            top + 15,
        );
    }
    svg.push_str("</svg>\n");
    svg
}
