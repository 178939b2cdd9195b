//! Files that were torn, changed or put there by another program: never a wrong value, never a
//! panic.

use std::{fs, path::Path, time::Duration};

use auth_core::{EntryVersion, Key, NewEntry, TokenStore as _};
use auth_testkit::LogCapture;
use bytes::Bytes;
use proptest::{prelude::*, test_runner::TestRunner};
use tokio::runtime::Runtime;

use crate::temporary::{Temporary, key};

const CONTENT: &[u8] = b"fake-secret-1 of some length";
const HOUR: Duration = Duration::from_secs(3600);

fn entry(time_to_live: Duration) -> NewEntry {
    NewEntry::new(
        EntryVersion::new(1),
        Bytes::from_static(CONTENT),
        time_to_live,
    )
}

fn put(directory: &Temporary, key: &Key) {
    let store = directory.store();
    let put = runtime().block_on(store.replace(key, None, entry(HOUR)));
    assert!(put.unwrap(), "the entry existed already");
}

fn got(directory: &Temporary, key: &Key) -> Option<Bytes> {
    let entry = runtime().block_on(directory.store().load(key));
    entry.unwrap().map(|entry| entry.content.unwrap())
}

fn runtime() -> Runtime {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_time().build().unwrap()
}

#[test]
fn g16_a_damaged_file_is_a_miss_and_moved_aside_once() {
    let directory = Temporary::new();
    put(&directory, &key());
    let path = directory.file("");
    let whole = fs::read(&path).unwrap();
    let aside = path.with_extension("corrupt");
    let index = any::<prop::sample::Index>;
    let mut runner = TestRunner::new(ProptestConfig::with_cases(100));
    let ran = runner.run(&(index(), 0..8, 0..3), |(at, bit, kind)| {
        let at = at.index(whole.len());
        let mut damaged = whole.clone();
        match kind {
            0 => damaged[at] ^= 1_u8 << bit,
            1 => damaged.truncate(at),
            _ => damaged[at..].fill(0),
        }
        fs::write(&path, &damaged).unwrap();
        prop_assert_eq!(got(&directory, &key()), None);
        prop_assert!(!path.exists());
        prop_assert_eq!(fs::read(&aside).unwrap(), damaged);
        let names = directory.names();
        prop_assert_eq!(names.len(), 2, "{:?}", names);
        Ok(())
    });
    ran.unwrap();
    put(&directory, &key());
    assert_eq!(got(&directory, &key()).as_deref(), Some(CONTENT));
}

#[test]
fn t27_a_file_of_another_key_is_a_miss() {
    let directory = Temporary::new();
    put(&directory, &key());
    let mine = directory.file("");
    let of_mine = fs::read(&mine).unwrap();
    let other = Key::builder("example").client("other").build();
    put(&directory, &other);
    let names = directory.names();
    let name = names.iter().find(|name| {
        let path = directory.store_dir().join(name);
        !name.contains('.') && path != mine
    });
    fs::write(directory.store_dir().join(name.unwrap()), of_mine).unwrap();
    assert_eq!(got(&directory, &other), None);
    assert_eq!(got(&directory, &key()).as_deref(), Some(CONTENT));
}

#[test]
fn a_later_releases_file_is_a_miss_that_can_be_replaced() {
    let directory = Temporary::new();
    put(&directory, &key());
    let path = directory.file("");
    let text = fs::read(&path).unwrap();
    let end = text.iter().position(|byte| *byte == b'\n').unwrap();
    let later = [b"auth-store-file entry 2", &text[end..]].concat();
    // No process loads the entry before.
    fs::write(&path, &later).unwrap();
    put(&directory, &key());
    assert_eq!(got(&directory, &key()).as_deref(), Some(CONTENT));
    assert_eq!(fs::read(path.with_extension("corrupt")).unwrap(), later);
}

#[test]
fn what_is_not_a_regular_file_is_a_miss() {
    let directory = Temporary::new();
    put(&directory, &key());
    let path = directory.file("");
    let mut put_there: Vec<fn(&Path)> = vec![|path| fs::create_dir(path).unwrap()];
    if cfg!(unix) {
        // A link to a whole file, which the store does not follow.
        put_there.insert(0, |path| link(&path.with_extension("elsewhere"), path));
    }
    fs::copy(&path, path.with_extension("elsewhere")).unwrap();
    for put_there in put_there {
        fs::remove_file(&path).unwrap();
        let _ = fs::remove_file(path.with_extension("corrupt"));
        put_there(&path);
        assert_eq!(got(&directory, &key()), None);
        put(&directory, &key());
        assert_eq!(got(&directory, &key()).as_deref(), Some(CONTENT));
    }
}

#[cfg(unix)]
fn link(original: &Path, link: &Path) {
    std::os::unix::fs::symlink(original, link).unwrap();
}

#[cfg(not(unix))]
fn link(_: &Path, _: &Path) {}

#[test]
fn g18_the_log_of_a_damaged_file_names_only_its_path() {
    let directory = Temporary::new();
    put(&directory, &key());
    let path = directory.file("");
    let mut damaged = fs::read(&path).unwrap();
    damaged.push(b'x');
    fs::write(&path, damaged).unwrap();
    let log = LogCapture::new();
    let _installed = log.install();
    // In this thread, where the log is captured: without a runtime the store reads directly.
    let load = std::pin::pin!(async { directory.store().load(&key()).await });
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(load.poll(&mut context).is_ready());
    let log = log.text();
    assert!(
        log.contains("WARN") && log.contains(path.to_str().unwrap()),
        "{log}"
    );
    assert!(!log.contains("fake-secret"), "{log}");
}

#[test]
fn an_expired_entry_is_removed_when_it_is_loaded() {
    let directory = Temporary::new();
    let store = directory.store();
    let key = key();
    let put = store.replace(&key, None, entry(Duration::ZERO));
    assert!(runtime().block_on(put).unwrap());
    let path = directory.file("");
    assert_eq!(got(&directory, &key), None);
    assert!(!path.exists());
}

#[test]
fn files_of_killed_processes_are_removed() {
    let directory = Temporary::new();
    put(&directory, &key());
    let path = directory.file("");
    let old = path.with_extension("0123456789abcdef.tmp");
    let new = path.with_extension("fedcba9876543210.tmp");
    let foreign = directory.store_dir().join("notes.tmp");
    // The guards of a process that has ended and of one that is alive.
    let ended = path.with_extension("0123456789abcdef.held");
    let alive = path.with_extension("fedcba9876543210.held");
    for path in [&old, &new, &foreign, &ended, &alive] {
        fs::write(path, b"fake-secret-1").unwrap();
    }
    let lock = fs::File::open(&alive).unwrap();
    fs4::FileExt::try_lock(&lock).unwrap();
    for path in [&old, &foreign, &ended, &alive] {
        let file = fs::File::options().write(true).open(path).unwrap();
        file.set_modified(std::time::UNIX_EPOCH).unwrap();
    }
    directory.store();
    assert!(!old.exists() && new.exists() && foreign.exists());
    assert!(!ended.exists() && alive.exists());
}
