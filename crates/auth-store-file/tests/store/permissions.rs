//! Who may read the files, and which directories the store refuses.

use std::fs;

use auth_core::ErrorKind;
use auth_store_file::FileStore;

use crate::temporary::Temporary;

#[track_caller]
fn assert_refused(dir: impl Into<std::path::PathBuf>, problem: &str) {
    let dir = dir.into();
    let error = FileStore::new(&dir).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert_eq!(error.field(), Some("dir"));
    let text = error.to_string();
    assert!(text.contains(problem), "{text}");
    assert!(text.contains(dir.to_str().unwrap()), "{text}");
}

#[test]
fn what_is_not_a_directory_is_refused() {
    let directory = Temporary::new();
    let file = directory.path().join("file");
    fs::write(&file, "").unwrap();
    assert_refused(&file, "is not a directory");
    assert_refused(file.join("below"), "cannot be created");
}

#[cfg(unix)]
mod unix {
    use std::{
        fs::{self, Permissions},
        os::unix::fs::{PermissionsExt as _, chown},
        path::Path,
        time::Duration,
    };

    use auth_core::{EntryVersion, NewEntry, TokenStore as _};
    use auth_store_file::FileStore;
    use bytes::Bytes;

    use super::assert_refused;
    use crate::temporary::{Temporary, key};

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o7777
    }

    #[tokio::test]
    async fn files_and_directories_are_readable_by_their_owner_only() {
        let directory = Temporary::new();
        let store = directory.store();
        let hour = Duration::from_secs(3600);
        let bytes = Bytes::from_static(b"fake-secret-1");
        let entry = NewEntry::new(EntryVersion::new(1), bytes, hour);
        store.replace(&key(), None, entry).await.unwrap();
        store.lease(&key(), "a", hour).await.unwrap();
        assert_eq!(mode(&directory.store_dir()), 0o700);
        assert_eq!(mode(&directory.path().join("above")), 0o700);
        for name in directory.names() {
            assert_eq!(mode(&directory.store_dir().join(&name)), 0o600, "{name}");
        }
        assert_eq!(directory.names().len(), 4);
    }

    #[test]
    fn a_directory_that_others_can_write_to_is_refused() {
        let directory = Temporary::new();
        for mode in [0o770, 0o720, 0o702, 0o777] {
            fs::set_permissions(directory.path(), Permissions::from_mode(mode)).unwrap();
            assert_refused(directory.path(), "may be written to by others");
            assert_refused(directory.path(), "(chmod go-w)");
        }
        // Like /tmp: to remove the write permission there would break other programs.
        fs::set_permissions(directory.path(), Permissions::from_mode(0o1777)).unwrap();
        assert_refused(directory.path(), "a separate directory below it");
        let text = FileStore::new(directory.path()).unwrap_err().to_string();
        assert!(!text.contains("chmod"), "{text}");
        for mode in [0o700, 0o750, 0o755] {
            fs::set_permissions(directory.path(), Permissions::from_mode(mode)).unwrap();
            FileStore::new(directory.path()).unwrap();
        }
    }

    #[test]
    fn a_directory_that_others_could_replace_is_refused() {
        let directory = Temporary::new();
        let above = directory.path().join("above");
        fs::create_dir(&above).unwrap();
        let real = above.canonicalize().unwrap();
        for depth in ["above/tokens", "above/between/tokens"] {
            let dir = directory.path().join(depth);
            for mode in [0o770, 0o707, 0o777] {
                fs::set_permissions(&above, Permissions::from_mode(mode)).unwrap();
                assert_refused(&dir, &format!("below `{}`", real.display()));
                assert_refused(&dir, "such as ~/.cache");
            }
            for mode in [0o1777, 0o1770, 0o755] {
                fs::set_permissions(&above, Permissions::from_mode(mode)).unwrap();
                FileStore::new(&dir).unwrap();
            }
        }
    }

    #[test]
    fn a_directory_that_its_parents_owner_could_replace_is_refused() {
        let directory = Temporary::new();
        let (above, between) = (directory.path().join("a"), directory.path().join("a/b"));
        fs::create_dir_all(&between).unwrap();
        fs::set_permissions(&above, Permissions::from_mode(0o1777)).unwrap();
        let dir = between.join("tokens");
        FileStore::new(&dir).unwrap();
        // Only the superuser can set this up.
        if chown(&between, Some(65534), None).is_ok() {
            assert_refused(&dir, "belongs to another user");
            assert_refused(&dir, between.canonicalize().unwrap().to_str().unwrap());
        }
    }

    #[test]
    fn a_link_is_checked_by_its_target() {
        let directory = Temporary::new();
        let open = directory.path().join("open");
        fs::create_dir_all(open.join("tokens")).unwrap();
        fs::set_permissions(&open, Permissions::from_mode(0o777)).unwrap();
        let link = directory.path().join("link");
        std::os::unix::fs::symlink(open.join("tokens"), &link).unwrap();
        assert_refused(&link, "may be written to by others");
    }

    #[test]
    fn a_directory_that_is_read_only_is_refused() {
        let directory = Temporary::new();
        fs::set_permissions(directory.path(), Permissions::from_mode(0o500)).unwrap();
        assert_refused(directory.path(), "is read-only");
        fs::set_permissions(directory.path(), Permissions::from_mode(0o700)).unwrap();
    }

    #[test]
    fn a_directory_of_another_user_is_refused() {
        let directory = Temporary::new();
        // Only the superuser can change an owner; for other users the test uses a directory of
        // another user.
        match chown(directory.path(), Some(65534), None) {
            Ok(()) => assert_refused(directory.path(), "belongs to another user"),
            Err(_) => assert_refused("/", "`/`"),
        }
    }
}
