use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{AUTHORIZATION, Entry},
};

use crate::{Generation, Secret};

/// One copy of a token's finished headers; a token has a few, see [`Sharded`](crate::Sharded).
#[derive(Debug)]
pub(crate) struct Headers {
    generation: Generation,
    headers: Box<[(HeaderName, HeaderValue)]>,
}

impl Headers {
    /// Builds a copy of checked header lines.
    pub(crate) fn new(generation: Generation, lines: &[(HeaderName, Secret)]) -> Self {
        let headers = lines
            .iter()
            .map(|(name, line)| (own_name(name), sensitive_value(line)));
        Self {
            generation,
            headers: headers.collect(),
        }
    }

    pub(crate) fn generation(&self) -> Generation {
        self.generation
    }

    /// Signs in place of what is there. Returns false if the map has no room for another header
    /// (24,576 names): then some of the headers may be set.
    pub(crate) fn sign(&self, headers: &mut HeaderMap) -> bool {
        let mut own = self.headers.iter();
        own.all(|(name, value)| headers.try_insert(name, value.clone()).is_ok())
    }

    /// Signs unless one of the headers is there already, or there is no room for another header;
    /// then nothing is changed.
    #[inline]
    pub(crate) fn sign_vacant(&self, headers: &mut HeaderMap) -> bool {
        if let [(name, value)] = &*self.headers {
            // With a name known here, its clone and a part of its hash are made by the compiler.
            let entry = match *name {
                AUTHORIZATION => headers.try_entry(AUTHORIZATION),
                _ => headers.try_entry(name),
            };
            return match entry {
                Ok(Entry::Vacant(entry)) => entry.try_insert(value.clone()).is_ok(),
                _ => false,
            };
        }
        let vacant = self
            .headers
            .iter()
            .all(|(name, _)| !headers.contains_key(name));
        if vacant && !self.sign(headers) {
            for (name, _) in &self.headers {
                headers.remove(name);
            }
            return false;
        }
        vacant
    }
}

/// Makes a sensitive header value of a checked line: it shares the line's memory, and has a
/// reference count on cache lines of its own.
fn sensitive_value(line: &Secret) -> HeaderValue {
    #[repr(align(128))]
    struct Owner(Secret);
    impl AsRef<[u8]> for Owner {
        fn as_ref(&self) -> &[u8] {
            self.0.expose().as_bytes()
        }
    }
    let bytes = Bytes::from_owner(Owner(line.clone()));
    let value = HeaderValue::from_maybe_shared(bytes);
    let mut value = value.expect("the scheme checked every line for what a header may carry");
    value.set_sensitive(true);
    value
}

/// A copy of a header name that shares its memory with no other one: cloning a name made at run
/// time counts references, which threads would fight for.
fn own_name(name: &HeaderName) -> HeaderName {
    HeaderName::from_bytes(name.as_str().as_bytes()).unwrap_or_else(|_| name.clone())
}
