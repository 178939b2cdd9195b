use std::{
    fmt,
    io::IoSlice,
    task::{Context, Poll, ready},
};

use bytes::Buf;
use http::{HeaderMap, StatusCode, header, response::Parts};
use http_body::Body;
use serde::{
    Deserialize,
    de::{Deserializer, Error, Visitor},
};
use zeroize::Zeroizing;

use super::{PeekedBody, body::Seen};

/// The part of a body that is read, in bytes.
const MAX_BYTES: usize = 4 * 1024;
/// The number of frames that are kept at most: a server can send any number of empty ones.
const MAX_FRAMES: usize = 64;

/// A body that may be a refusal, and its text up to now.
pub(super) struct Peek<B: Body> {
    body: PeekedBody<B>,
    /// Holds the token that the vendor echoes. Never grows beyond its first allocation.
    text: Zeroizing<Vec<u8>>,
}

impl<B: Body + Unpin> Peek<B> {
    /// Returns the body unchanged if the response cannot be a refusal.
    pub(super) fn worthwhile(parts: &Parts, body: PeekedBody<B>) -> Result<Self, PeekedBody<B>> {
        let large = body.size_hint().lower() > MAX_BYTES as u64;
        if parts.status != StatusCode::NOT_FOUND || !is_plain_json(&parts.headers) || large {
            return Err(body);
        }
        Ok(Self {
            body,
            text: Zeroizing::new(Vec::with_capacity(MAX_BYTES)),
        })
    }

    pub(super) fn into_body(self) -> PeekedBody<B> {
        self.body
    }

    /// Reads until it is known whether this is a refusal.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        while self.body.frames() < MAX_FRAMES {
            match ready!(self.body.poll_seen(cx)) {
                Seen::End => return Poll::Ready(is_refusal(&self.text)),
                Seen::Failed => return Poll::Ready(false),
                Seen::Frame(frame) => match frame.data_ref() {
                    Some(data) if take(&mut self.text, data) => {}
                    Some(_) => return Poll::Ready(false),
                    // Only the end follows trailers.
                    None => return Poll::Ready(is_refusal(&self.text)),
                },
            }
        }
        Poll::Ready(false)
    }
}

fn is_plain_json(headers: &HeaderMap) -> bool {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let kind = text(header::CONTENT_TYPE).unwrap_or_default();
    let kind = kind.split_once(';').map_or(kind, |(kind, _)| kind).trim();
    let encoded = headers.contains_key(header::CONTENT_ENCODING);
    kind.eq_ignore_ascii_case("application/json") && !encoded
}

/// Copies data without consuming it. Returns whether the text may still be a refusal.
fn take(text: &mut Vec<u8>, data: &impl Buf) -> bool {
    let size = data.remaining();
    if text.len().saturating_add(size) > MAX_BYTES {
        return false;
    }
    let whole = text.len() + size;
    let mut slices = [IoSlice::new(&[]); 16];
    let count = data.chunks_vectored(&mut slices);
    for slice in slices.iter().take(count) {
        text.extend_from_slice(slice);
    }
    // Some buffers show only their first part before it is consumed.
    let begins_right = matches!(text.trim_ascii_start().first(), None | Some(b'{'));
    text.len() == whole && begins_right
}

/// The vendor's answer to an unknown token.
#[derive(Deserialize)]
struct Refusal {
    error: Text,
}

/// Whether a text is the refusal. The text is not copied, because it contains a token.
struct Text {
    says_so: bool,
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Look;
        impl Visitor<'_> for Look {
            type Value = Text;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text")
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Text, E> {
                Ok(Text {
                    says_so: text.starts_with("Couldn't find ApiKey with access_token"),
                })
            }
        }
        deserializer.deserialize_str(Look)
    }
}

fn is_refusal(text: &[u8]) -> bool {
    // An array with one text would be read as the object, but starts with another character.
    serde_json::from_slice(text).is_ok_and(|refusal: Refusal| refusal.error.says_so)
}
