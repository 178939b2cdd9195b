//! The text of the page.

mod requests;

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
mod tests;
