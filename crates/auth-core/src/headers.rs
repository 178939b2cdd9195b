use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{AUTHORIZATION, CONTENT_TYPE, Entry},
};

use crate::{Generation, Secret};

/// One copy of a token's finished headers; a token has a few, see [`Sharded`](crate::Sharded).
#[derive(Debug)]
pub(crate) struct Headers {
    generation: Generation,
    /// The credentials, and last, if the scheme has one, the content type.
    headers: Box<[(HeaderName, HeaderValue)]>,
}

impl Headers {
    /// Builds a copy of checked header lines.
    pub(crate) fn new(generation: Generation, lines: &[(HeaderName, Secret)]) -> Self {
        let headers = lines
            .iter()
            .map(|(name, line)| (own_name(name), value(name, line)));
        Self {
            generation,
            headers: headers.collect(),
        }
    }

    pub(crate) fn generation(&self) -> Generation {
        self.generation
    }

    /// Signs in place of what is there. Returns false if the map has no room for another header (a
    /// map holds 24,576 names): then a part of the headers may be set.
    pub(crate) fn sign(&self, headers: &mut HeaderMap) -> bool {
        let mut own = self.headers.iter();
        own.all(|(name, value)| {
            (!is_credential(name) && headers.contains_key(name))
                || headers.try_insert(name, value.clone()).is_ok()
        })
    }

    /// Signs unless one of the credentials is there already, or the map has no room for another
    /// header; then no credential is added.
    #[inline]
    pub(crate) fn sign_vacant(&self, headers: &mut HeaderMap) -> bool {
        match &*self.headers {
            [(name, value)] if headers.keys_len() <= MANY => {
                // A name that the compiler knows is cheaper to hash and to copy.
                let entry = match *name {
                    AUTHORIZATION => headers.entry(AUTHORIZATION),
                    _ => headers.entry(name),
                };
                match entry {
                    Entry::Vacant(entry) => {
                        entry.insert(value.clone());
                        true
                    }
                    Entry::Occupied(_) => false,
                }
            }
            _ => self.sign_all_vacant(headers),
        }
    }

    fn sign_all_vacant(&self, headers: &mut HeaderMap) -> bool {
        let credentials = || self.headers.iter().filter(|(name, _)| is_credential(name));
        if credentials().any(|(name, _)| headers.contains_key(name)) {
            return false;
        }
        let signed = self.sign(headers);
        if !signed {
            for (name, _) in credentials() {
                headers.remove(name);
            }
        }
        signed
    }
}

/// Up to here a map cannot be full, also if it doubles because its hashes collide: `entry` and
/// `insert` do not panic.
const MANY: usize = 4_096;

/// The scheme lets no credential into this header.
fn is_credential(name: &HeaderName) -> bool {
    *name != CONTENT_TYPE
}

/// Makes a header value of a checked line, sensitive if it is a credential: it shares the line's
/// memory, and has a reference count on cache lines of its own.
fn value(name: &HeaderName, line: &Secret) -> HeaderValue {
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
    value.set_sensitive(is_credential(name));
    value
}

/// A copy of a header name that shares its memory with no other one: cloning a name made at run
/// time counts references, which threads would fight for.
fn own_name(name: &HeaderName) -> HeaderName {
    HeaderName::from_bytes(name.as_str().as_bytes()).unwrap_or_else(|_| name.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Scheme;

    fn headers(scheme: &Scheme) -> Headers {
        let lines = scheme.lines("example", &Secret::new("fake-token")).unwrap();
        Headers::new(Generation::after(None), &lines)
    }

    #[test]
    fn a_content_type_is_set_where_there_is_none_and_is_no_credential() {
        let scheme = Scheme::bearer().content_type("application/json").unwrap();
        let signing = headers(&scheme);
        let mut bare = HeaderMap::new();
        assert!(signing.sign_vacant(&mut bare));
        assert_eq!(bare[CONTENT_TYPE], "application/json");
        assert!(!bare[CONTENT_TYPE].is_sensitive());
        assert!(bare["authorization"].is_sensitive());

        let mut own = HeaderMap::new();
        own.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
        assert!(!scheme.is_set(&own));
        assert!(signing.sign_vacant(&mut own), "it is still to be signed");
        assert_eq!(own[CONTENT_TYPE], "text/plain");
        // A replay with the next token changes the credential only.
        own.insert("authorization", HeaderValue::from_static("fake-old"));
        signing.sign(&mut own);
        assert_eq!(own["authorization"], "Bearer fake-token");
        assert_eq!(own[CONTENT_TYPE], "text/plain");

        let mut signed = HeaderMap::new();
        signed.insert("authorization", HeaderValue::from_static("callers-own"));
        assert!(!signing.sign_vacant(&mut signed));
        assert_eq!(signed.len(), 1, "g13: nothing is changed");
        scheme.remove(&mut bare);
        assert_eq!(bare.len(), 1, "only the credential is taken off");
    }
}
