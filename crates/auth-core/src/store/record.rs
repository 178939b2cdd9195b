use bytes::Bytes;
use zeroize::Zeroizing;

use crate::Secret;

/// What is kept of a token: enough to use it in another process.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    pub(crate) token: Secret,
    pub(crate) scope: Option<String>,
    /// In milliseconds since the Unix epoch.
    pub(crate) expires_at: u64,
    /// How long it lived at first, in milliseconds.
    pub(crate) lifetime: u64,
    /// The API refused it: nobody takes it any more.
    pub(crate) refused: bool,
}

/// Names the layout; what begins otherwise is nothing that this release knows.
const MAGIC: &[u8] = b"auth-core 1\n";

impl Record {
    pub(crate) fn encode(&self) -> Bytes {
        let scope = self.scope.as_deref().unwrap_or_default();
        let size = MAGIC.len() + 34 + self.token.expose().len() + scope.len();
        // Full size from the start: a buffer that grows would leave unwiped copies behind.
        let mut bytes = Zeroizing::new(Vec::with_capacity(size));
        bytes.extend_from_slice(MAGIC);
        bytes.push(u8::from(self.refused));
        bytes.push(u8::from(self.scope.is_some()));
        bytes.extend_from_slice(&self.expires_at.to_be_bytes());
        bytes.extend_from_slice(&self.lifetime.to_be_bytes());
        for text in [self.token.expose(), scope] {
            bytes.extend_from_slice(&(text.len() as u64).to_be_bytes());
            bytes.extend_from_slice(text.as_bytes());
        }
        Bytes::from_owner(Wiped(bytes))
    }

    /// `None` for whatever is not to the letter what [`encode`](Self::encode) writes.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let rest = bytes.strip_prefix(MAGIC)?;
        let (refused, rest) = flag(rest)?;
        let (has_scope, rest) = flag(rest)?;
        let (expires_at, rest) = rest.split_first_chunk()?;
        let (lifetime, rest) = rest.split_first_chunk()?;
        let (token, rest) = text(rest)?;
        let (scope, rest) = text(rest)?;
        let fits = rest.is_empty() && !token.is_empty() && (has_scope || scope.is_empty());
        fits.then(|| Self {
            token: Secret::new(token),
            scope: has_scope.then(|| scope.to_owned()),
            expires_at: u64::from_be_bytes(*expires_at),
            lifetime: u64::from_be_bytes(*lifetime),
            refused,
        })
    }
}

fn flag(bytes: &[u8]) -> Option<(bool, &[u8])> {
    match bytes.split_first()? {
        (0, rest) => Some((false, rest)),
        (1, rest) => Some((true, rest)),
        _ => None,
    }
}

fn text(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let (length, rest) = bytes.split_first_chunk()?;
    let length = usize::try_from(u64::from_be_bytes(*length)).ok()?;
    let (text, rest) = rest.split_at_checked(length)?;
    Some((std::str::from_utf8(text).ok()?, rest))
}

struct Wiped(Zeroizing<Vec<u8>>);

impl AsRef<[u8]> for Wiped {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn record() -> impl Strategy<Value = Record> {
        let scope = proptest::option::of(".{0,8}");
        let parts = (".{1,8}", scope, any::<u64>(), any::<u64>(), any::<bool>());
        parts.prop_map(|(token, scope, expires_at, lifetime, refused)| Record {
            token: Secret::new(token),
            scope,
            expires_at,
            lifetime,
            refused,
        })
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(record in record()) {
            let read = Record::decode(&record.encode()).unwrap();
            prop_assert_eq!(read.token, record.token);
            prop_assert_eq!(read.scope, record.scope);
            prop_assert_eq!(read.expires_at, record.expires_at);
            prop_assert_eq!(read.lifetime, record.lifetime);
            prop_assert_eq!(read.refused, record.refused);
        }

        #[test]
        fn g16_nothing_cut_or_longer_is_read(record in record(), cut in any::<prop::sample::Index>()) {
            let bytes = record.encode();
            let cut = cut.index(bytes.len());
            prop_assert!(Record::decode(&bytes[..cut]).is_none());
            let longer = [&bytes[..], b"x"].concat();
            prop_assert!(Record::decode(&longer).is_none());
        }

        #[test]
        fn g16_no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = Record::decode(&bytes);
            let _ = Record::decode(&[MAGIC, &bytes].concat());
        }
    }
}
