use std::{fs::File, io, io::Read as _, path::Path, time::Duration};

use auth_core::{EntryVersion, StoredEntry};
use bytes::Bytes;
use zeroize::Zeroizing;

use crate::{name::Name, stamp::Stamp};

/// The content of an entry's file.
pub(crate) struct Entry {
    pub(crate) version: EntryVersion,
    pub(crate) written: Stamp,
    /// The time to live in milliseconds.
    pub(crate) time_to_live: u64,
    pub(crate) bytes: Bytes,
}

/// The result of reading a file.
pub(crate) enum Found<T> {
    Nothing,
    /// The file exists, and no release up to this one wrote it under this name.
    Foreign,
    Good(T),
}

impl Entry {
    /// `MAGIC`, version, time of writing, time to live, checksum, content.
    pub(crate) fn encode(&self, name: Name) -> Zeroizing<Vec<u8>> {
        let version = self.version.get().to_be_bytes();
        let written = self.written.encode();
        let time_to_live = self.time_to_live.to_be_bytes();
        let sum = name.checksum(&[MAGIC, &version, &written, &time_to_live, &self.bytes]);
        // Allocated at full size: a buffer that grows would leave unwiped copies behind.
        let mut file = Zeroizing::new(Vec::with_capacity(HEADER + self.bytes.len()));
        for part in [MAGIC, &version, &written, &time_to_live, &sum, &self.bytes] {
            file.extend_from_slice(part);
        }
        file
    }

    /// `None` for bytes that are not exactly what [`encode`](Self::encode) writes.
    pub(crate) fn decode(name: Name, file: Zeroizing<Vec<u8>>) -> Option<Self> {
        let rest = file.strip_prefix(MAGIC)?;
        let (version, rest) = rest.split_first_chunk()?;
        let (written, rest) = rest.split_first_chunk::<{ Stamp::SIZE }>()?;
        let (time_to_live, rest) = rest.split_first_chunk()?;
        let (sum, content) = rest.split_first_chunk()?;
        if name.checksum(&[MAGIC, version, written, time_to_live, content]) != *sum {
            return None;
        }
        Some(Self {
            version: EntryVersion::new(u128::from_be_bytes(*version)),
            written: Stamp::decode(written)?.0,
            time_to_live: u64::from_be_bytes(*time_to_live),
            bytes: Bytes::from_owner(Wiped(file)).slice(HEADER..),
        })
    }

    /// Whether the entry's time to live is not over. An entry of unknown age is kept, because its
    /// end is not known.
    pub(crate) fn is_alive(&self, now: &Stamp) -> bool {
        let is_over = |used| self.time_to_live <= used;
        self.time_to_live > 0 && !now.used_since(&self.written).is_some_and(is_over)
    }

    pub(crate) fn age(&self, now: &Stamp) -> Duration {
        now.age_since(&self.written)
            .map_or(StoredEntry::UNKNOWN_AGE, Duration::from_millis)
    }

    pub(crate) fn read(name: Name, path: &Path) -> io::Result<Found<Self>> {
        Ok(match read(path, HEADER + MAX)? {
            Found::Nothing => Found::Nothing,
            Found::Foreign => Found::Foreign,
            Found::Good(file) => match Self::decode(name, file) {
                Some(entry) => Found::Good(entry),
                None => Found::Foreign,
            },
        })
    }
}

/// Reads a whole file, if it is a regular file and not longer than an entry may be.
pub(crate) fn read(path: &Path, max: usize) -> io::Result<Found<Zeroizing<Vec<u8>>>> {
    // Checked before it is opened: opening a pipe would wait for a writer. Links are not followed.
    match path.symlink_metadata() {
        Ok(metadata) if metadata.is_file() => {}
        Ok(_) => return Ok(Found::Foreign),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Found::Nothing),
        Err(error) => return Err(error),
    }
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Found::Nothing),
        Err(error) => return Err(error),
    };
    let Some(size) = usize::try_from(file.metadata()?.len())
        .ok()
        .filter(|size| *size <= max)
    else {
        return Ok(Found::Foreign);
    };
    // No process writes to a file under its final name, so its size does not change.
    let mut content = Zeroizing::new(vec![0; size]);
    match file.read_exact(&mut content) {
        Ok(()) => Ok(Found::Good(content)),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(Found::Foreign),
        Err(error) => Err(error),
    }
}

struct Wiped(Zeroizing<Vec<u8>>);

impl AsRef<[u8]> for Wiped {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

/// Names the layout. This release reads no other.
const MAGIC: &[u8] = b"auth-store-file entry 1\n";
const HEADER: usize = MAGIC.len() + 16 + Stamp::SIZE + 8 + 8;
/// The longest entry, in bytes.
pub(crate) const MAX: usize = 1024 * 1024;

#[cfg(test)]
mod tests;
