use std::{
    fs::{self, DirBuilder, Metadata},
    io,
    path::Path,
    time::Duration,
};

use auth_core::Error;

use crate::write;

/// Creates the directory if it does not exist, and checks that tokens are safe in it.
pub(crate) fn prepare(dir: &Path, wall: Duration) -> Result<(), Error> {
    let bad = |problem: &str| Error::config("dir", format_args!("`{}` {problem}", dir.display()));
    let failed = |problem, error: io::Error| bad(&format!("{problem}: {error}")).with_source(error);
    if fs::metadata(dir).is_err() {
        let made = for_its_owner().recursive(true).create(dir);
        made.map_err(|error| failed("cannot be created", error))?;
    }
    let metadata = fs::metadata(dir);
    let metadata = metadata.map_err(|error| failed("cannot be read", error))?;
    if !metadata.is_dir() {
        return Err(bad("is not a directory"));
    }
    if let Some(problem) = permissions(&metadata) {
        return Err(bad(problem));
    }
    // Tried instead of computed: a file system may be read-only or full, independent of its
    // permissions.
    let probe = write::probe(dir);
    let probe = probe.map_err(|error| failed("cannot be written to", error))?;
    if !have_one_owner(&metadata, &probe) {
        return Err(bad("belongs to another user"));
    }
    let real = dir.canonicalize();
    let real = real.map_err(|error| failed("cannot be read", error))?;
    if let Some(problem) = above(&real, &probe) {
        return Err(bad(&problem));
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
    // A user with write access could put another token into a request, or replace a file by a link.
    if mode & WRITABLE != 0 {
        return Some(match mode & STICKY {
            0 => {
                "may be written to by others: choose a directory that nothing else uses, or take \
                 that right from others (chmod go-w)"
            }
            _ => {
                "may be written to by others, because all users put files there: choose a \
                 separate directory below it, which is created if it does not exist"
            }
        });
    }
    // Permissions do not bind the superuser; the store respects them all the same.
    (mode & 0o300 != 0o300).then_some("is read-only")
}

/// A user with write access to a parent directory can replace this directory. The sticky bit limits
/// that right to the owners of the files and of the directory, and to the superuser.
#[cfg(unix)]
fn above(dir: &Path, probe: &Metadata) -> Option<String> {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

    for below in dir.ancestors() {
        let Some(parent) = below.parent() else { break };
        // A parent that cannot be read cannot be checked.
        let (Ok(parent_data), Ok(below_data)) = (fs::metadata(parent), fs::metadata(below)) else {
            continue;
        };
        let mode = parent_data.permissions().mode();
        if mode & WRITABLE == 0 {
            continue;
        }
        let (parent, below) = (parent.display(), below.display());
        if mode & STICKY == 0 {
            return Some(format!(
                "is below `{parent}`, which may be written to by others, who could put another \
                 directory in place of `{below}`: choose a directory below one that only you may \
                 write to, such as ~/.cache; or, if `{parent}` is yours, take that right from \
                 others (chmod go-w) or set its sticky bit (chmod +t)"
            ));
        }
        if ![0, probe.uid()].contains(&below_data.uid()) {
            return Some(format!(
                "is below `{below}`, which belongs to another user, who could put another directory \
                 in its place: choose a directory below one that you own, such as ~/.cache"
            ));
        }
    }
    None
}

#[cfg(not(unix))]
fn above(_: &Path, _: &Metadata) -> Option<String> {
    None
}

#[cfg(unix)]
const WRITABLE: u32 = 0o022;
#[cfg(unix)]
const STICKY: u32 = 0o1000;

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
