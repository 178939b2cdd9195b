//! The frames of a body that was sent in part, as many as may be kept.

use std::collections::VecDeque;

use bytes::Bytes;
use http::HeaderMap;
use http_body::Frame;

use crate::missing::Missing;

/// Frames in their order, and how many more there may be.
pub(super) struct Kept {
    pieces: VecDeque<Piece>,
    bytes_left: usize,
    frames_left: usize,
}

/// A frame.
pub(super) struct Piece {
    content: Content,
    /// The body said after this frame that it was at its end.
    pub(super) is_last: bool,
}

enum Content {
    Data(Bytes),
    /// In a box, because a map is large and most bodies have none.
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

    /// Keeps one more frame, if there is room for it.
    pub(super) fn keep(&mut self, frame: &Frame<Bytes>, is_last: bool) -> Result<(), Missing> {
        let (content, bytes) = if let Some(data) = frame.data_ref() {
            (Content::of_data(data), data.len())
        } else if let Some(trailers) = frame.trailers_ref() {
            let content = Content::Trailers(Box::new(trailers.clone()));
            (content, bytes_of(trailers))
        } else {
            // Of a kind that is younger than this code.
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

/// Shorter frames are copied, so that a few bytes do not keep the large buffer alive that they
/// were cut from.
const SHARED_BYTES: usize = 4 * 1024;
/// A frame costs about as much beside its bytes, so that a body of tiny or empty frames takes no
/// more than twice its limit.
const BYTES_PER_FRAME: usize = 128;
/// Frames that are kept even where the limit is low.
const MIN_FRAMES: usize = 16;
