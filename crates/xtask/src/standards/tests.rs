use super::{
    names::{Kind, Tests},
    page::{Page, undefined},
};

fn tests(sources: &[(&str, &str)]) -> Tests {
    let mut tests = Tests::default();
    for (path, text) in sources {
        tests.read(path, text);
    }
    tests
}

/// Returns the faults of a page of one kind, including undefined numbers.
fn faults(page: &str, sources: &[(&str, &str)]) -> Vec<String> {
    let page = Page::parse(Kind::Standard, page);
    let tests = tests(sources);
    let mut faults = undefined(&[&page], &tests);
    faults.extend(page.faults(&[&page], &tests));
    faults
}

const TABLE: &str = "| | demand | otherwise |\n|---|---|---|\n";

const SOURCE: (&str, &str) = (
    "crates/auth-core/src/a.rs",
    "#[test]\nfn s01_works() {\n}\n",
);

#[test]
fn a_row_needs_a_test_or_a_reason() {
    let page = |cell: &str| format!("{TABLE}| S1 | a | {cell} |\n");
    assert_eq!(faults(&page(""), &[SOURCE]), [""; 0]);
    assert_eq!(faults(&page("not implemented: later"), &[]), [""; 0]);
    assert_eq!(faults(&page(""), &[]).len(), 1);
    assert_eq!(faults(&page("not implemented:"), &[]).len(), 1);
    assert_eq!(faults(&page("later"), &[]).len(), 1);
    // A reason that is obsolete, because there is a test.
    assert_eq!(faults(&page("not implemented: later"), &[SOURCE]).len(), 1);
}

#[test]
fn a_row_may_refer_to_another_one_with_tests() {
    let page = |cell: &str| format!("{TABLE}| S1 | a | |\n| S2 | b | {cell} |\n");
    assert_eq!(faults(&page("as S1"), &[SOURCE]), [""; 0]);
    assert_eq!(faults(&page("`s01_works`"), &[SOURCE]), [""; 0]);
    for cell in ["as S2", "as S3", "as S1, S3", "as this", "`s01_fails`"] {
        assert_eq!(faults(&page(cell), &[SOURCE]).len(), 1, "{cell}");
    }
}

#[test]
fn a_number_that_no_page_defines_is_a_fault() {
    let page = format!("{TABLE}| S1 | a | |\n");
    for name in ["s02_a", "g01_a", "t35_a", "s2f_a"] {
        let source = format!("fn {name}() {{}}");
        let sources = [SOURCE, ("tests/field/a.rs", source.as_str())];
        let faults = faults(&page, &sources);
        assert_eq!(faults.len(), 1);
        assert!(faults[0].starts_with(&format!("tests/field: `{name}` quotes ")));
    }
    let sources = [SOURCE, ("tests/field/a.rs", "fn s01_s03_t04_a() {}")];
    assert_eq!(faults(&page, &sources).len(), 2);
    for name in ["s_a", "s100_a", "sx1_a", "x01_a", "s01", "is01_a", "s01g_a"] {
        let source = format!("fn {name}() {{}}");
        let sources = [SOURCE, ("tests/field/a.rs", source.as_str())];
        assert_eq!(faults(&page, &sources), [""; 0], "{name}");
    }
}

#[test]
fn rows_are_counted_without_a_gap() {
    for rows in [
        "| S2 | a | |\n",
        "| S1 | a | |\n| S1 | a | |\n",
        "| G1 | a | |\n",
    ] {
        let source = ("a.rs", "fn s01_a() {}\nfn s02_a() {}\nfn g01_a() {}");
        assert!(!faults(&format!("{TABLE}{rows}"), &[source]).is_empty());
    }
}

#[test]
fn tests_are_found_in_macros_and_by_their_documentation() {
    let text = "proptest! {\n    /// Text.\n    #[test]\n    fn s01_in_a_macro(a in 0..1) {}\n}\n\
                /// The case of S2 and (T3).\n#[tokio::test(start_paused = true)]\n\
                async fn by_documentation() {}\n\
                /// S4: no test.\nfn helper() {}\n\
                // S5\n#[test]\nfn by_a_comment() {}\n";
    let tests = tests(&[("tests/field/main.rs", text)]);
    let numbers: Vec<_> = tests.numbers().map(|number| number.to_string()).collect();
    assert_eq!(numbers, ["S1", "S2", "T3"]);
    assert!(tests.has("by_a_comment"));
}

#[test]
fn the_list_is_by_package_and_written_once() {
    let page = format!("# Text\n\n{TABLE}| S1 | a | |\n");
    let tests = tests(&[
        SOURCE,
        ("crates/auth-core/tests/b.rs", "fn s1_b() {}"),
        ("tests/field/c.rs", "fn s01f_c() {}"),
    ]);
    let written = Page::parse(Kind::Standard, &page).written(&tests);
    let list = "# Tests\n\n## S1\n\n- auth-core: `s01_works`, `s1_b`\n- tests/field: `s01f_c`\n";
    assert!(written.starts_with(&page));
    assert!(written.ends_with(list), "{written}");
    let again = Page::parse(Kind::Standard, &written).written(&tests);
    assert_eq!(again, written);
}

fn figure(call: &str) -> Result<String, String> {
    let source = format!("fn g01_a() {{ {{ test_report::figure!({call}); }} }}");
    let figures = super::figures::read("a.rs", &source)?;
    assert_eq!(figures.len(), 1);
    assert_eq!(figures[0].test, "g01_a");
    Ok(figures[0].text.clone())
}

#[test]
fn a_figure_shows_what_its_test_asserts() {
    let shown = |call| figure(call).unwrap();
    assert_eq!(
        shown("\"G3: {} request for {} callers\", a.b(c, d)[0] => 1, n => 10_000,"),
        "1 request for 10,000 callers"
    );
    assert_eq!(
        shown("\"G3: {}, {} and {}\", a => 0..=51, b() => 1_500, c + 1 => 10..=14"),
        "at most 51, 1,500 and 10 to 14"
    );
    // In a closure's arm, the last arrow counts.
    assert_eq!(shown("\"G3: {}\", match a { _ => 2 } => 5"), "5");
}

#[test]
fn a_figure_that_cannot_be_read_is_a_fault() {
    for call in [
        "\"G3: {} and {}\", a => 1",
        "\"G3: {}\", a => 1, b => 2",
        "\"G3: {}\", a => LIMIT",
        "\"G3: {}\", a",
        "\"{}\", a => 1",
        "\"X3: {}\", a => 1",
        "text, a => 1",
    ] {
        assert!(figure(call).is_err(), "{call}");
    }
}

#[test]
fn a_guarantee_needs_a_figure_of_its_own_number() {
    let text = "| | when | then |\n|---|---|---|\n| G1 | a | b |\n";
    let page = Page::parse(Kind::Guarantee, text);
    let faults = |body: &str| {
        let source = format!("#[test]\nfn g01_a() {{\n{body}\n}}\n");
        let tests = tests(&[("tests/guarantees/a.rs", &source)]);
        let mut faults = undefined(&[&page], &tests);
        faults.extend(page.faults(&[&page], &tests));
        faults
    };
    let figure = "test_report::figure!(\"G1: {} locks\", 0 => 0);";
    assert_eq!(faults(figure), [""; 0]);
    assert_eq!(faults("").len(), 1);
    let other = figure.replace("G1", "G2");
    assert_eq!(faults(&other).len(), 2);
    let tests = tests(&[(
        "tests/guarantees/a.rs",
        &format!("fn g01_a() {{\n{figure}\n}}"),
    )]);
    let list = "## G1\n\n- figures: 0 locks (`g01_a`)\n- tests/guarantees: `g01_a`\n";
    assert!(page.written(&tests).ends_with(list));
}
