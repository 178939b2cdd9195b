//! A flat copy of a request's head, for sending it once more.
//!
//! `Request::clone` costs several allocations, because every header value made for this request is
//! turned into a shared one. One pass over the bytes into a buffer that the thread keeps costs
//! none.

use std::cell::RefCell;

use http::{
    Extensions, HeaderMap, HeaderName, HeaderValue, Method, Request, Uri, Version, request::Parts,
    uri,
};
use zeroize::Zeroize;

/// The copy; its buffer goes back to the thread's pool when it is dropped.
pub(crate) struct HeadCopy(Option<Box<Head>>);

#[derive(Default)]
struct Head {
    method: Method,
    version: Version,
    extensions: Extensions,
    /// Scheme, authority, path and query, then names and values, each as long as `spans` says.
    bytes: Vec<u8>,
    spans: Vec<Span>,
    sensitive: bool,
}

/// A header's lengths.
#[derive(Clone, Copy)]
struct Span {
    name: u32,
    value: u32,
    sensitive: bool,
}

impl HeadCopy {
    pub(crate) fn of<B>(request: &Request<B>) -> Self {
        let mut head = POOL
            .try_with(|pool| pool.borrow_mut().pop())
            .ok()
            .flatten()
            .unwrap_or_default();
        head.fill(request);
        Self(Some(head))
    }

    /// Makes the request's head again. `None` is never seen: the bytes were a head before.
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
            // On a thread that ends there is no pool any more, and the buffer goes.
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
    fn fill<B>(&mut self, request: &Request<B>) {
        self.method.clone_from(request.method());
        self.version = request.version();
        if !request.extensions().is_empty() {
            self.extensions.clone_from(request.extensions());
        }
        let uri = request.uri();
        self.text(uri.scheme_str());
        self.text(uri.authority().map(uri::Authority::as_str));
        self.text(uri.path_and_query().map(uri::PathAndQuery::as_str));
        for (name, value) in request.headers() {
            let sensitive = value.is_sensitive();
            self.sensitive |= sensitive;
            self.push(name.as_str().as_bytes(), value.as_bytes(), sensitive);
        }
    }

    fn text(&mut self, text: Option<&str>) {
        self.push(&[], text.unwrap_or_default().as_bytes(), false);
    }

    #[inline]
    fn push(&mut self, name: &[u8], value: &[u8], sensitive: bool) {
        self.bytes.extend_from_slice(name);
        self.bytes.extend_from_slice(value);
        // Neither comes near 4 GiB: a header name ends at 64 KiB, and no client builds such a value.
        let [name, value] = [name, value].map(|bytes| u32::try_from(bytes.len()).unwrap_or(0));
        self.spans.push(Span {
            name,
            value,
            sensitive,
        });
    }

    fn restore(&mut self) -> Option<Parts> {
        let mut rest = &*self.bytes;
        let mut next = |span: &Span| {
            let (name, after) = rest.split_at_checked(span.name as usize)?;
            let (value, after) = after.split_at_checked(span.value as usize)?;
            rest = after;
            Some((name, value))
        };
        let (target, headers) = self.spans.split_at_checked(URI_PARTS)?;
        let mut texts = target.iter().map(|span| next(span).map(|(_, text)| text));
        let mut uri = uri::Parts::default();
        uri.scheme = part(texts.next()??)?;
        uri.authority = part(texts.next()??)?;
        uri.path_and_query = part(texts.next()??)?;
        drop(texts);
        let mut map = HeaderMap::with_capacity(headers.len() + 1);
        for span in headers {
            let (name, value) = next(span)?;
            let mut value = HeaderValue::from_bytes(value).ok()?;
            value.set_sensitive(span.sensitive);
            map.append(HeaderName::from_bytes(name).ok()?, value);
        }
        let (mut parts, ()) = Request::new(()).into_parts();
        parts.method = std::mem::take(&mut self.method);
        parts.uri = Uri::from_parts(uri).ok()?;
        parts.version = self.version;
        parts.headers = map;
        parts.extensions = std::mem::take(&mut self.extensions);
        Some(parts)
    }

    fn clear(&mut self) {
        if self.sensitive {
            self.bytes.zeroize();
        }
        self.bytes.clear();
        self.spans.clear();
        self.extensions.clear();
        self.sensitive = false;
    }
}

fn part<T: for<'a> TryFrom<&'a [u8]>>(text: &[u8]) -> Option<Option<T>> {
    if text.is_empty() {
        return Some(None);
    }
    T::try_from(text).ok().map(Some)
}

const URI_PARTS: usize = 3;
/// Buffers that a thread keeps.
const MAX_KEPT: usize = 64;
/// Larger ones are given back to the allocator.
const MAX_KEPT_BYTES: usize = 16 * 1024;

thread_local! {
    #[allow(clippy::vec_box, reason = "the box is what is kept")]
    static POOL: RefCell<Vec<Box<Head>>> = const { RefCell::new(Vec::new()) };
}

#[cfg(test)]
mod tests;
