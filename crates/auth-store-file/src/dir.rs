use std::{
    fs::{self, DirBuilder, Metadata},
    path::Path,
    time::Duration,
};

use auth_core::Error;

use crate::write;

/// Makes the directory if it is not there, and finds out whether tokens are safe in it.
pub(crate) fn prepare(dir: &Path, wall: Duration) -> Result<(), Error> {
    let bad = |problem: &str| Error::config("dir", format_args!("`{}` {problem}", dir.display()));
    if fs::metadata(dir).is_err() {
        let made = for_its_owner().recursive(true).create(dir);
        made.map_err(|error| bad("cannot be made").with_source(error))?;
    }
    let metadata = fs::metadata(dir);
    let metadata = metadata.map_err(|error| bad("cannot be looked at").with_source(error))?;
    if !metadata.is_dir() {
        return Err(bad("is no directory"));
    }
    if let Some(problem) = permissions(&metadata) {
        return Err(bad(problem));
    }
    // Tried instead of computed: a file system may be read-only, or full, for all its permissions.
    let probe = write::probe(dir);
    let probe = probe.map_err(|error| bad("cannot be written to").with_source(error))?;
    if !have_one_owner(&metadata, &probe) {
        return Err(bad("belongs to another user"));
    }
    write::sweep(dir, wall);
    Ok(())
}

#[cfg(unix)]
fn for_its_owner() -> DirBuilder {
    use std::os::unix::fs::DirBuilderExt as _;

    let mut builder = DirBuilder::new();
    builder.mode(0o700);
    builder
}

#[cfg(not(unix))]
fn for_its_owner() -> DirBuilder {
    DirBuilder::new()
}

#[cfg(unix)]
fn permissions(dir: &Metadata) -> Option<&'static str> {
    use std::os::unix::fs::PermissionsExt as _;

    let mode = dir.permissions().mode();
    if mode & 0o022 != 0 {
        // Who can write there can put another token into a request, or a link in place of a file.
        return Some("may be written to by others: take that from them (chmod go-w)");
    }
    // The superuser is not kept out by it, and keeps to it all the same.
    (mode & 0o300 != 0o300).then_some("is read-only")
}

#[cfg(not(unix))]
fn permissions(dir: &Metadata) -> Option<&'static str> {
    dir.permissions().readonly().then_some("is read-only")
}

#[cfg(unix)]
fn have_one_owner(dir: &Metadata, probe: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt as _;

    dir.uid() == probe.uid()
}

#[cfg(not(unix))]
fn have_one_owner(_: &Metadata, _: &Metadata) -> bool {
    true
}
