use std::sync::Arc;

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{AUTHORIZATION, CONTENT_TYPE, Entry},
};

use zeroize::Zeroizing;

use crate::{Generation, Moment, Secret};

/// One copy of a token's finished headers. A token has several copies, see
/// [`Sharded`](crate::Sharded).
#[derive(Debug)]
pub(crate) struct Headers {
    about: About,
    lines: Lines,
    /// All copies share the text.
    scope: Option<Arc<str>>,
}

/// What is known of a token beside its text and scope.
#[derive(Clone, Copy, Debug)]
pub(crate) struct About {
    pub(crate) generation: Generation,
    /// The length of what stands before the token in the first line.
    pub(crate) prefix: usize,
    pub(crate) valid_until: Moment,
}

#[derive(Debug)]
enum Lines {
    /// The common case: `Authorization` only.
    Authorization(HeaderValue),
    /// The credentials, followed by the content type if the scheme has one.
    Several(Box<[(HeaderName, HeaderValue)]>),
}

impl Headers {
    /// Builds a copy from checked header lines.
    pub(crate) fn new(
        about: About,
        lines: Vec<(HeaderName, Secret)>,
        scope: Option<Arc<str>>,
        copies: Copies,
    ) -> Self {
        let lines: Vec<_> = lines
            .into_iter()
            .map(|(name, line)| (own_name(&name), value(&name, line, copies)))
            .collect();
        let lines = match <[_; 1]>::try_from(lines) {
            Ok([(AUTHORIZATION, value)]) => Lines::Authorization(value),
            Ok(line) => Lines::Several(Box::new(line)),
            Err(lines) => Lines::Several(lines.into()),
        };
        Self {
            about,
            lines,
            scope,
        }
    }

    pub(crate) fn scope(&self) -> Option<&str> {
        self.scope.as_deref()
    }

    pub(crate) fn about(&self) -> &About {
        &self.about
    }

    /// The token's text.
    pub(crate) fn text(&self) -> Secret {
        let (_, text) = self.first_line();
        Secret::new(text)
    }

    /// What stands before the token, for example `Bearer `.
    pub(crate) fn prefix(&self) -> &str {
        let (prefix, _) = self.first_line();
        prefix
    }

    fn first_line(&self) -> (&str, &str) {
        let value = match &self.lines {
            Lines::Authorization(value) => value,
            // The scheme puts the token first.
            Lines::Several(lines) => &lines[0].1,
        };
        let line = value.to_str().unwrap_or_default();
        line.split_at_checked(self.about.prefix).unwrap_or_default()
    }

    #[inline]
    pub(crate) fn generation(&self) -> Generation {
        self.about.generation
    }

    /// Sets the headers and replaces existing ones. Returns false if the map has no room for
    /// another header (a map holds 24,576 names); some of the headers may be set then.
    pub(crate) fn sign(&self, headers: &mut HeaderMap) -> bool {
        match &self.lines {
            Lines::Authorization(value) => headers.try_insert(AUTHORIZATION, value.clone()).is_ok(),
            Lines::Several(lines) => sign_all(lines, headers),
        }
    }

    /// Sets the headers unless one of the credentials is set already or the map has no room for
    /// another header. Otherwise sets no credential and returns `None`.
    #[inline(always)]
    pub(crate) fn sign_vacant(&self, headers: &mut HeaderMap) -> Option<Generation> {
        let is_signed = match &self.lines {
            // A look-up first would be a second search.
            Lines::Authorization(value) => match headers.try_append(AUTHORIZATION, value.clone()) {
                Ok(false) => true,
                Ok(true) => {
                    take_last_back(headers);
                    false
                }
                Err(_) => false,
            },
            Lines::Several(lines) => sign_all_vacant(lines, headers),
        };
        is_signed.then_some(self.about.generation)
    }
}

fn sign_all(lines: &[(HeaderName, HeaderValue)], headers: &mut HeaderMap) -> bool {
    lines.iter().all(|(name, value)| {
        (!is_credential(name) && headers.contains_key(name))
            || headers.try_insert(name, value.clone()).is_ok()
    })
}

fn sign_all_vacant(lines: &[(HeaderName, HeaderValue)], headers: &mut HeaderMap) -> bool {
    let credentials = || lines.iter().filter(|(name, _)| is_credential(name));
    if credentials().any(|(name, _)| headers.contains_key(name)) {
        return false;
    }
    let signed = sign_all(lines, headers);
    if !signed {
        for (name, _) in credentials() {
            headers.remove(name);
        }
    }
    signed
}

/// Removes the last value of `Authorization`. The caller's values keep their place and order.
#[cold]
fn take_last_back(headers: &mut HeaderMap) {
    // There is room: `try_append` reserved it.
    let Ok(Entry::Occupied(mut entry)) = headers.try_entry(AUTHORIZATION) else {
        return;
    };
    let mut own: Vec<_> = entry.iter().cloned().collect();
    own.pop();
    let mut own = own.into_iter();
    if let Some(first) = own.next() {
        // Replaces all values.
        entry.insert(first);
        own.for_each(|value| entry.append(value));
    }
}

/// A scheme sets no credential in this header.
fn is_credential(name: &HeaderName) -> bool {
    *name != CONTENT_TYPE
}

/// The number of copies of a token's headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Copies {
    One,
    Several,
}

impl Copies {
    pub(crate) fn of(shards: usize) -> Self {
        if shards > 1 { Self::Several } else { Self::One }
    }
}

/// Makes a header value of a checked line, sensitive if it is a credential. The value shares the
/// line's memory. Of several copies, each has its reference count on separate cache lines.
fn value(name: &HeaderName, line: Secret, copies: Copies) -> HeaderValue {
    #[repr(align(128))]
    struct Apart(Secret);
    impl AsRef<[u8]> for Apart {
        fn as_ref(&self) -> &[u8] {
            self.0.expose().as_bytes()
        }
    }
    struct Only(Zeroizing<String>);
    impl AsRef<[u8]> for Only {
        fn as_ref(&self) -> &[u8] {
            self.0.as_bytes()
        }
    }
    let bytes = match copies {
        Copies::One => match line.into_only() {
            Ok(text) => Bytes::from_owner(Only(text)),
            Err(shared) => Bytes::from(shared),
        },
        Copies::Several => Bytes::from_owner(Apart(line)),
    };
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
        let about = About {
            generation: Generation::after(None),
            prefix: scheme.prefix().len(),
            valid_until: Moment::NEVER,
        };
        Headers::new(about, lines, None, Copies::One)
    }

    #[test]
    fn content_type_is_set_only_if_absent_and_is_no_credential() {
        let scheme = Scheme::bearer().content_type("application/json").unwrap();
        let signing = headers(&scheme);
        let mut bare = HeaderMap::new();
        assert!(signing.sign_vacant(&mut bare).is_some());
        assert_eq!(bare[CONTENT_TYPE], "application/json");
        assert!(!bare[CONTENT_TYPE].is_sensitive());
        assert!(bare["authorization"].is_sensitive());

        let mut own = HeaderMap::new();
        own.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
        assert!(!scheme.is_set(&own));
        assert!(
            signing.sign_vacant(&mut own).is_some(),
            "a content type does not count as signed"
        );
        assert_eq!(own[CONTENT_TYPE], "text/plain");
        // A replay with the next token changes the credential only.
        own.insert("authorization", HeaderValue::from_static("fake-old"));
        signing.sign(&mut own);
        assert_eq!(own["authorization"], "Bearer fake-token");
        assert_eq!(own[CONTENT_TYPE], "text/plain");

        let mut signed = HeaderMap::new();
        signed.insert("authorization", HeaderValue::from_static("callers-own"));
        assert!(signing.sign_vacant(&mut signed).is_none());
        assert_eq!(signed.len(), 1, "g13: nothing is changed");
        scheme.remove(&mut bare);
        assert_eq!(bare.len(), 1, "only the credential is removed");
    }

    #[test]
    fn g13_the_callers_own_headers_keep_values_and_order() {
        let signing = headers(&Scheme::bearer());
        for own in 1..=3 {
            let mut map = HeaderMap::new();
            map.insert("accept", HeaderValue::from_static("a"));
            for number in 0..own {
                map.append(AUTHORIZATION, HeaderValue::from(number));
                map.append("x-own", HeaderValue::from(number));
            }
            map.append("accept", HeaderValue::from_static("b"));
            let before = map.clone();
            assert!(signing.sign_vacant(&mut map).is_none());
            let lines = |map: &HeaderMap| -> Vec<_> {
                let lines = map.iter();
                lines.map(|(n, v)| (n.clone(), v.clone())).collect()
            };
            assert_eq!(lines(&map), lines(&before), "{own}");
            // The value that was removed does not come back.
            map.remove(AUTHORIZATION);
            assert!(!map.contains_key(AUTHORIZATION));
        }
    }

    #[test]
    fn a_full_map_gets_no_credential() {
        let mut full = HeaderMap::new();
        let name = |number: usize| HeaderName::try_from(format!("x-{number}")).unwrap();
        let numbers = 0..24_576;
        numbers.for_each(|number| drop(full.insert(name(number), HeaderValue::from(0))));
        let signing = headers(&Scheme::bearer());
        assert!(signing.sign_vacant(&mut full).is_none());
        assert!(!full.contains_key(AUTHORIZATION));
        full.remove(name(0));
        assert!(signing.sign_vacant(&mut full).is_some());
    }

    #[test]
    fn each_of_several_shards_has_its_own_copy() {
        let copies = [1, 2, 8].map(Copies::of);
        assert_eq!(copies, [Copies::One, Copies::Several, Copies::Several]);
    }
}
