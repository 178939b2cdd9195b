//! The plot, as SVG: token requests over time.

use std::{fmt::Write as _, time::Duration};

use crate::{
    figures::{Figures, Side},
    phase::Phase,
};

pub(crate) fn svg(figures: &Figures) -> String {
    let most = figures.alone.calls.len().max(figures.shared.calls.len());
    let scale = Scale {
        end: figures.ends[Phase::After].as_secs_f64(),
        most: most.max(1) as f64,
    };
    let mut svg = String::from(HEAD);
    let title = format!(
        "Token requests of {} processes, with and without a shared store",
        figures.shared.reports.len()
    );
    add(&mut svg, format_args!("<title>{title}</title>"));
    add(
        &mut svg,
        format_args!("<rect class=\"paper\" width=\"{WIDTH}\" height=\"{HEIGHT}\"/>"),
    );
    text(&mut svg, "title", "start", (LEFT, 26.0), &title);
    outage(&mut svg, figures, &scale);
    axes(&mut svg, &scale);
    for (class, name, side, strip) in [
        ("alone", "a token for each process", &figures.alone, 1),
        (
            "shared",
            "one token, shared through Redis",
            &figures.shared,
            0,
        ),
    ] {
        steps(&mut svg, class, name, side, &scale);
        ticks(&mut svg, class, side, &scale, strip);
    }
    svg.push_str("</svg>\n");
    svg
}

/// Converts seconds and numbers of requests to positions in the picture.
struct Scale {
    end: f64,
    most: f64,
}

impl Scale {
    fn x(&self, seconds: f64) -> f64 {
        LEFT + (RIGHT - LEFT) * (seconds / self.end).min(1.0)
    }

    fn y(&self, calls: f64) -> f64 {
        BOTTOM - (BOTTOM - TOP) * calls / self.most
    }
}

fn outage(svg: &mut String, figures: &Figures, scale: &Scale) {
    let from = scale.x(figures.ends[Phase::Before].as_secs_f64());
    let to = scale.x(figures.ends[Phase::Outage].as_secs_f64());
    let (width, height) = (to - from, STRIPS + 2.0 * STRIP - TOP);
    add(
        svg,
        format_args!(
            "<rect class=\"outage\" x=\"{from:.1}\" y=\"{TOP}\" width=\"{width:.1}\" \
             height=\"{height}\"/>"
        ),
    );
    let words = match figures.outage.redis_restarts {
        0 => "Redis cut off",
        _ => "Redis killed",
    };
    text(
        svg,
        "small",
        "middle",
        ((from + to) / 2.0, TOP + 16.0),
        words,
    );
}

fn axes(svg: &mut String, scale: &Scale) {
    let step = nice(scale.most / 5.0);
    for calls in (0..)
        .map(|n| f64::from(n) * step)
        .take_while(|calls| *calls <= scale.most)
    {
        let y = scale.y(calls);
        add(
            svg,
            format_args!("<path class=\"grid\" d=\"M{LEFT} {y:.1}H{RIGHT}\"/>"),
        );
        text(
            svg,
            "small",
            "end",
            (LEFT - 8.0, y + 4.0),
            &calls.to_string(),
        );
    }
    let step = nice(scale.end / 8.0);
    let axis = STRIPS + 2.0 * STRIP;
    add(
        svg,
        format_args!("<path class=\"axis\" d=\"M{LEFT} {axis}H{RIGHT}\"/>"),
    );
    for seconds in (0..)
        .map(|n| f64::from(n) * step)
        .take_while(|at| *at <= scale.end)
    {
        let x = scale.x(seconds);
        add(
            svg,
            format_args!("<path class=\"axis\" d=\"M{x:.1} {axis}v5\"/>"),
        );
        text(
            svg,
            "small",
            "middle",
            (x, axis + 20.0),
            &seconds.to_string(),
        );
    }
    let middle = (LEFT + RIGHT) / 2.0;
    text(
        svg,
        "label",
        "middle",
        (middle, HEIGHT - 12.0),
        "seconds since the start",
    );
    let y = (TOP + BOTTOM) / 2.0;
    add(
        svg,
        format_args!(
            "<text class=\"label\" text-anchor=\"middle\" transform=\"translate(18 {y}) \
             rotate(-90)\">token requests so far</text>"
        ),
    );
    text(
        svg,
        "small",
        "end",
        (LEFT - 8.0, STRIPS + STRIP + 4.0),
        "each call",
    );
}

/// Draws the growing number of token requests.
fn steps(svg: &mut String, class: &str, name: &str, side: &Side, scale: &Scale) {
    let mut path = format!("M{:.1} {:.1}", LEFT, scale.y(0.0));
    for (count, at) in (1..).zip(&side.calls) {
        let (x, y) = (scale.x(at.as_secs_f64()), scale.y(f64::from(count)));
        let _ = write!(path, "H{x:.1}V{y:.1}");
    }
    let count = side.calls.len();
    let y = scale.y(count as f64);
    add(
        svg,
        format_args!("<path class=\"line {class}\" d=\"{path}H{RIGHT}\"/>"),
    );
    let words = format!("{name}: {count}");
    let at = (RIGHT - 8.0, y - 8.0);
    text(svg, &format!("name {class}-name"), "end", at, &words);
}

/// Draws each token request in a strip below.
fn ticks(svg: &mut String, class: &str, side: &Side, scale: &Scale, strip: u8) {
    let y = STRIPS + STRIP * f64::from(strip) + 3.0;
    let height = STRIP - 6.0;
    let x = |at: &Duration| scale.x(at.as_secs_f64());
    let path: String = side.calls.iter().fold(String::new(), |mut path, at| {
        let _ = write!(path, "M{:.1} {y}v{height}", x(at));
        path
    });
    add(
        svg,
        format_args!("<path class=\"tick {class}\" d=\"{path}\"/>"),
    );
}

fn text(svg: &mut String, class: &str, anchor: &str, (x, y): (f64, f64), words: &str) {
    add(
        svg,
        format_args!(
            "<text class=\"{class}\" text-anchor=\"{anchor}\" x=\"{x:.1}\" \
             y=\"{y:.1}\">{words}</text>"
        ),
    );
}

fn add(svg: &mut String, line: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _ = writeln!(svg, "{line}");
}

/// Rounds to 1, 2 or 5 times a power of ten, at least 1.
fn nice(about: f64) -> f64 {
    let power = 10_f64.powf(about.max(1.0).log10().floor());
    let digit = match about / power {
        small if small <= 1.0 => 1.0,
        small if small <= 2.0 => 2.0,
        small if small <= 5.0 => 5.0,
        _ => 10.0,
    };
    digit * power
}

const WIDTH: f64 = 860.0;
const HEIGHT: f64 = 440.0;
const LEFT: f64 = 80.0;
const RIGHT: f64 = 836.0;
const TOP: f64 = 44.0;
const BOTTOM: f64 = 324.0;
const STRIPS: f64 = 334.0;
const STRIP: f64 = 22.0;

const HEAD: &str = "\
<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 860 440\" role=\"img\" \
font-family=\"system-ui, sans-serif\">
<style>
.paper { fill: #ffffff }
.outage { fill: #d1242f; opacity: 0.12 }
.grid { stroke: #d8dee4; fill: none }
.axis { stroke: #57606a; fill: none }
text { fill: #24292f; font-size: 13px }
.small { fill: #57606a; font-size: 12px }
.title { font-size: 15px; font-weight: 600 }
.line { fill: none; stroke-width: 2.5; stroke-linejoin: round }
.tick { fill: none; stroke-width: 1.5 }
.shared { stroke: #0969da }
.alone { stroke: #bc4c00 }
.shared-name { fill: #0969da; font-weight: 600 }
.alone-name { fill: #bc4c00; font-weight: 600 }
@media (prefers-color-scheme: dark) {
.paper { fill: #0d1117 }
.outage { fill: #ff7b72; opacity: 0.18 }
.grid { stroke: #30363d }
.axis { stroke: #8b949e }
text { fill: #e6edf3 }
.small { fill: #9da7b1 }
.shared { stroke: #58a6ff }
.alone { stroke: #f0883e }
.shared-name { fill: #58a6ff }
.alone-name { fill: #f0883e }
}
</style>
";
