//! The frames of a partly sent body, up to the limit.

use std::collections::VecDeque;

use bytes::Bytes;
use http::HeaderMap;
use http_body::Frame;

use crate::missing::Missing;

/// Frames in their order, and the room for more.
pub(super) struct Kept {
    pieces: VecDeque<Piece>,
    bytes_left: usize,
    frames_left: usize,
}

/// A frame.
pub(super) struct Piece {
    content: Content,
    /// Whether the body reported its end after this frame.
    pub(super) is_last: bool,
}

enum Content {
    Data(Bytes),
    /// Boxed, because a map is large and most bodies have no trailers.
    Trailers(Box<HeaderMap>),
}

impl Kept {
    pub(super) fn new(max_bytes: usize) -> Self {
        Self {
            pieces: VecDeque::new(),
            bytes_left: max_bytes,
            frames_left: MIN_FRAMES + max_bytes / BYTES_PER_FRAME,
        }
    }

    /// Keeps one more frame if there is room for it.
    pub(super) fn keep(&mut self, frame: &Frame<Bytes>, is_last: bool) -> Result<(), Missing> {
        let (content, bytes) = if let Some(data) = frame.data_ref() {
            (Content::of_data(data), data.len())
        } else if let Some(trailers) = frame.trailers_ref() {
            let content = Content::Trailers(Box::new(trailers.clone()));
            (content, bytes_of(trailers))
        } else {
            // A kind of frame that this code does not know.
            return Err(Missing::Body);
        };
        let left = self.bytes_left.checked_sub(bytes);
        let frames_left = self.frames_left.checked_sub(1);
        self.bytes_left = left.ok_or(Missing::TooLarge)?;
        self.frames_left = frames_left.ok_or(Missing::TooLarge)?;
        self.pieces.push_back(Piece { content, is_last });
        Ok(())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    pub(super) fn into_pieces(self) -> VecDeque<Piece> {
        self.pieces
    }
}

impl Piece {
    pub(super) fn into_frame(self) -> Frame<Bytes> {
        match self.content {
            Content::Data(data) => Frame::data(data),
            Content::Trailers(trailers) => Frame::trailers(*trailers),
        }
    }
}

impl Content {
    fn of_data(data: &Bytes) -> Self {
        Self::Data(if data.len() < SHARED_BYTES {
            Bytes::copy_from_slice(data)
        } else {
            data.clone()
        })
    }
}

fn bytes_of(trailers: &HeaderMap) -> usize {
    let lines = trailers.iter();
    lines
        .map(|(name, value)| name.as_str().len() + value.len())
        .sum()
}

/// Frames below this size are copied, so that a few bytes do not keep a large buffer alive.
const SHARED_BYTES: usize = 4 * 1024;
/// A frame needs about this much memory in addition to its bytes. Counting it keeps a body of tiny
/// frames below twice its limit.
const BYTES_PER_FRAME: usize = 128;
/// The number of frames that are kept with any limit.
const MIN_FRAMES: usize = 16;
