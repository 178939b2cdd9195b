use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http_body_util::BodyExt;

/// A request's body as far as the server read and kept it.
#[derive(Clone, Default)]
pub(crate) struct Upload {
    /// The first [`KEEP`] bytes.
    pub(crate) kept: Bytes,
    pub(crate) len: u64,
    pub(crate) hash: u64,
    pub(crate) trailers: Option<HeaderMap>,
    /// Whether it came to its proper end.
    pub(crate) complete: bool,
}

impl Upload {
    /// Reads a body to its end, whatever its size.
    pub(crate) async fn read(mut body: Body) -> Self {
        let mut kept = BytesMut::new();
        let mut this = Self {
            hash: HASH_START,
            ..Self::default()
        };
        loop {
            match body.frame().await {
                None => {
                    this.complete = true;
                    break;
                }
                Some(Err(_)) => break,
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => {
                        this.len += data.len() as u64;
                        this.hash = hash_on(this.hash, &data);
                        let room = KEEP.saturating_sub(kept.len()).min(data.len());
                        kept.extend_from_slice(&data[..room]);
                    }
                    Err(frame) => this.trailers = frame.into_trailers().ok(),
                },
            }
        }
        this.kept = kept.freeze();
        this
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

/// How much of a body is kept for the record.
pub(crate) const KEEP: usize = 64 * 1024;

pub(crate) const HASH_START: u64 = 0xcbf2_9ce4_8422_2325;

pub(crate) fn hash_on(hash: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(hash, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3)
    })
}
