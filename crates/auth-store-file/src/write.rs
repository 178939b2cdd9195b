use std::{
    ffi::OsString,
    fs::{self, File, Metadata},
    io::{self, Write as _},
    path::Path,
    time::{Duration, UNIX_EPOCH},
};

use tempfile::NamedTempFile;

use crate::lock::Lock;

/// A complete file that has not replaced its target yet. It is removed when it is dropped.
pub(crate) struct Temporary(NamedTempFile);

impl Temporary {
    /// Writes a file beside its target, readable by its owner only. A durable file survives a power
    /// cut.
    pub(crate) fn write(target: &Path, content: &[u8], durable: bool) -> io::Result<Self> {
        let dir = target.parent().unwrap_or(Path::new(""));
        let mut prefix = OsString::from(target.file_name().unwrap_or_default());
        prefix.push(".");
        let mut file = tempfile::Builder::new()
            .prefix(&prefix)
            .rand_bytes(RANDOM)
            .suffix(EXTENSION)
            .tempfile_in(dir)?;
        file.write_all(content)?;
        if durable {
            file.as_file().sync_all()?;
        }
        Ok(Self(file))
    }

    /// Replaces the target in one step.
    pub(crate) fn rename(self, target: &Path) -> io::Result<()> {
        self.0.persist(target)?;
        Ok(())
    }
}

/// Makes what was renamed in a directory outlive a power cut, where the file system can. Where it
/// cannot, the power cut brings back what was there before, which is whole as well.
pub(crate) fn sync(dir: &Path) {
    if cfg!(unix) {
        let _ = File::open(dir).and_then(|dir| dir.sync_all());
    }
}

/// Writes a file and removes it.
pub(crate) fn probe(dir: &Path) -> io::Result<Metadata> {
    let probe = Temporary::write(&dir.join("probe"), b"", false)?;
    fs::metadata(probe.0.path())
}

/// Removes what processes that were killed could not: a token may be in there. The guard of a lease
/// goes if nobody has it locked.
pub(crate) fn sweep(dir: &Path, wall: Duration) {
    let is_old = |metadata: &Metadata| {
        let modified = metadata.modified().ok();
        let modified = modified.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        modified.is_some_and(|modified| wall.saturating_sub(modified) > OLD)
    };
    for file in fs::read_dir(dir).into_iter().flatten().flatten() {
        let name = file.file_name();
        let name = name.to_str().unwrap_or_default();
        let is_ours = is_temporary(name) || is_guard(name);
        if !is_ours || !file.metadata().is_ok_and(|metadata| is_old(&metadata)) {
            continue;
        }
        let path = file.path();
        if is_temporary(name) || matches!(Lock::of_existing(&path), Ok(Some(_))) {
            let _ = fs::remove_file(path);
        }
    }
}

/// To the letter, as other people's files may be in the directory.
fn is_temporary(name: &str) -> bool {
    let Some((target, random)) = name
        .strip_suffix(EXTENSION)
        .and_then(|name| name.rsplit_once('.'))
    else {
        return false;
    };
    let key = target.strip_suffix(".lease").unwrap_or(target);
    let is_random = random.len() == RANDOM && random.bytes().all(|b| b.is_ascii_alphanumeric());
    is_random && (target == "probe" || is_hex(key, 64))
}

fn is_guard(name: &str) -> bool {
    let parts = name.strip_suffix(".held").and_then(|n| n.split_once('.'));
    parts.is_some_and(|(key, id)| is_hex(key, 64) && is_hex(id, 16))
}

fn is_hex(text: &str, length: usize) -> bool {
    text.len() == length && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

const EXTENSION: &str = ".tmp";
/// The length of the random part of a temporary file's name.
const RANDOM: usize = 16;
/// Longer than any process writes, and as long as the longest lease.
const OLD: Duration = Duration::from_secs(600);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_elses_files_are_swept() {
        let key = "ab".repeat(32);
        assert!(is_temporary(&format!("{key}.0123456789abcdef.tmp")));
        assert!(is_temporary(&format!("{key}.lease.0123456789abcdef.tmp")));
        assert!(is_temporary("probe.0123456789abcdef.tmp"));
        assert!(is_temporary("probe.0123ghijKLMN4567.tmp"));
        for other in [
            "notes.tmp",
            "notes.0123456789abcdef.tmp",
            ".tmp",
            "..tmp",
            &key,
            &format!("{key}.lock"),
            &format!("{key}.tmp"),
            &format!("{key}.0123456789abcdef"),
        ] {
            assert!(!is_temporary(other), "{other}");
        }
    }
}
