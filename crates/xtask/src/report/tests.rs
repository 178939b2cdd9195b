use serde_json::json;

use super::{
    chosen, page,
    parts::PARTS,
    ran::{Ran, parse},
};

fn ran(lines: &str) -> Ran {
    Ran {
        date: "2026-01-02 03:04 UTC".into(),
        commit: "abc".into(),
        seconds: 61,
        passed: true,
        not_run: String::new(),
        lines: parse(lines).unwrap(),
    }
}

fn part(name: &str) -> &'static super::Part {
    chosen(&[name.to_owned()]).unwrap()[0]
}

#[test]
fn a_part_shows_its_figures_date_commit_and_time() {
    let lines = "{\"kind\":\"world\",\"world\":\"b\",\"states\":12345,\"transitions\":3,\"judged\":4}\n\
                 {\"kind\":\"world\",\"world\":\"a\",\"states\":1,\"transitions\":2,\"judged\":3}\n\
                 {\"kind\":\"other\"}\n";
    let text = page::part(part("explore"), Some(&ran(lines)));
    assert!(text.contains("2026-01-02 03:04 UTC, commit abc, 1 min 1 s: passed."));
    let rows = "| a | 1 | 2 | 3 |\n| b | 12 345 | 3 | 4 |\n| all 2 worlds | 12 346 | 5 | 7 |\n";
    assert!(text.ends_with(rows), "{text}");
}

#[test]
fn a_column_without_values_is_left_out() {
    let lines = "{\"kind\":\"fleet\",\"store\":\"file\",\"runs\":2,\"longest_ms\":1234}\n";
    let text = page::part(part("fleet"), Some(&ran(lines)));
    assert!(
        text.ends_with("| store | runs | longest wait |\n|---|---|---|\n| file | 2 | 1.23 s |\n"),
        "{text}"
    );
}

#[test]
fn a_part_that_did_not_run_says_why() {
    assert!(
        page::part(part("soak"), None)
            .ends_with("\nnot run: takes 20 minutes; it runs only if it is named\n")
    );
    let why = Ran {
        not_run: "redis-server is missing".into(),
        ..ran("")
    };
    assert!(page::part(part("fleet"), Some(&why)).contains("\nnot run: redis-server is missing ("));
    let failed = Ran {
        passed: false,
        ..ran("")
    };
    assert!(page::part(part("field"), Some(&failed)).contains(": **failed**."));
}

#[test]
fn every_part_has_a_table_and_a_command() {
    for part in &PARTS {
        assert!(part.command.starts_with("cargo "), "{}", part.name);
        assert!(!(part.tables)(&[]).is_empty(), "{}", part.name);
    }
}

#[test]
fn parts_are_chosen_by_name() {
    let names = |words: &[&str]| -> Vec<_> {
        let words: Vec<_> = words.iter().map(|word| (*word).to_owned()).collect();
        let parts = chosen(&words).unwrap();
        parts.iter().map(|part| part.name).collect()
    };
    assert_eq!(names(&["soak", "field"]), ["soak", "field"]);
    assert_eq!(names(&["--page"]), [""; 0]);
    assert!(names(&[]).contains(&"explore") && !names(&[]).contains(&"soak"));
    assert!(chosen(&[String::from("fields")]).is_err());
}

#[test]
fn a_result_is_read_as_it_was_written() {
    let ran = ran("{\"kind\":\"field\"}\n");
    assert_eq!(Ran::from_json(&ran.to_json()), ran);
    assert_eq!(ran.to_json()["seconds"], json!(61));
    assert!(parse("{").is_err());
}
