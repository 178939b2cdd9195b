//! Requests that are not of the crate `http`. For the crates of this workspace.

use http::{Extensions, HeaderMap, Method, Uri, Version};

use crate::head::CopyHead;

/// A request of another crate that is not signed yet.
pub trait RequestInPlace {
    /// What is kept of the request for a second send, apart from its head.
    type Kept;

    /// Returns the head.
    fn head(&self) -> HeadInPlace<'_>;

    /// Returns the headers, to sign them.
    fn headers_mut(&mut self) -> &mut HeaderMap;

    /// Keeps what is not in the head for a second send. Returns `None` if the request cannot be
    /// sent again.
    fn keep(&mut self) -> Option<Self::Kept>;
}

/// The head of a request of another crate.
#[derive(Debug)]
#[allow(
    clippy::exhaustive_structs,
    reason = "for the crates of this workspace"
)]
pub struct HeadInPlace<'a> {
    /// The method.
    pub method: &'a Method,
    /// A URI with the scheme and the authority of the request.
    pub origin: &'a Uri,
    /// Path and query of the request.
    pub path: &'a str,
    /// The headers.
    pub headers: &'a HeaderMap,
}

impl CopyHead for HeadInPlace<'_> {
    fn method(&self) -> &Method {
        self.method
    }

    fn version(&self) -> Version {
        Version::default()
    }

    fn extensions(&self) -> Option<&Extensions> {
        None
    }

    fn origin(&self) -> &Uri {
        self.origin
    }

    fn path(&self) -> &str {
        self.path
    }

    fn headers(&self) -> &HeaderMap {
        self.headers
    }
}
