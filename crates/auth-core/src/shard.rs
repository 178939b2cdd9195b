use std::{
    cell::Cell,
    sync::atomic::{AtomicUsize, Ordering},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, header::Entry};
use zeroize::Zeroizing;

use crate::Generation;

/// One copy of a token's finished headers.
///
/// What stops several threads from signing side by side is not a lock but the reference count of
/// a shared header value: whoever clones it takes the cache line from all others. So a token is
/// kept in a few copies whose counts lie on lines of their own, and each thread keeps to one.
#[derive(Debug)]
#[repr(align(128))]
pub(crate) struct Shard {
    generation: Generation,
    headers: Box<[(HeaderName, HeaderValue)]>,
}

impl Shard {
    pub(crate) fn new(generation: Generation, headers: Box<[(HeaderName, HeaderValue)]>) -> Self {
        Self { generation, headers }
    }

    pub(crate) fn generation(&self) -> Generation {
        self.generation
    }

    pub(crate) fn sign(&self, headers: &mut HeaderMap) {
        for (name, value) in &self.headers {
            headers.insert(name, value.clone());
        }
    }

    /// Signs unless one of the headers is there already; then nothing is changed.
    #[inline]
    pub(crate) fn sign_vacant(&self, headers: &mut HeaderMap) -> bool {
        if let [(name, value)] = &*self.headers {
            return match headers.entry(name) {
                Entry::Vacant(entry) => {
                    entry.insert(value.clone());
                    true
                }
                Entry::Occupied(_) => false,
            };
        }
        let vacant = self.headers.iter().all(|(name, _)| !headers.contains_key(name));
        if vacant {
            self.sign(headers);
        }
        vacant
    }
}

/// Makes a sensitive header value whose bytes are wiped with its last clone, and whose reference
/// count has cache lines of its own. The bytes must be a valid header value.
pub(crate) fn sensitive_value(text: &str) -> Option<HeaderValue> {
    #[repr(align(128))]
    struct Owner(Zeroizing<Box<[u8]>>);
    impl AsRef<[u8]> for Owner {
        fn as_ref(&self) -> &[u8] {
            &self.0
        }
    }
    let owner = Owner(Zeroizing::new(text.as_bytes().into()));
    let mut value = HeaderValue::from_maybe_shared(Bytes::from_owner(owner)).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// Returns the shard that the current thread uses; `count` is a power of two.
#[inline]
pub(crate) fn index(count: usize) -> usize {
    const UNSET: usize = usize::MAX;
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static SLOT: Cell<usize> = const { Cell::new(UNSET) };
    }
    #[cold]
    fn assign() -> usize {
        let slot = NEXT.fetch_add(1, Ordering::Relaxed);
        SLOT.set(slot);
        slot
    }
    let slot = SLOT.get();
    let slot = if slot == UNSET { assign() } else { slot };
    slot & (count - 1)
}
