//! The destination that a thread saw last, so that the next request to it costs a comparison.

use std::{
    cell::RefCell,
    sync::atomic::{AtomicU64, Ordering},
};

use http::{Uri, uri::Scheme};

use super::{Destination, parse::is_same};

/// The number of a list of origins, unique in this process.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ListNumber(u64);

impl Default for ListNumber {
    fn default() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

impl ListNumber {
    /// Returns what was remembered of a destination, if it is the last one that this thread
    /// remembered for this list. All bytes of scheme and authority are compared.
    #[inline]
    pub(super) fn recall(&self, uri: &Uri) -> Option<Destination> {
        RECENT.with(|recent| {
            let recent = recent.try_borrow().ok()?;
            if recent.list != self.0 {
                return None;
            }
            let authority = uri.authority()?.as_str().as_bytes();
            let is_known = is_same(recent.authority.get(..recent.length)?, authority)
                && code(uri.scheme()) == Some(recent.scheme);
            is_known.then_some(recent.known)
        })
    }

    /// Remembers a destination. Not one with user information, which may be a password, and not a
    /// long one.
    pub(super) fn remember(&self, uri: &Uri, known: Destination) {
        let (Some(scheme), Some(authority)) = (code(uri.scheme()), uri.authority()) else {
            return;
        };
        let text = authority.as_str().as_bytes();
        if text.len() > MAX_BYTES || text.contains(&b'@') {
            return;
        }
        RECENT.with(|recent| {
            let Ok(mut recent) = recent.try_borrow_mut() else {
                return;
            };
            recent.authority[..text.len()].copy_from_slice(text);
            recent.length = text.len();
            recent.list = self.0;
            recent.scheme = scheme;
            recent.known = known;
        });
    }
}

struct Recent {
    /// The number of the list. 0 is no list's.
    list: u64,
    scheme: u8,
    length: usize,
    authority: [u8; MAX_BYTES],
    known: Destination,
}

/// A number for each of the two usual schemes.
#[inline]
fn code(scheme: Option<&Scheme>) -> Option<u8> {
    match scheme?.as_str() {
        "https" => Some(1),
        "http" => Some(2),
        _ => None,
    }
}

/// The longest authority that is remembered.
const MAX_BYTES: usize = 64;

thread_local! {
    static RECENT: RefCell<Recent> = const {
        RefCell::new(Recent {
            list: 0,
            scheme: 0,
            length: 0,
            authority: [0; MAX_BYTES],
            known: Destination::OtherOrigin,
        })
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_authority_of_64_bytes_is_remembered_and_a_longer_one_is_not() {
        let list = ListNumber::default();
        for (length, known) in [(64, Some(Destination::Permitted)), (65, None)] {
            let uri = format!("https://{}/", "a".repeat(length)).parse().unwrap();
            list.remember(&uri, Destination::Permitted);
            assert_eq!(list.recall(&uri), known, "{length}");
        }
    }
}
