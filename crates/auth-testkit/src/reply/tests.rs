use crate::Reply;

fn panics(make: impl FnOnce() -> Reply + std::panic::UnwindSafe) -> bool {
    std::panic::catch_unwind(make).is_err()
}

#[test]
fn mistakes_in_a_script_are_told_at_once() {
    assert!(panics(|| Reply::status(100)));
    assert!(panics(|| Reply::status(1_000)));
    assert!(panics(|| Reply::status(200).header("bad name", "x")));
    assert!(panics(|| Reply::status(200).header("x", "a\nb")));
    assert!(panics(|| Reply::normal().body("x")));
    assert!(panics(|| Reply::never().json("{}")));
    assert!(!panics(|| Reply::status(999).header("x", "a").body("x")));
}

#[test]
fn debug_shows_no_body_and_no_value() {
    let fixed = Reply::status(200).body("fake-secret-1");
    let edited = Reply::normal().with("access_token", "\"fake-secret-1\"");
    let shown = format!("{fixed:?} {edited:?}");
    crate::assert_no_secret(&shown, &["fake-secret-1"]);
    assert!(
        shown.contains("13 bytes") && shown.contains("access_token"),
        "{shown}"
    );
}
