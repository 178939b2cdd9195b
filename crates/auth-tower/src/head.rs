//! A flat copy of a request's head, for a second send.
//!
//! `Request::clone` costs several allocations, because each header value that was made for the
//! request becomes a shared one. One pass over the bytes into a buffer of the thread costs none.

use std::{
    cell::{Cell, RefCell},
    mem,
};

use auth_core::Key;
use http::{
    Extensions, HeaderMap, HeaderName, HeaderValue, Method, Request, Uri, Version, request::Parts,
    uri,
};
use zeroize::Zeroize;

use standard::{name_of, number_of};

mod standard;

/// The copy. When it is dropped, its buffer returns to the thread's pool.
pub(crate) struct HeadCopy(Option<Box<Head>>);

/// A head to be copied.
pub(crate) trait CopyHead {
    fn method(&self) -> &Method;
    fn version(&self) -> Version;
    fn extensions(&self) -> Option<&Extensions>;
    /// A URI with the scheme and the authority.
    fn origin(&self) -> &Uri;
    /// Path and query.
    fn path(&self) -> &str;
    fn headers(&self) -> &HeaderMap;
}

impl<B> CopyHead for Request<B> {
    #[inline]
    fn method(&self) -> &Method {
        self.method()
    }

    #[inline]
    fn version(&self) -> Version {
        self.version()
    }

    #[inline]
    fn extensions(&self) -> Option<&Extensions> {
        Some(self.extensions())
    }

    #[inline]
    fn origin(&self) -> &Uri {
        self.uri()
    }

    #[inline]
    fn path(&self) -> &str {
        let path = self.uri().path_and_query();
        path.map_or("", uri::PathAndQuery::as_str)
    }

    #[inline]
    fn headers(&self) -> &HeaderMap {
        self.headers()
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
    #[inline]
    pub(crate) fn of(request: &impl CopyHead) -> Self {
        let mut head = Pool::take();
        head.method.clone_from(request.method());
        head.version = request.version();
        if let Some(extensions) = request.extensions() {
            if !extensions.is_empty() {
                head.keep_extensions(extensions);
            }
        }
        let origin = request.origin();
        head.scheme = origin.scheme().cloned();
        let authority = origin.authority().map_or("", uri::Authority::as_str);
        head.fill(authority, request.path(), request.headers());
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
        uri.authority = part(line.name.text()?)?;
        uri.path_and_query = part(line.value)?;
        Some((head.method.clone(), Uri::from_parts(uri).ok()?))
    }

    /// Restores the request's head. `None` does not occur, because the bytes came from a head.
    pub(crate) fn restore(mut self) -> Option<Parts> {
        self.0.as_mut()?.restore()
    }
}

impl Drop for HeadCopy {
    #[inline]
    fn drop(&mut self) {
        if let Some(mut head) = self.0.take() {
            if head.has_leftovers() {
                head.clear();
            }
            if head.bytes.len() <= MAX_KEPT_BYTES {
                Pool::give(head);
            }
        }
    }
}

impl Head {
    #[cold]
    fn keep_extensions(&mut self, extensions: &Extensions) {
        match extensions.get::<Key>() {
            Some(key) if extensions.len() == 1 => self.key = Some(key.clone()),
            _ => self.extensions.clone_from(extensions),
        }
    }

    #[inline]
    fn fill(&mut self, authority: &str, path: &str, headers: &HeaderMap) {
        if self.copy(authority, path, headers).is_none() {
            self.make_room(authority, path, headers);
            self.copy(authority, path, headers);
        }
    }

    /// Copies the texts. Returns `None` if there is not enough room.
    #[inline(never)]
    fn copy(&mut self, authority: &str, path: &str, headers: &HeaderMap) -> Option<()> {
        let room = self.bytes.len();
        let mut free = Line::of_uri(authority, path).write(&mut self.bytes)?;
        let mut sensitive = false;
        for header in headers {
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
    fn make_room(&mut self, authority: &str, path: &str, headers: &HeaderMap) {
        self.bytes.zeroize();
        let lines = headers.iter().map(|header| Line::of_header(header).size());
        let needed = Line::of_uri(authority, path).size() + lines.sum::<usize>();
        self.bytes = vec![0; needed.next_power_of_two().max(MIN_BYTES)];
    }

    fn restore(&mut self) -> Option<Parts> {
        let mut lines = Lines(self.bytes.get(..self.used)?);
        let target = lines.next()?;
        let mut uri = uri::Parts::default();
        uri.scheme = self.scheme.take();
        uri.authority = part(target.name.text()?)?;
        uri.path_and_query = part(target.value)?;
        // One more, for the credential. Several values of one name take only one place, so there
        // may be more values than a map has places.
        let mut map = HeaderMap::try_with_capacity(lines.clone().count() + 1).unwrap_or_default();
        for line in lines {
            let mut value = HeaderValue::from_bytes(line.value).ok()?;
            value.set_sensitive(line.sensitive);
            map.try_append(line.name.to_name()?, value).ok()?;
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

    /// Returns whether there is more than texts that are not sensitive.
    #[inline]
    fn has_leftovers(&self) -> bool {
        self.sensitive || self.key.is_some() || !self.extensions.is_empty()
    }

    #[cold]
    fn clear(&mut self) {
        if self.sensitive {
            self.bytes[..self.used].zeroize();
        }
        self.extensions.clear();
        self.key = None;
        self.sensitive = false;
    }
}

/// Name and value of a header, or authority and path of the URI.
struct Line<'a> {
    name: Name<'a>,
    value: &'a [u8],
    sensitive: bool,
}

enum Name<'a> {
    /// See [`number_of`].
    Standard(u32),
    Text(&'a [u8]),
}

impl<'a> Line<'a> {
    #[inline]
    fn of_uri(authority: &'a str, path: &'a str) -> Self {
        Self {
            name: Name::Text(authority.as_bytes()),
            value: path.as_bytes(),
            sensitive: false,
        }
    }

    #[inline(always)]
    fn of_header((name, value): (&'a HeaderName, &'a HeaderValue)) -> Self {
        Self {
            name: match number_of(name) {
                Some(number) => Name::Standard(number),
                None => Name::Text(name.as_str().as_bytes()),
            },
            value: value.as_bytes(),
            sensitive: value.is_sensitive(),
        }
    }

    #[inline]
    fn size(&self) -> usize {
        let name = match self.name {
            Name::Standard(_) => 0,
            Name::Text(text) => text.len(),
        };
        HEAD + name + self.value.len()
    }

    /// Writes the line, and returns the remaining room. `None` if there is not enough room.
    #[inline(always)]
    fn write<'b>(&self, room: &'b mut [u8]) -> Option<&'b mut [u8]> {
        let (head, room) = room.split_first_chunk_mut()?;
        let room = match self.name {
            Name::Standard(number) => {
                *head = self.head(u64::from(number) << 1 | 1);
                room
            }
            Name::Text(text) => {
                *head = self.head((text.len() as u64) << 1);
                let (name, room) = room.split_at_mut_checked(text.len())?;
                copy(name, text);
                room
            }
        };
        let (value, room) = room.split_at_mut_checked(self.value.len())?;
        copy(value, self.value);
        Some(room)
    }

    /// One bit for the mark, one for a standard name, 30 for its number or the name's length, 32
    /// for the value's length. Larger headers do not exist.
    #[inline(always)]
    fn head(&self, name: u64) -> [u8; HEAD] {
        let value = self.value.len() as u64;
        (value << 32 | name << 1 | u64::from(self.sensitive)).to_le_bytes()
    }
}

impl Name<'_> {
    fn text(&self) -> Option<&[u8]> {
        match self {
            Self::Standard(_) => None,
            Self::Text(text) => Some(text),
        }
    }

    fn to_name(&self) -> Option<HeaderName> {
        match *self {
            Self::Standard(number) => name_of(number as usize),
            Self::Text(text) => HeaderName::from_bytes(text).ok(),
        }
    }
}

/// Reads lines that were written one after the other.
#[derive(Clone)]
struct Lines<'a>(&'a [u8]);

impl<'a> Iterator for Lines<'a> {
    type Item = Line<'a>;

    fn next(&mut self) -> Option<Line<'a>> {
        let (head, rest) = self.0.split_first_chunk()?;
        let head = u64::from_le_bytes(*head);
        let number = head as u32 >> 2;
        let (name, rest) = match head >> 1 & 1 {
            1 => (Name::Standard(number), rest),
            _ => {
                let (text, rest) = rest.split_at_checked(number as usize)?;
                (Name::Text(text), rest)
            }
        };
        let (value, rest) = rest.split_at_checked((head >> 32) as usize)?;
        self.0 = rest;
        Some(Line {
            name,
            value,
            sensitive: head & 1 == 1,
        })
    }
}

/// Copies a short text as two chunks that may overlap. Faster than a call with an unknown length,
/// and most names and many values are short.
#[inline(always)]
fn copy(to: &mut [u8], from: &[u8]) {
    let is_copied = match to.len() {
        ..16 => try_copy::<8>(to, from) || try_copy::<4>(to, from),
        16..=32 => try_copy::<16>(to, from),
        33..=64 => try_copy::<32>(to, from),
        _ => false,
    };
    if !is_copied {
        to.copy_from_slice(from);
    }
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

/// The size of the number before a line, in bytes.
const HEAD: usize = size_of::<u64>();
/// The size of a new buffer, in bytes. Most heads fit.
const MIN_BYTES: usize = 1024;
/// The number of buffers that a thread keeps.
const MAX_KEPT: usize = 64;
/// Larger buffers are returned to the allocator.
const MAX_KEPT_BYTES: usize = 16 * 1024;

/// The buffers that a thread keeps for further requests.
struct Pool {
    /// The buffer that was returned last.
    last: Cell<Option<Box<Head>>>,
    #[allow(clippy::vec_box, reason = "the boxes are reused")]
    others: RefCell<Vec<Box<Head>>>,
}

impl Pool {
    #[inline]
    fn take() -> Box<Head> {
        let last = POOL.try_with(|pool| pool.last.take());
        last.ok().flatten().unwrap_or_else(Self::take_other)
    }

    #[cold]
    fn take_other() -> Box<Head> {
        let other = POOL.try_with(|pool| pool.others.borrow_mut().pop());
        other.ok().flatten().unwrap_or_default()
    }

    #[inline]
    fn give(head: Box<Head>) {
        // A thread that is ending has no pool any more; the buffer is dropped.
        let _ = POOL.try_with(|pool| {
            if let Some(other) = pool.last.replace(Some(head)) {
                pool.keep(other);
            }
        });
    }

    #[cold]
    fn keep(&self, head: Box<Head>) {
        let mut others = self.others.borrow_mut();
        if others.len() + 1 < MAX_KEPT {
            others.push(head);
        }
    }
}

thread_local! {
    static POOL: Pool = const {
        Pool {
            last: Cell::new(None),
            others: RefCell::new(Vec::new()),
        }
    };
}

#[cfg(test)]
mod tests;
