use std::sync::Mutex;

use axum::body::Body;
use http::HeaderMap;
use http_body_util::BodyExt;

use crate::queue::lock;

/// The part of a request's body that the server has read and kept.
#[derive(Clone)]
pub(crate) struct Upload {
    /// The first bytes, up to the limit.
    pub(crate) kept: Vec<u8>,
    pub(crate) len: u64,
    pub(crate) hash: u64,
    pub(crate) trailers: Option<HeaderMap>,
    /// Whether the body was complete.
    pub(crate) complete: bool,
}

impl Upload {
    pub(crate) fn new() -> Self {
        Self {
            kept: Vec::new(),
            len: 0,
            hash: HASH_START,
            trailers: None,
            complete: false,
        }
    }

    /// Reads a body of any size to its end. What arrived before a client stopped stays recorded.
    pub(crate) async fn read(this: &Mutex<Self>, mut body: Body, keep: usize) {
        while let Some(frame) = body.frame().await {
            let Ok(frame) = frame else { return };
            let mut this = lock(this);
            match frame.into_data() {
                Ok(data) => {
                    this.len += data.len() as u64;
                    this.hash = hash_on(this.hash, &data);
                    let room = keep.saturating_sub(this.kept.len()).min(data.len());
                    this.kept.extend_from_slice(&data[..room]);
                }
                Err(frame) => this.trailers = frame.into_trailers().ok(),
            }
        }
        lock(this).complete = true;
    }
}

/// Returns the hash that the API echoes for a body of these bytes (FNV-1a, 64 bits, as 16 hex
/// digits), to check that an upload arrived unchanged without sending it back.
///
/// # Example
///
/// ```
/// assert_eq!(auth_testkit::body_hash(b""), "cbf29ce484222325");
/// ```
#[must_use]
pub fn body_hash(body: &[u8]) -> String {
    hex(hash_on(HASH_START, body))
}

pub(crate) fn hex(hash: u64) -> String {
    format!("{hash:016x}")
}

pub(crate) const HASH_START: u64 = 0xcbf2_9ce4_8422_2325;

pub(crate) fn hash_on(hash: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(hash, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3)
    })
}
