use std::{fs, path::Path};

use crate::targets::{challenge, origin, reply, retry_after, store};

/// Runs a target over each file of its corpus.
#[allow(clippy::print_stdout, reason = "says which file fails")]
fn replay(target: &str, judge: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = folder.join("tests/corpus/fuzz/corpus").join(target);
    let mut files = 0;
    for file in fs::read_dir(&folder).unwrap() {
        let path = file.unwrap().path();
        println!("{}", path.display());
        judge(&fs::read(&path).unwrap());
        files += 1;
    }
    assert!(files >= 5, "{target}: {files} files");
    test_report::line(
        "corpus",
        [("target", target.into()), ("files", files.into())],
    );
}

#[test]
fn corpus_of_replies() {
    replay("reply", reply::judge);
}

#[test]
fn corpus_of_retry_after() {
    replay("retry_after", retry_after::judge);
}

#[test]
fn corpus_of_challenges() {
    replay("challenge", challenge::judge);
}

#[test]
fn corpus_of_origins() {
    replay("origin", origin::judge);
}

#[test]
fn corpus_of_store_entries() {
    replay("store", store::judge);
}
