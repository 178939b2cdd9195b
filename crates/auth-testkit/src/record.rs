use std::{
    collections::VecDeque,
    fmt,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, Method, Uri, request::Parts};

use crate::{Side, place::Place, queue::lock, upload::Upload};

/// A request as a server received it.
///
/// Contains what the client sent, secrets included. Secrets are visible only through the methods
/// whose names start with `expose_`, and never in `Debug`.
#[derive(Clone)]
pub struct RecordedRequest {
    head: Arc<Head>,
    body: Bytes,
    upload: Upload,
}

struct Head {
    side: Side,
    at: Duration,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    place: Arc<Place>,
}

impl RecordedRequest {
    /// Returns the side of the server that received it.
    #[must_use]
    pub fn side(&self) -> Side {
        self.head.side
    }

    /// Returns the time of arrival, by [`VirtualClock::world_elapsed`](crate::VirtualClock).
    #[must_use]
    pub fn at(&self) -> Duration {
        self.head.at
    }

    /// Returns the method.
    #[must_use]
    pub fn method(&self) -> &Method {
        &self.head.method
    }

    /// Returns the path, without the query.
    #[must_use]
    pub fn path(&self) -> &str {
        self.head.uri.path()
    }

    /// Returns the number of body bytes that were read.
    #[must_use]
    pub fn body_len(&self) -> u64 {
        self.upload.len
    }

    /// Returns whether the body was complete.
    #[must_use]
    pub fn body_complete(&self) -> bool {
        self.upload.complete
    }

    /// Returns the request target as it was sent, query included.
    #[must_use]
    pub fn expose_uri(&self) -> &Uri {
        &self.head.uri
    }

    /// Returns the headers.
    #[must_use]
    pub fn expose_headers(&self) -> &HeaderMap {
        &self.head.headers
    }

    /// Returns the text of a header's first line.
    #[must_use]
    pub fn expose_header(&self, name: &str) -> Option<&str> {
        self.head.headers.get(name)?.to_str().ok()
    }

    /// Returns the body; of a long body only the beginning: 64 KiB, or 1 MiB on a
    /// [`ForeignServer`](crate::ForeignServer).
    #[must_use]
    pub fn expose_body(&self) -> &Bytes {
        &self.body
    }

    /// Returns the trailers that followed the body.
    #[must_use]
    pub fn expose_trailers(&self) -> Option<&HeaderMap> {
        self.upload.trailers.as_ref()
    }

    /// Returns a parameter of a form body, or a string member of a JSON body: the first of its
    /// name.
    #[must_use]
    pub fn expose_parameter(&self, name: &str) -> Option<String> {
        let body = self.expose_body();
        if let Ok(json) = serde_json::from_slice::<serde_json::Value>(body) {
            return json.get(name)?.as_str().map(Into::into);
        }
        let mut pairs = form_urlencoded::parse(body);
        pairs
            .find(|(found, _)| found == name)
            .map(|(_, value)| value.into_owned())
    }

    pub(crate) fn place(&self) -> &Place {
        &self.head.place
    }

    pub(crate) fn is_kept_whole(&self) -> bool {
        self.body.len() as u64 == self.upload.len
    }

    /// Returns everything that was received, as one text to search for secrets.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut all = format!("{} {}\r\n", self.head.method, self.head.uri).into_bytes();
        for (name, value) in self
            .head
            .headers
            .iter()
            .chain(self.upload.trailers.iter().flatten())
        {
            all.extend_from_slice(name.as_str().as_bytes());
            all.extend_from_slice(b": ");
            all.extend_from_slice(value.as_bytes());
            all.extend_from_slice(b"\r\n");
        }
        all.extend_from_slice(b"\r\n");
        all.extend_from_slice(&self.body);
        all
    }
}

impl fmt::Debug for RecordedRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecordedRequest")
            .field("side", &self.head.side)
            .field("at", &self.head.at)
            .field("method", &self.head.method)
            .field("path", &self.path())
            .field("headers", &self.head.headers.keys().collect::<Vec<_>>())
            .field("body_len", &self.body_len())
            .finish_non_exhaustive()
    }
}

/// The latest requests; older ones are removed.
#[derive(Default)]
pub(crate) struct Record(Mutex<VecDeque<Entry>>);

/// A request whose body may still arrive.
type Entry = (Arc<Head>, Arc<Mutex<Upload>>);

impl Record {
    /// Records a request on its arrival, and returns the place for its body.
    pub(crate) fn push(
        &self,
        side: Side,
        at: Duration,
        parts: &Parts,
        place: Arc<Place>,
    ) -> Arc<Mutex<Upload>> {
        let mut record = lock(&self.0);
        if record.len() == KEEP {
            record.pop_front();
        }
        let head = Head {
            side,
            at,
            method: parts.method.clone(),
            uri: parts.uri.clone(),
            headers: parts.headers.clone(),
            place,
        };
        let upload = Arc::new(Mutex::new(Upload::new()));
        record.push_back((Arc::new(head), upload.clone()));
        upload
    }

    pub(crate) fn to_vec(&self) -> Vec<RecordedRequest> {
        let snapshot = |(head, upload): &Entry| {
            let mut upload = lock(upload).clone();
            let body = std::mem::take(&mut upload.kept).into();
            RecordedRequest {
                head: head.clone(),
                body,
                upload,
            }
        };
        lock(&self.0).iter().map(snapshot).collect()
    }

    pub(crate) fn clear(&self) {
        lock(&self.0).clear();
    }
}

/// The number of requests that are kept.
const KEEP: usize = 1_024;
