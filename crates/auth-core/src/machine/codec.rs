//! Encoding of the state that processes share: numbers have eight bytes, texts follow their length.

use std::time::Duration;

use bytes::Bytes;
use zeroize::Zeroizing;

use crate::Key;

/// With secrets, `capacity` must be the full size: a buffer that grows leaves unwiped copies behind.
pub(crate) struct Writer(Zeroizing<Vec<u8>>);

impl Writer {
    pub(crate) fn new(magic: &[u8], key: &Key, capacity: usize) -> Self {
        let mut bytes = Zeroizing::new(Vec::with_capacity(magic.len() + 8 + capacity));
        bytes.extend_from_slice(magic);
        let mut this = Self(bytes);
        this.number(mark(key));
        this
    }

    pub(crate) fn number(&mut self, number: u64) {
        self.0.extend_from_slice(&number.to_be_bytes());
    }

    pub(crate) fn time(&mut self, time: Duration) {
        self.number(u64::try_from(time.as_millis()).unwrap_or(u64::MAX));
    }

    pub(crate) fn flag(&mut self, flag: bool) {
        self.number(u64::from(flag));
    }

    pub(crate) fn text(&mut self, text: &str) {
        self.number(text.len() as u64);
        self.0.extend_from_slice(text.as_bytes());
    }

    pub(crate) fn option<T>(&mut self, value: Option<T>, write: impl FnOnce(&mut Self, T)) {
        self.flag(value.is_some());
        if let Some(value) = value {
            write(self, value);
        }
    }

    pub(crate) fn end(self) -> Bytes {
        Bytes::from_owner(Wiped(self.0))
    }
}

struct Wiped(Zeroizing<Vec<u8>>);

impl AsRef<[u8]> for Wiped {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

/// Returns a mark of the entry's key (FNV-1a), against stores that mix entries up by mistake.
/// Against hostile stores, entries are sealed.
fn mark(key: &Key) -> u64 {
    let mix = |mark: u64, byte: &u8| (mark ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    key.encoded().iter().fold(0xcbf2_9ce4_8422_2325, mix)
}

/// Reads what [`Writer`] wrote. `None` for all other bytes.
pub(crate) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) fn new(magic: &[u8], key: &Key, bytes: &'a [u8]) -> Option<Self> {
        let mut this = bytes.strip_prefix(magic).map(Self)?;
        // A store that mixes up keys must not give one user another user's token.
        let is_ours = this.number()? == mark(key);
        is_ours.then_some(this)
    }

    pub(crate) fn number(&mut self) -> Option<u64> {
        let (number, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u64::from_be_bytes(*number))
    }

    pub(crate) fn time(&mut self) -> Option<Duration> {
        self.number().map(Duration::from_millis)
    }

    pub(crate) fn flag(&mut self) -> Option<bool> {
        match self.number()? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }

    pub(crate) fn text(&mut self) -> Option<&'a str> {
        let length = usize::try_from(self.number()?).ok()?;
        let (text, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        std::str::from_utf8(text).ok()
    }

    /// Outer `None`: unreadable. Inner `None`: no value was written.
    pub(crate) fn option<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Option<T>,
    ) -> Option<Option<T>> {
        if self.flag()? {
            read(self).map(Some)
        } else {
            Some(None)
        }
    }

    pub(crate) fn end(self) -> Option<()> {
        self.0.is_empty().then_some(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn t27_similar_keys_have_different_marks() {
        let clients = (0..2000).map(|number| format!("fake-client-{number}"));
        let marks = clients.map(|client| mark(&Key::builder("example").client(client).build()));
        assert_eq!(marks.collect::<HashSet<_>>().len(), 2000);
    }
}
