//! A flat copy of a request's head, for a second send.
//!
//! `Request::clone` costs several allocations, because each header value that was made for the
//! request becomes a shared one. One pass over the bytes into a buffer of the thread costs none.

use std::{cell::RefCell, mem};

use auth_core::Key;
use http::{
    Extensions, HeaderMap, HeaderName, HeaderValue, Method, Request, Uri, Version, request::Parts,
    uri,
};
use zeroize::Zeroize;

/// The copy. When it is dropped, its buffer returns to the thread's pool.
pub(crate) struct HeadCopy(Option<Box<Head>>);

/// A head to be copied.
pub(crate) struct HeadRef<'a> {
    method: &'a Method,
    version: Version,
    /// `None` without extensions.
    extensions: Option<&'a Extensions>,
    scheme: Option<&'a uri::Scheme>,
    authority: &'a str,
    path: &'a str,
    headers: &'a HeaderMap,
}

impl<'a> HeadRef<'a> {
    #[inline]
    pub(crate) fn of<B>(request: &'a Request<B>) -> Self {
        let uri = request.uri();
        let path = uri.path_and_query().map_or("", uri::PathAndQuery::as_str);
        let extensions = request.extensions();
        Self {
            version: request.version(),
            extensions: (!extensions.is_empty()).then_some(extensions),
            ..Self::of_parts(request.method(), uri, path, request.headers())
        }
    }

    /// Takes scheme and authority of the URI, not its path.
    #[inline]
    pub(crate) fn of_parts(
        method: &'a Method,
        origin: &'a Uri,
        path: &'a str,
        headers: &'a HeaderMap,
    ) -> Self {
        Self {
            method,
            version: Version::default(),
            extensions: None,
            scheme: origin.scheme(),
            authority: origin.authority().map_or("", uri::Authority::as_str),
            path,
            headers,
        }
    }

    #[inline]
    fn target(&self) -> Line<'a> {
        Line {
            name: self.authority.as_bytes(),
            value: self.path.as_bytes(),
            sensitive: false,
        }
    }
}

#[derive(Default)]
struct Head {
    method: Method,
    version: Version,
    extensions: Extensions,
    /// Replaces extensions that contain only a key: a copy of the extensions costs three
    /// allocations.
    key: Option<Key>,
    scheme: Option<uri::Scheme>,
    /// One line for the URI after its scheme, then one per header, see [`Line`]. Longer than
    /// `used`, so that filling it again only copies bytes.
    bytes: Vec<u8>,
    used: usize,
    sensitive: bool,
}

impl HeadCopy {
    pub(crate) fn of(request: &HeadRef<'_>) -> Self {
        let mut head = POOL
            .try_with(|pool| pool.borrow_mut().pop())
            .ok()
            .flatten()
            .unwrap_or_default();
        head.fill(request);
        Self(Some(head))
    }

    pub(crate) fn method(&self) -> Option<&Method> {
        Some(&self.0.as_ref()?.method)
    }

    /// Returns method and URI of the request.
    pub(crate) fn target(&self) -> Option<(Method, Uri)> {
        let head = self.0.as_ref()?;
        let mut uri = uri::Parts::default();
        uri.scheme = head.scheme.clone();
        let line = Lines(head.bytes.get(..head.used)?).next()?;
        uri.authority = part(line.name)?;
        uri.path_and_query = part(line.value)?;
        Some((head.method.clone(), Uri::from_parts(uri).ok()?))
    }

    /// Restores the request's head. `None` does not occur, because the bytes came from a head.
    pub(crate) fn restore(mut self) -> Option<Parts> {
        self.0.as_mut()?.restore()
    }
}

impl Drop for HeadCopy {
    fn drop(&mut self) {
        let Some(mut head) = self.0.take() else {
            return;
        };
        head.clear();
        if head.bytes.capacity() <= MAX_KEPT_BYTES {
            // A thread that is ending has no pool any more; the buffer is dropped.
            let _ = POOL.try_with(|pool| {
                let mut pool = pool.borrow_mut();
                if pool.len() < MAX_KEPT {
                    pool.push(head);
                }
            });
        }
    }
}

impl Head {
    fn fill(&mut self, request: &HeadRef<'_>) {
        self.method.clone_from(request.method);
        self.version = request.version;
        if let Some(extensions) = request.extensions {
            match extensions.get::<Key>() {
                Some(key) if extensions.len() == 1 => self.key = Some(key.clone()),
                _ => self.extensions.clone_from(extensions),
            }
        }
        self.scheme = request.scheme.cloned();
        if self.copy(request).is_none() {
            self.make_room(request);
            self.copy(request);
        }
    }

    /// Copies the texts. Returns `None` if there is not enough room.
    fn copy(&mut self, request: &HeadRef<'_>) -> Option<()> {
        let room = self.bytes.len();
        let mut free = request.target().write(&mut self.bytes)?;
        let mut sensitive = false;
        for header in request.headers {
            let line = Line::of_header(header);
            sensitive |= line.sensitive;
            free = line.write(free)?;
        }
        self.used = room - free.len();
        self.sensitive = sensitive;
        Some(())
    }

    /// Takes a larger buffer. Wipes sensitive bytes in the old one.
    #[cold]
    fn make_room(&mut self, request: &HeadRef<'_>) {
        self.bytes.zeroize();
        let lines = request.headers.iter();
        let lines = lines.map(|header| Line::of_header(header).size());
        let needed = request.target().size() + lines.sum::<usize>();
        self.bytes = vec![0; needed.next_power_of_two().max(MIN_BYTES)];
    }

    fn restore(&mut self) -> Option<Parts> {
        let mut lines = Lines(self.bytes.get(..self.used)?);
        let target = lines.next()?;
        let mut uri = uri::Parts::default();
        uri.scheme = self.scheme.take();
        uri.authority = part(target.name)?;
        uri.path_and_query = part(target.value)?;
        // One more, for the credential. Several values of one name take only one place, so there
        // may be more values than a map has places.
        let mut map = HeaderMap::try_with_capacity(lines.clone().count() + 1).unwrap_or_default();
        for line in lines {
            let mut value = HeaderValue::from_bytes(line.value).ok()?;
            value.set_sensitive(line.sensitive);
            map.try_append(HeaderName::from_bytes(line.name).ok()?, value)
                .ok()?;
        }
        let (mut parts, ()) = Request::new(()).into_parts();
        parts.method = mem::take(&mut self.method);
        parts.uri = Uri::from_parts(uri).ok()?;
        parts.version = self.version;
        parts.headers = map;
        parts.extensions = mem::take(&mut self.extensions);
        if let Some(key) = self.key.take() {
            parts.extensions.insert(key);
        }
        Some(parts)
    }

    fn clear(&mut self) {
        if self.sensitive {
            self.bytes[..self.used].zeroize();
        }
        self.used = 0;
        self.extensions.clear();
        self.key = None;
        self.sensitive = false;
    }
}

/// Two texts: name and value of a header, or authority and path of the URI.
struct Line<'a> {
    name: &'a [u8],
    value: &'a [u8],
    sensitive: bool,
}

impl<'a> Line<'a> {
    #[inline]
    fn of_header((name, value): (&'a HeaderName, &'a HeaderValue)) -> Self {
        Self {
            name: name.as_str().as_bytes(),
            value: value.as_bytes(),
            sensitive: value.is_sensitive(),
        }
    }

    #[inline]
    fn size(&self) -> usize {
        LENGTHS + self.name.len() + self.value.len()
    }

    /// Writes lengths, name and value, and returns the remaining room. `None` if there is not
    /// enough room.
    #[inline]
    fn write<'b>(&self, room: &'b mut [u8]) -> Option<&'b mut [u8]> {
        let (lengths, room) = room.split_first_chunk_mut()?;
        let (name, room) = room.split_at_mut_checked(self.name.len())?;
        let (value, room) = room.split_at_mut_checked(self.value.len())?;
        *lengths = self.lengths();
        copy(name, self.name);
        copy(value, self.value);
        Some(room)
    }

    /// One bit for the mark, 31 for the name's length, 32 for the value's. Larger headers do not
    /// exist.
    fn lengths(&self) -> [u8; LENGTHS] {
        let (name, value) = (self.name.len() as u64, self.value.len() as u64);
        (value << 32 | name << 1 | u64::from(self.sensitive)).to_le_bytes()
    }
}

/// Reads lines that were written one after the other.
#[derive(Clone)]
struct Lines<'a>(&'a [u8]);

impl<'a> Iterator for Lines<'a> {
    type Item = Line<'a>;

    fn next(&mut self) -> Option<Line<'a>> {
        let (lengths, rest) = self.0.split_first_chunk()?;
        let lengths = u64::from_le_bytes(*lengths);
        let (name, rest) = rest.split_at_checked((lengths as u32 >> 1) as usize)?;
        let (value, rest) = rest.split_at_checked((lengths >> 32) as usize)?;
        self.0 = rest;
        Some(Line {
            name,
            value,
            sensitive: lengths & 1 == 1,
        })
    }
}

/// Copies a short text as two chunks that may overlap. Faster than a call with an unknown length,
/// and most names and many values are short.
#[inline(always)]
fn copy(to: &mut [u8], from: &[u8]) {
    if to.len() <= 32 && try_copy::<16>(to, from) {
        return;
    }
    if to.len() < 16 && (try_copy::<8>(to, from) || try_copy::<4>(to, from)) {
        return;
    }
    to.copy_from_slice(from);
}

/// Copies the first and the last `N` bytes, which are all bytes of a text of `N` to `2 * N` bytes.
#[inline(always)]
fn try_copy<const N: usize>(to: &mut [u8], from: &[u8]) -> bool {
    let (Some(first), Some(last)) = (from.first_chunk::<N>(), from.last_chunk::<N>()) else {
        return false;
    };
    if let Some(to) = to.first_chunk_mut::<N>() {
        *to = *first;
    }
    if let Some(to) = to.last_chunk_mut::<N>() {
        *to = *last;
    }
    true
}

fn part<T: for<'a> TryFrom<&'a [u8]>>(text: &[u8]) -> Option<Option<T>> {
    if text.is_empty() {
        return Some(None);
    }
    T::try_from(text).ok().map(Some)
}

/// The size of a line's lengths, in bytes.
const LENGTHS: usize = size_of::<u64>();
/// The size of a new buffer, in bytes. Most heads fit.
const MIN_BYTES: usize = 1024;
/// The number of buffers that a thread keeps.
const MAX_KEPT: usize = 64;
/// Larger buffers are returned to the allocator.
const MAX_KEPT_BYTES: usize = 16 * 1024;

thread_local! {
    #[allow(clippy::vec_box, reason = "the boxes are reused")]
    static POOL: RefCell<Vec<Box<Head>>> = const { RefCell::new(Vec::new()) };
}

#[cfg(test)]
mod tests;
