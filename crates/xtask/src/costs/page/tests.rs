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
