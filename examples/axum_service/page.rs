//! The status page: plain HTML with an inline plot. No script, no other file, no secret.

use std::{fmt::Write as _, time::Duration};

use auth_core::{Health, MapHealth, Moment};

use crate::journal::{Counts, Kept, MINUTES, Minute, Trouble};

/// What the page shows.
pub(crate) struct Page {
    pub(crate) itself: Health,
    pub(crate) users: MapHealth,
    pub(crate) kept: Kept,
    pub(crate) now: Moment,
}

impl Page {
    pub(crate) fn html(&self) -> String {
        let Self {
            itself,
            users,
            kept,
            now,
        } = self;
        let state = State::of(itself);
        let mut html = String::with_capacity(8 * 1024);
        html.push_str(HEAD);
        let _ = write!(
            html,
            "<header><h1>Tokens</h1><p class=\"{}\"><b>{}</b> {}</p></header>",
            state.class(),
            state.word(),
            Text(&itself.to_string()),
        );
        html.push_str("<section><h2>The service's token</h2><dl>");
        for (name, value) in facts(itself) {
            tile(&mut html, name, &value);
        }
        html.push_str("</dl></section><section><h2>Since the start</h2><dl>");
        for (name, count) in counts(kept.counts) {
            tile(&mut html, name, &count.to_string());
        }
        html.push_str("</dl></section><section><h2>Tokens of users</h2><dl>");
        for (name, count) in [
            ("kept", users.total),
            ("usable", users.usable),
            ("failing", users.failing),
            ("refused by the API", users.refused),
        ] {
            tile(&mut html, name, &count.to_string());
        }
        html.push_str("</dl>");
        worst(&mut html, users);
        html.push_str("</section>");
        plot(&mut html, &kept.last_hour(*now));
        troubles(&mut html, kept.troubles.iter(), *now);
        html.push_str(TAIL);
        html
    }
}

/// How the service's token does, in one word.
#[derive(Clone, Copy)]
enum State {
    Usable,
    Waiting,
    Failing,
}

impl State {
    fn of(health: &Health) -> Self {
        if health.is_failing() {
            Self::Failing
        } else if health.is_usable() {
            Self::Usable
        } else {
            Self::Waiting
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Usable => "Usable.",
            Self::Waiting => "Not asked for yet.",
            Self::Failing => "Failing.",
        }
    }

    fn class(self) -> &'static str {
        match self {
            Self::Usable => "good",
            Self::Waiting => "calm",
            Self::Failing => "bad",
        }
    }
}

fn facts(health: &Health) -> Vec<(&'static str, String)> {
    let never = || "never".to_owned();
    let ago =
        |time: Option<Duration>| time.map_or_else(never, |time| format!("{} ago", span(time)));
    let mut facts = vec![
        (
            "token age",
            health
                .last_success()
                .map_or_else(|| "no token".to_owned(), span),
        ),
        (
            "valid for",
            health
                .usable_for()
                .map_or_else(|| "not usable".to_owned(), span),
        ),
        (
            "next renewal",
            match (health.is_renewing(), health.renewal_due()) {
                (true, _) => "in progress".to_owned(),
                (false, Some(due)) if due.is_zero() => "with the next request".to_owned(),
                (false, Some(due)) => format!("in {}", span(due)),
                (false, None) => "with the next request".to_owned(),
            },
        ),
        (
            "last failure",
            ago(health.last_failure().map(|failure| failure.ago)),
        ),
    ];
    if let Some(wait) = health.next_try() {
        facts.push((
            "next token request",
            format!("in {} at the earliest", span(wait)),
        ));
    }
    facts
}

fn counts(counts: Counts) -> [(&'static str, u64); 7] {
    [
        ("tokens received", counts.tokens),
        ("token requests failed", counts.failures),
        ("requests that waited", counts.waited),
        ("refusals by the API", counts.refused),
        ("requests sent again", counts.replayed),
        ("not sent again", counts.not_replayed),
        ("sent without a token", counts.unsigned),
    ]
}

fn tile(html: &mut String, name: &str, value: &str) {
    let _ = write!(
        html,
        "<div><dt>{}</dt><dd>{}</dd></div>",
        Text(name),
        Text(value)
    );
}

fn worst(html: &mut String, users: &MapHealth) {
    if users.worst.is_empty() {
        return;
    }
    html.push_str("<ul>");
    for health in &users.worst {
        let _ = write!(html, "<li>{}</li>", Text(&health.to_string()));
    }
    html.push_str("</ul>");
}

/// A bar for each minute: tokens from the ground up, failures on top of them.
fn plot(html: &mut String, hour: &[Minute; MINUTES]) {
    let most = hour
        .iter()
        .map(|minute| minute.tokens + minute.failures)
        .max()
        .unwrap_or(0)
        .max(1);
    let total: u32 = hour
        .iter()
        .map(|minute| minute.tokens + minute.failures)
        .sum();
    let failed: u32 = hour.iter().map(|minute| minute.failures).sum();
    let height = |count: u32| f64::from(count) * f64::from(HEIGHT) / f64::from(most);
    let _ = write!(
        html,
        "<section><h2>Token requests in the last hour</h2>\
         <svg viewBox=\"0 0 {} {}\" role=\"img\" aria-labelledby=\"plot\">\
         <title id=\"plot\">{total} token requests in the last hour, {failed} of them failed</title>\
         <text x=\"0\" y=\"12\">{most} a minute</text><line x1=\"0\" y1=\"{TOP}\" x2=\"{}\" y2=\"{TOP}\" class=\"grid\"/>",
        WIDTH * MINUTES_WIDE,
        TOP + HEIGHT + FOOT,
        WIDTH * MINUTES_WIDE,
    );
    let ground = f64::from(TOP + HEIGHT);
    for (x, minute) in (0_u32..).step_by(WIDTH as usize).zip(hour) {
        let (tokens, failures) = (height(minute.tokens), height(minute.failures));
        for (class, height, y) in [
            ("token", tokens, ground - tokens),
            ("failure", failures, ground - tokens - failures),
        ] {
            if height > 0.0 {
                let _ = write!(
                    html,
                    "<rect class=\"{class}\" x=\"{x}\" y=\"{y:.1}\" width=\"{}\" height=\"{height:.1}\"/>",
                    WIDTH - 2,
                );
            }
        }
    }
    let _ = write!(
        html,
        "<line x1=\"0\" y1=\"{ground}\" x2=\"{0}\" y2=\"{ground}\" class=\"ground\"/>\
         <text x=\"0\" y=\"{1}\">60 minutes ago</text>\
         <text x=\"{0}\" y=\"{1}\" text-anchor=\"end\">now</text></svg>\
         <p class=\"key\"><i class=\"token\"></i>brought a token <i class=\"failure\"></i>failed</p></section>",
        WIDTH * MINUTES_WIDE,
        TOP + HEIGHT + FOOT - 4,
    );
}

fn troubles<'t>(
    html: &mut String,
    troubles: impl ExactSizeIterator<Item = &'t Trouble>,
    now: Moment,
) {
    html.push_str("<section><h2>Last errors</h2>");
    if troubles.len() == 0 {
        html.push_str("<p>None.</p></section>");
        return;
    }
    html.push_str("<div class=\"wide\"><table><thead><tr><th>when</th><th>whose</th><th>what</th><th>host</th><th>cause</th></tr></thead><tbody>");
    for trouble in troubles {
        let _ = write!(
            html,
            "<tr><td>{} ago</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
            span(now.wait_since(trouble.at)),
            Text(&trouble.whose),
            Text(trouble.what),
            Text(trouble.host.as_deref().unwrap_or("\u{2013}")),
            Text(&trouble.cause),
        );
    }
    html.push_str("</tbody></table></div></section>");
}

/// A duration as people say it, in its two largest units.
fn span(time: Duration) -> String {
    let seconds = time.as_secs();
    match (
        seconds / 86_400,
        seconds / 3600 % 24,
        seconds / 60 % 60,
        seconds % 60,
    ) {
        (0, 0, 0, s) => format!("{s} s"),
        (0, 0, m, s) => format!("{m} min {s} s"),
        (0, h, m, _) => format!("{h} h {m} min"),
        (d, h, _, _) => format!("{d} d {h} h"),
    }
}

/// A text that may hold anything, escaped for HTML.
struct Text<'a>(&'a str);

impl std::fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for char in self.0.chars() {
            match char {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                char => f.write_char(char)?,
            }
        }
        Ok(())
    }
}

const HEAD: &str = include_str!("page_head.html");
const TAIL: &str = "<footer>Durations and counts of this process. The page loads itself again every 10 s. \
    The same figures: <a href=\"/healthz\">/healthz</a> (JSON), <a href=\"/metrics\">/metrics</a> (Prometheus).\
    </footer></main></body></html>\n";
const MINUTES_WIDE: u32 = MINUTES as u32;
/// Of one minute, in the plot's units.
const WIDTH: u32 = 14;
const HEIGHT: u32 = 140;
/// Above the bars, for the scale, and below, for the time.
const TOP: u32 = 20;
const FOOT: u32 = 22;
