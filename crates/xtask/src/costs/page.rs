//! The text of the page.

use std::fmt::Write as _;

use super::{
    figures::{Figures, fixed, number},
    plot::{self, Bar, Group},
    rows::{BUILD, HYPER, IDLE_KEY, KEYS, MEMORY, REPEAT, REQUEST, REQWEST, STAMPEDE, TASKS},
    table::Table,
};
use crate::Result;

/// Where and when the figures were measured.
pub(crate) struct Conditions {
    pub(crate) date: String,
    pub(crate) processors: usize,
    pub(crate) model: String,
    pub(crate) compiler: String,
}

const COMMAND: &str = "cargo xtask bench --page";

// The stacks, with the names that the bench programs give them.
const STATIC: &str = "tower-http AddAuthorization";
const LOCK: &str = "hand-written layer, RwLock";
const OFF: &str = "AuthLayer, replay off";
const ON: &str = "AuthLayer";
const METRICS: &str = "AuthLayer with MetricsObserver";
const RETRY: &str = "tower Retry(clone) + AddAuthorization";
const BODY: &str = "ReplayBodyLayer + AuthLayer";
const KEYED_OFF: &str = "AuthLayer::keyed, replay off";
const KEYED: &str = "AuthLayer::keyed";
const HYPER_BARE: &str = "hyper-util's client without a layer";

const REQWEST_BARE: &str = "reqwest";
const CHAIN: &str = "reqwest-middleware, no middleware";
const SERVICE: &str = "ReqwestService";
const SERVICE_OFF: &str = "AuthLayer, replay off, ReqwestService";
const SERVICE_ON: &str = "AuthLayer, ReqwestService";
const HAND: &str = "hand-written middleware, RwLock";
const HAND_REPLAY: &str = "hand-written middleware, RwLock, try_clone";
const MIDDLEWARE_OFF: &str = "AuthMiddleware, replay off";
const MIDDLEWARE: &str = "AuthMiddleware";

const ROOM: &str = "header map with room";
const EXTENSION: &str = "map with room, response with an extension";
const FULL: &str = "full map";
const SHORT_KEY: &str = "key with a subject of 16 bytes";
const LONG_KEY: &str = "key with a subject of 1 KiB";

/// Rows of the table of requests: the stack, and the request.
const REQUESTS: [(&str, &str); 19] = [
    (STATIC, ROOM),
    (LOCK, ROOM),
    (OFF, ROOM),
    (ON, ROOM),
    (METRICS, ROOM),
    (RETRY, ROOM),
    (BODY, ROOM),
    (STATIC, EXTENSION),
    (OFF, EXTENSION),
    (STATIC, FULL),
    (OFF, FULL),
    (ON, FULL),
    (RETRY, FULL),
    (OFF, "map with room, URI with :443"),
    (OFF, "another origin, 1 permitted"),
    (OFF, "another origin, 20 permitted"),
    (KEYED_OFF, SHORT_KEY),
    (KEYED_OFF, LONG_KEY),
    (KEYED, LONG_KEY),
];

/// Makes the page. Fails if one of its figures was not measured.
pub(crate) fn page(figures: &Figures, conditions: &Conditions) -> Result<String> {
    let mut page = Page {
        figures,
        conditions,
        text: String::new(),
    };
    page.in_short()?;
    page.conditions()?;
    page.requests()?;
    page.plot()?;
    page.hyper()?;
    page.reqwest()?;
    page.tasks()?;
    page.memory()?;
    page.build()?;
    page.goals();
    Ok(page.text)
}

struct Page<'a> {
    figures: &'a Figures,
    conditions: &'a Conditions,
    text: String,
}

impl Page<'_> {
    fn add(&mut self, text: &str) {
        self.text.push_str(text);
    }

    fn section(&mut self, title: &str) {
        let _ = write!(self.text, "\n# {title}\n\n");
    }

    fn value(&self, bench: &str, figure: &str) -> Result<f64> {
        self.figures.value(bench, figure)
    }

    /// A figure of a request to a service that answers at once, over the service without a layer.
    fn request(&self, stack: &str, request: &str, unit: &str) -> Result<f64> {
        self.value(REQUEST, &format!("{stack}, {request}: {unit}"))
    }

    fn hyper_figure(&self, stack: &str, unit: &str) -> Result<f64> {
        self.value(HYPER, &format!("{stack}: {unit}"))
    }

    fn in_short(&mut self) -> Result {
        let micros = |page: &Self, stack, request| -> Result<String> {
            let nanos = page.request(stack, request, "ns")?;
            Ok(format!("{} µs", fixed(nanos / 1e3, 2)))
        };
        let signed = self.request(ON, EXTENSION, "ns")? / 1e3;
        let loopback = self.hyper_figure(HYPER_BARE, "µs")?;
        let text = format!(
            "What a request costs with [`AuthLayer`](crate::AuthLayer), compared with other ways to \
             sign a request.\n\n\
             Made by `{COMMAND}`; do not edit.\n\n\
             # In short\n\n\
             - A signed request costs {off} more than the same request without a layer, and {on} \
             more with replay, which is the default. A static header of tower-http costs {added}, \
             and a hand-written layer with tokio's `RwLock` {lock}.\n\
             - Sent over loopback by hyper-util's client, a request costs {loopback} µs. \
             Signing with replay is {share} % of that. Over a network and with TLS the share is \
             smaller.\n\
             - Replay costs {replay} instructions a request, because the head is copied before it \
             is sent. tower's `Retry` with a cloned request costs {retry} with a static header.\n\
             - With a valid token the layer allocates nothing for a request that has room for one \
             more header.\n\
             - {tasks}.\n\
             - One idle user of [`AuthLayer::keyed`](crate::AuthLayer::keyed) takes {key} bytes \
             with a token of 1 KiB. 100,000 idle users take {keys} MiB.\n\
             - 100,000 requests that wait for one token take {waiting} bytes each, and cause one \
             token request.\n\
             - auth-core and auth-tower add {build} s of processor time to a clean build, with \
             all of their dependencies.\n",
            off = micros(self, OFF, EXTENSION)?,
            on = micros(self, ON, EXTENSION)?,
            added = micros(self, STATIC, EXTENSION)?,
            lock = micros(self, LOCK, EXTENSION)?,
            share = fixed(signed / loopback * 100.0, 1),
            loopback = fixed(loopback, 0),
            replay = number(
                self.request(ON, ROOM, "instructions")?
                    - self.request(OFF, ROOM, "instructions")?
            ),
            retry = number(self.request(RETRY, ROOM, "instructions")?),
            tasks = self.tasks_sentence()?,
            key = number(self.key_bytes()?),
            keys = fixed(self.key_bytes()? * 100_000.0 / 1024.0 / 1024.0, 0),
            waiting = number(self.value(MEMORY, "a task that waits for a token: bytes")?),
            build = fixed(self.value(BUILD, "auth-core + auth-tower: seconds")?, 1),
        );
        self.add(&text);
        Ok(())
    }

    fn key_bytes(&self) -> Result<f64> {
        self.value(KEYS, IDLE_KEY)
    }

    fn tasks_sentence(&self) -> Result<String> {
        tasks_sentence(self.figures, self.conditions.processors)
    }

    fn conditions(&mut self) -> Result {
        self.section("Conditions");
        let Conditions {
            date,
            processors,
            model,
            compiler,
        } = self.conditions;
        let text = format!(
            "| | |\n|---|---|\n| date | {date} |\n| command | `{COMMAND}` |\n| machine | \
             {processors} processors, {model} |\n| compiler | {compiler}, release, one codegen unit \
             |\n| token | 1 KiB |\n\n\
             Instructions and allocations are counted by valgrind's callgrind, without the kernel. \
             Another build moves them by a few percent. Nanoseconds and microseconds are processor \
             time, and depend on the machine: compare them only within a table.\n\n{}\n",
            self.repeats()?
        );
        self.add(&text);
        Ok(())
    }

    /// Says how well two runs of the same programs agree.
    fn repeats(&self) -> Result<String> {
        let mut text = String::from("Each program that counts ran twice:");
        for (separator, bench, name) in [
            (" in", REQUEST, "\"A request\""),
            (", in", HYPER, "\"Around hyper-util's client\""),
            (", in", REQWEST, "\"With reqwest\""),
        ] {
            let of = |what: &str| self.value(REPEAT, &format!("{bench}: {what}"));
            let (counts, same, most) = (of("counts")?, of("same")?, of("largest difference, %")?);
            let _ = write!(
                text,
                "{separator} {name} {same:.0} of {counts:.0} counts were the same"
            );
            if same < counts {
                let _ = write!(text, " and the others differed by at most {most:.2} %");
            }
        }
        text.push('.');
        Ok(text)
    }

    fn requests(&mut self) -> Result {
        self.section("A request");
        self.add(
            "The service below answers at once, so that only the layer's own work counts. All \
             figures are over the same request without a layer. Each request has six headers, two \
             of them made for the request. A request to hyper-util's client or to reqwest is one \
             with \"response with an extension\".\n\n\
             | stack | request | instructions | allocations | ns |\n|---|---|---:|---:|---:|\n",
        );
        for (stack, request) in REQUESTS {
            let of = |unit| self.request(stack, request, unit);
            let line = format!(
                "| {stack} | {request} | {} | {} | {} |\n",
                number(of("instructions")?.round()),
                number(of("allocations")?.round()),
                fixed(of("ns")?, 0),
            );
            self.add(&line);
        }
        self.add(
            "\nA request to another origin costs more than a signed request, because its response \
             carries an [`AuthOutcome`](crate::AuthOutcome) that says that nothing was signed.\n",
        );
        Ok(())
    }

    fn plot(&mut self) -> Result {
        self.section("Instructions by stack");
        let of = |label, is_ours, value: Result<f64>| -> Result<Bar> {
            Ok(Bar {
                label,
                value: value?,
                is_ours,
            })
        };
        let request = |stack| self.request(stack, ROOM, "instructions");
        let hyper = |stack| -> Result<f64> {
            Ok(self.hyper_figure(stack, "instructions")?
                - self.hyper_figure(HYPER_BARE, "instructions")?)
        };
        let reqwest = |stack| self.reqwest_figure("GET", stack, "instructions over its floor");
        let groups = [
            Group {
                title: "A service that answers at once",
                bars: vec![
                    of("static header, tower-http", false, request(STATIC))?,
                    of("hand-written layer, RwLock", false, request(LOCK))?,
                    of("AuthLayer, replay off", true, request(OFF))?,
                    of("AuthLayer", true, request(ON))?,
                    of("tower Retry + static header", false, request(RETRY))?,
                ],
            },
            Group {
                title: "hyper-util's client",
                bars: vec![
                    of("static header, tower-http", false, hyper(STATIC))?,
                    of("hand-written layer, RwLock", false, hyper(LOCK))?,
                    of("AuthLayer, replay off", true, hyper(OFF))?,
                    of("AuthLayer", true, hyper(ON))?,
                    of("tower Retry + static header", false, hyper(RETRY))?,
                ],
            },
            Group {
                title: "reqwest",
                bars: vec![
                    of("ReqwestService without a layer", true, reqwest(SERVICE))?,
                    of(
                        "AuthLayer, replay off, ReqwestService",
                        true,
                        reqwest(SERVICE_OFF),
                    )?,
                    of("AuthLayer, ReqwestService", true, reqwest(SERVICE_ON))?,
                ],
            },
            Group {
                title: "reqwest-middleware",
                bars: vec![
                    of("hand-written, RwLock", false, reqwest(HAND))?,
                    of("AuthMiddleware, replay off", true, reqwest(MIDDLEWARE_OFF))?,
                    of(
                        "hand-written, RwLock, try_clone",
                        false,
                        reqwest(HAND_REPLAY),
                    )?,
                    of("AuthMiddleware", true, reqwest(MIDDLEWARE))?,
                ],
            },
        ];
        let plot = plot::draw(
            "Instructions for each request, by stack",
            "Bars with the instructions that each stack adds to a request, in four groups: a \
             service that answers at once, hyper-util's client, reqwest, reqwest-middleware. The \
             tables on this page have the same numbers.",
            &groups,
        );
        self.add(
            "Each bar is what the stack adds to the same request without it. Blue: these crates. \
             Grey: others. Each group has its own scale.\n\n",
        );
        self.add(&plot);
        Ok(())
    }

    fn hyper(&mut self) -> Result {
        self.section("Around hyper-util's client");
        self.add(
            "HTTP/1.1 over loopback, the server in the same thread. Instructions and allocations of \
             the whole program for one request: client, server and runtime. The time contains the \
             system calls, and shows that the layer is hardly visible beside them.\n\n\
             | stack | instructions | more than without a layer | allocations | µs |\n\
             |---|---:|---:|---:|---:|\n",
        );
        let bare = self.hyper_figure(HYPER_BARE, "instructions")?;
        for stack in [HYPER_BARE, STATIC, LOCK, OFF, ON, BODY, RETRY] {
            let count = self.hyper_figure(stack, "instructions")?;
            let line = format!(
                "| {stack} | {} | {} | {} | {} |\n",
                number(count.round()),
                number((count - bare).round()),
                fixed(self.hyper_figure(stack, "allocations")?, 0),
                fixed(self.hyper_figure(stack, "µs")?, 1),
            );
            self.add(&line);
        }
        Ok(())
    }

    fn reqwest_figure(&self, method: &str, stack: &str, unit: &str) -> Result<f64> {
        self.value(REQWEST, &format!("{method}, {stack}: {unit}"))
    }

    fn reqwest(&mut self) -> Result {
        self.section("With reqwest and reqwest-middleware");
        self.add(
            "HTTP/1.1 over loopback, the server in the same thread; a GET, and a POST with 64 bytes \
             of JSON. The first stack of each table is the base of the others. A hand-written \
             middleware checks no destination, requests no token, and does not know which token was \
             refused.\n",
        );
        for stacks in [
            &[REQWEST_BARE, SERVICE, SERVICE_OFF, SERVICE_ON][..],
            &[CHAIN, HAND, MIDDLEWARE_OFF, HAND_REPLAY, MIDDLEWARE],
        ] {
            self.add(
                "\n| stack | GET, instructions | more | allocations more | POST, instructions | more \
                 | allocations more |\n|---|---:|---:|---:|---:|---:|---:|\n",
            );
            for stack in stacks {
                let mut line = format!("| {stack} |");
                for method in ["GET", "POST"] {
                    let of = |unit| self.reqwest_figure(method, stack, unit);
                    let base = of("instructions")?
                        - self.reqwest_figure(method, stacks[0], "instructions")?;
                    let _ = write!(
                        line,
                        " {} | {} | {} |",
                        number(of("instructions")?.round()),
                        number(base.round()),
                        number(
                            (of("allocations over its floor")?
                                - self.reqwest_figure(
                                    method,
                                    stacks[0],
                                    "allocations over its floor"
                                )?)
                            .round()
                        ),
                    );
                }
                line.push('\n');
                self.add(&line);
            }
        }
        Ok(())
    }

    fn tasks(&mut self) -> Result {
        self.section("Many tasks and threads");
        let text = format!(
            "{}. Each thread uses its own copy of the header value, so that threads do not wait for \
             each other. Millions of signed headers per second, all tasks together:\n\n\
             | tasks | `Authenticator` | tokio `Mutex` | tokio `RwLock` | `RwLock`, finished value |\n\
             |---:|---:|---:|---:|---:|\n",
            self.tasks_sentence()?
        );
        self.add(&text);
        for tasks in [1, 2, 4, 8, 16] {
            let mut line = format!("| {tasks} |");
            for way in [
                "Authenticator",
                "tokio Mutex",
                "tokio RwLock",
                "RwLock, value",
            ] {
                let figure = format!("{tasks} tasks, {way}: millions a second");
                let _ = write!(line, " {} |", number(self.value(TASKS, &figure)?));
            }
            line.push('\n');
            self.add(&line);
        }
        self.add(
            "\nThe locks contain the token, and each task makes its header value. The last column \
             reads no clock, and would send an expired token.\n",
        );
        Ok(())
    }

    fn memory(&mut self) -> Result {
        self.section("Memory");
        let text = format!(
            "| what | bytes |\n|---|---:|\n\
             | one idle key with a token of 1 KiB | {} |\n\
             | one authenticator with a token of 1 KiB, `shards(1)`, with the source's copy of the \
             token | {} |\n\
             | the same, `shards(8)` | {} |\n\
             | future of a request around hyper-util's client, more than the client's own: replay \
             off | {} |\n\
             | the same, with replay | {} |\n\
             | a task whose request waits for a token | {} |\n\
             | a task that only waits | {} |\n\n\
             A service with many users needs one key for each user; `shards(1)` is the right \
             setting there.{}\n",
            number(self.key_bytes()?),
            number(self.value(MEMORY, "a key, shards(1): bytes")?),
            number(self.value(MEMORY, "a key, shards(8): bytes")?),
            number(self.value(
                HYPER,
                "future around hyper-util's client, AuthLayer, replay off: bytes more"
            )?),
            number(self.value(
                HYPER,
                "future around hyper-util's client, AuthLayer: bytes more"
            )?),
            number(self.value(MEMORY, "a task that waits for a token: bytes")?),
            number(self.value(MEMORY, "a task that waits to be woken: bytes")?),
            self.waking()?,
        );
        self.add(&text);
        Ok(())
    }

    /// Empty if the machine was too busy to measure it.
    fn waking(&self) -> Result<String> {
        let time = self.value(STAMPEDE, WAKING)?;
        let ratio = "waking 100000 waiters, of waking bare tasks, median";
        let ratio = self.value(STAMPEDE, ratio)?;
        if time.is_nan() || ratio.is_nan() {
            return Ok(String::new());
        }
        Ok(format!(
            " 100,000 waiting requests are woken in {} ms: {} times as long as 100,000 tasks that \
             do nothing.",
            fixed(time, 0),
            number(ratio),
        ))
    }

    fn build(&mut self) -> Result {
        self.section("Build");
        let text = format!(
            "A clean build in the `dev` profile, one crate after the other, with all dependencies: \
             {} s of processor time for auth-core and auth-tower, {} s for tower-http with its \
             feature `auth`. The crates that take most of it:\n\n\
             | crate | s |\n|---|---:|\n",
            fixed(self.value(BUILD, "auth-core + auth-tower: seconds")?, 1),
            fixed(self.value(BUILD, "tower-http, feature auth: seconds")?, 1),
        );
        self.add(&text);
        let crates = self
            .figures
            .largest_first(BUILD, "auth-core + auth-tower, crate ");
        let lines = crates.iter().take(10);
        let lines: String = lines
            .map(|(name, seconds)| format!("| {name} | {seconds:.1} |\n"))
            .collect();
        self.add(&lines);
        let rest: f64 = crates.iter().skip(10).map(|(_, seconds)| seconds).sum();
        let text = format!(
            "| {} others | {rest:.1} |\n",
            crates.len().saturating_sub(10)
        );
        self.add(&text);
        Ok(())
    }

    fn goals(&mut self) {
        self.section("Goals");
        let table = Table::of(self.figures);
        let text = format!(
            "Each figure is compared with a figure of the same run. The limit is the bound at which \
             `cargo xtask bench` fails. {}\n\n{}",
            table.summary(),
            table.markdown()
        );
        self.add(&text);
        let open = table.open();
        if !open.is_empty() {
            self.add("\nWhat stands in the way of the goals that are not reached:\n\n");
            self.add(&open);
        }
    }
}

const WAKING: &str = "waking 100000 waiters, median: ms";

/// Returns the sentence that README.md repeats, without its full stop.
pub(crate) fn tasks_sentence(figures: &Figures, processors: usize) -> Result<String> {
    let cores = match processors {
        1 => String::from("one core"),
        2 => String::from("two cores"),
        4 => String::from("four cores"),
        count => format!("{count} cores"),
    };
    let times = fixed(figures.value(TASKS, "16 tasks, times tokio RwLock")?, 0);
    Ok(format!(
        "16 tasks on {cores} sign about {times} times as many requests as behind tokio's `RwLock`"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::costs::rows::ROWS;

    fn conditions() -> Conditions {
        Conditions {
            date: String::from("2026-01-02"),
            processors: 2,
            model: String::from("A processor"),
            compiler: String::from("rustc 1.2.3"),
        }
    }

    /// Answers each demand for a figure until there is a page. Returns the figures as JSON.
    fn asked_for() -> String {
        let rows = ROWS.iter().map(|row| line(row.bench, row.figure, "1"));
        let mut json: String = rows.collect();
        json.push_str(&line(BUILD, "auth-core + auth-tower, crate tokio", "2.5"));
        for _ in 0..1000 {
            let Err(error) = page(&Figures::parse(&json).unwrap(), &conditions()) else {
                return json;
            };
            let error = error.to_string();
            let quoted: Vec<_> = error.split('"').collect();
            assert_eq!(quoted.len(), 5, "{error}");
            json.push_str(&line(quoted[3], quoted[1], "5"));
        }
        panic!("the page asks for ever more figures");
    }

    fn line(bench: &str, figure: &str, value: &str) -> String {
        format!(
            "{{\"bench\":\"{bench}\",\"figure\":\"{figure}\",\"value\":{value},\
             \"bound\":\"at most\",\"limit\":2}}\n"
        )
    }

    #[test]
    fn the_page_has_every_section_row_and_condition() {
        let json = asked_for();
        let page = page(&Figures::parse(&json).unwrap(), &conditions()).unwrap();
        for row in ROWS {
            assert!(
                page.contains(&format!("\n| {} | ", row.what)),
                "{}",
                row.what
            );
        }
        for stack in [
            STATIC,
            LOCK,
            RETRY,
            HYPER_BARE,
            HAND,
            HAND_REPLAY,
            MIDDLEWARE,
            SERVICE,
        ] {
            assert!(page.contains(&format!("\n| {stack} | ")), "{stack}");
        }
        for text in [
            "| date | 2026-01-02 |",
            "| machine | 2 processors, A processor |",
            "| tokio | 2.5 |",
            "- 16 tasks on two cores sign about 5 times as many requests as behind tokio's `RwLock`.\n",
            "\n<svg role=\"img\"",
            "</svg>\n",
        ] {
            assert!(page.contains(text), "{text}");
        }
        assert!(!page.contains("NaN"));
    }

    #[test]
    fn each_figure_of_the_page_must_have_been_measured() {
        let json = asked_for();
        // Rows of the table of goals have their own check.
        for (at, _) in json.lines().enumerate().skip(ROWS.len() + 1) {
            let rest = json.lines().enumerate().filter(|(line, _)| *line != at);
            let rest: Vec<_> = rest.map(|(_, line)| line).collect();
            let figures = Figures::parse(&rest.join("\n")).unwrap();
            assert!(
                page(&figures, &conditions()).is_err(),
                "{:?}",
                json.lines().nth(at)
            );
        }
    }

    #[test]
    fn a_busy_machine_leaves_no_number() {
        let json = asked_for().replace(
            &line(STAMPEDE, WAKING, "5"),
            &line(STAMPEDE, WAKING, "null"),
        );
        let page = page(&Figures::parse(&json).unwrap(), &conditions()).unwrap();
        assert!(!page.contains("are woken in"));
        assert!(!page.contains("NaN"));
    }

    #[test]
    fn the_page_says_how_well_counts_repeat() {
        let figure = |what: &str| format!("{REQWEST}: {what}");
        let json = asked_for()
            .replace(
                &line(REPEAT, &figure("counts"), "5"),
                &line(REPEAT, &figure("counts"), "9"),
            )
            .replace(
                &line(REPEAT, &figure("largest difference, %"), "5"),
                &line(REPEAT, &figure("largest difference, %"), "0.05"),
            );
        let page = page(&Figures::parse(&json).unwrap(), &conditions()).unwrap();
        let text = "in \"A request\" 5 of 5 counts were the same, in \"Around hyper-util's client\" \
                    5 of 5 counts were the same, in \"With reqwest\" 5 of 9 counts were the same and \
                    the others differed by at most 0.05 %.";
        assert!(page.contains(text), "{page}");
    }
}
