//! A bar chart as SVG within a page of rustdoc.

use std::fmt::Write as _;

use super::figures::number;

/// Bars with the same floor.
pub(crate) struct Group {
    pub(crate) title: &'static str,
    pub(crate) bars: Vec<Bar>,
}

pub(crate) struct Bar {
    pub(crate) label: &'static str,
    pub(crate) value: f64,
    /// Whether it is one of our layers.
    pub(crate) is_ours: bool,
}

const WIDTH: usize = 720;
const ROW: usize = 24;
/// Where the bars begin, and the length of the longest.
const LEFT: usize = 300;
const LONGEST: f64 = 340.0;

/// Both are visible on the backgrounds of rustdoc's themes. Text has the theme's own color.
const OURS: &str = "#3f7fd6";
const OTHERS: &str = "#808080";

/// Draws the groups below each other. Lengths are to one scale within a group only.
pub(crate) fn draw(title: &str, description: &str, groups: &[Group]) -> String {
    let rows: usize = groups.iter().map(|group| group.bars.len() + 1).sum();
    let height = rows * ROW + groups.len() * ROW / 2;
    // Rustdoc passes HTML on up to the first empty line.
    let mut svg = format!(
        "<svg role=\"img\" aria-labelledby=\"plot-title plot-description\" \
         viewBox=\"0 0 {WIDTH} {height}\" style=\"width:100%;max-width:{WIDTH}px\" \
         font-size=\"13\" fill=\"currentColor\">\n\
         <title id=\"plot-title\">{}</title>\n<desc id=\"plot-description\">{}</desc>\n",
        escaped(title),
        escaped(description)
    );
    let mut top = 0;
    for group in groups {
        let title = escaped(group.title);
        let _ = writeln!(
            svg,
            "<text x=\"0\" y=\"{}\" font-weight=\"bold\">{title}</text>",
            top + 16
        );
        top += ROW;
        let most = group.bars.iter().map(|bar| bar.value).fold(1.0, f64::max);
        for bar in &group.bars {
            let length = (bar.value / most * LONGEST).max(0.0);
            let color = if bar.is_ours { OURS } else { OTHERS };
            let _ = writeln!(
                svg,
                "<text x=\"12\" y=\"{text}\">{label}</text><rect x=\"{LEFT}\" y=\"{y}\" \
                 width=\"{length:.0}\" height=\"16\" fill=\"{color}\"/><text x=\"{end:.0}\" \
                 y=\"{text}\">{value}</text>",
                text = top + 16,
                label = escaped(bar.label),
                y = top + 4,
                end = LEFT as f64 + length + 6.0,
                value = number(bar.value.round()),
            );
            top += ROW;
        }
        top += ROW / 2;
    }
    svg.push_str("</svg>\n");
    svg
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plot() -> String {
        let bar = |label, value, is_ours| Bar {
            label,
            value,
            is_ours,
        };
        let groups = [
            Group {
                title: "first & last",
                bars: vec![bar("one", 100.0, true), bar("two", 50.0, false)],
            },
            Group {
                title: "second",
                bars: vec![bar("three", 4_000.0, true)],
            },
        ];
        draw("A title", "What it shows", &groups)
    }

    #[test]
    fn each_bar_has_a_label_and_its_value_as_text() {
        let plot = plot();
        for text in [
            ">one<",
            ">100<",
            ">two<",
            ">50<",
            ">three<",
            ">4,000<",
            ">first &amp; last<",
        ] {
            assert!(plot.contains(text), "{text}");
        }
        assert!(plot.contains("width=\"340\"") && plot.contains("width=\"170\""));
    }

    #[test]
    fn the_plot_has_an_accessible_title_and_no_empty_line() {
        let plot = plot();
        assert!(plot.contains("<title id=\"plot-title\">A title</title>"));
        assert!(plot.contains("<desc id=\"plot-description\">What it shows</desc>"));
        assert!(plot.contains("aria-labelledby=\"plot-title plot-description\""));
        assert!(!plot.trim_end().contains("\n\n"));
    }

    #[test]
    fn everything_is_within_the_picture() {
        let plot = plot();
        let height: f64 = plot
            .split("viewBox=\"0 0 720 ")
            .nth(1)
            .unwrap()
            .split('"')
            .next()
            .unwrap()
            .parse()
            .unwrap();
        for part in plot.split(" y=\"").skip(1) {
            let y: f64 = part.split('"').next().unwrap().parse().unwrap();
            assert!(y > 0.0 && y <= height, "{y} of {height}");
        }
    }

    /// WCAG 2.2 asks for a contrast of 3 to 1 for graphics.
    #[test]
    fn the_bars_are_visible_in_every_theme_of_rustdoc() {
        let light = |color: &str| {
            let parts = [1, 3, 5].map(|at| {
                let part = u8::from_str_radix(&color[at..at + 2], 16).unwrap();
                let part = f64::from(part) / 255.0;
                if part <= 0.04045 {
                    part / 12.92
                } else {
                    ((part + 0.055) / 1.055).powf(2.4)
                }
            });
            0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]
        };
        // Light, dark, ayu.
        for background in ["#ffffff", "#353535", "#0f1419"] {
            for color in [OURS, OTHERS] {
                let (one, other) = (light(color), light(background));
                let contrast = (one.max(other) + 0.05) / (one.min(other) + 0.05);
                assert!(contrast >= 3.0, "{color} on {background}: {contrast:.2}");
            }
        }
    }
}
