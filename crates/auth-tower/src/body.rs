//! Bodies that are kept, up to a limit, while they are sent.

mod kept;
mod layer;
mod state;

use std::{
    collections::VecDeque,
    error::Error as StdError,
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

pub use layer::{ReplayBodyLayer, ReplayBodyService};

use self::{
    kept::{Kept, Piece},
    state::{FIRST, Shared},
};
use crate::missing::Missing;

/// A body of any type that [`AuthLayer`](crate::AuthLayer) can send again, up to a size.
///
/// Made by [`ReplayBodyLayer`], or by [`new`](Self::new). Use it for streams. Bodies that are cheap
/// to clone ([`ReplayCheap`](crate::ReplayCheap)) are sent again without it.
///
/// # What is kept, and for how long
///
/// During the first send, the frames that were read are kept, including trailers, up to `max_bytes`
/// of data and trailers together. They are dropped as soon as the API has answered without a
/// refusal. Nothing is kept of a request that is sent without a token.
///
/// If a body is longer than `max_bytes`, sending continues, the kept frames are freed at once, and
/// a refusal is returned with [`NotReplayed::TooLarge`](crate::NotReplayed::TooLarge). If the size
/// hint shows this before the first frame, nothing is kept. The same applies to a body with more
/// than 16 frames plus one frame per 128 bytes of the limit. Because each frame needs memory too,
/// this keeps the total below twice `max_bytes`.
///
/// Frames shorter than 4 KiB are copied. Longer frames share their memory with the frames that were
/// sent, so each keeps its whole buffer alive. Frames that are cut from much larger buffers
/// therefore keep these buffers in memory until the answer arrives.
///
/// # What a second send contains
///
/// The same frames in the same order with the same size hint. Otherwise there is no second send:
/// after an error of the body, or if a frame was not kept.
///
/// An API may refuse a request before it has read the whole body. While the token is renewed, no
/// more of the body is read. If the request is then sent again, the first send ends with an error
/// of the body, so that it cannot be mistaken for a complete one. The second send contains the kept
/// frames, then the rest of the body. If the request is not sent again, the first send continues.
///
/// Data of a type other than [`Bytes`] is converted, which may copy it. Errors are those of the
/// body, boxed.
pub struct ReplayBody<B>(Option<Box<Open<B>>>);

/// A body that was not empty at the start. Boxed, so that moving an empty body costs little.
struct Open<B> {
    /// `None` for a body that was at its end at the start, with a size hint other than zero.
    shared: Option<Arc<Shared<B>>>,
    turn: Turn,
    /// Frames to send before the stream is read.
    backlog: VecDeque<Piece>,
    /// The size hint of the remaining frames, from the body's hint at the start.
    hint: SizeHint,
    /// Whether the body reported its end after its last frame.
    is_ended: bool,
}

enum Turn {
    /// Reads the stream, unless another reader has replaced this one.
    Reader(u32),
    /// May start again from the first frame.
    Spare { is_holding: bool },
}

type BoxError = Box<dyn StdError + Send + Sync>;

impl<B: Body> ReplayBody<B> {
    /// Wraps a body. At most `max_bytes` bytes of the body are kept, for example 65,536.
    #[must_use]
    pub fn new(body: B, max_bytes: usize) -> Self {
        let hint = body.size_hint();
        let is_ended = body.is_end_stream();
        if is_ended && hint.exact() == Some(0) {
            return Self(None);
        }
        Self(Some(Box::new(Open::new(body, hint, is_ended, max_bytes))))
    }
}

impl<B> ReplayBody<B> {
    /// Makes a spare. From now on, the frames that this body reads are kept.
    pub(crate) fn spare(&self) -> Result<Self, Missing> {
        let open = self.0.as_ref().map(|open| open.spare().map(Box::new));
        open.transpose().map(Self)
    }

    /// Stops the first send from reading until this spare starts over or is dropped.
    pub(crate) fn hold(&mut self) -> Result<(), Missing> {
        self.0.as_mut().map_or(Ok(()), |open| open.hold())
    }

    /// Takes the stream from its current reader.
    pub(crate) fn start_over(&mut self) {
        if let Some(open) = &mut self.0 {
            open.start_over();
        }
    }
}

impl<B> Open<B> {
    fn new(body: B, hint: SizeHint, is_ended: bool, max_bytes: usize) -> Self {
        let shared = (!is_ended).then(|| {
            let is_too_large = hint.lower() > max_bytes as u64;
            let kept = if is_too_large {
                Err(Missing::TooLarge)
            } else {
                Ok(Kept::new(max_bytes))
            };
            Arc::new(Shared::new(body, kept))
        });
        Self {
            shared,
            turn: Turn::Reader(FIRST),
            backlog: VecDeque::new(),
            hint,
            is_ended,
        }
    }

    fn spare(&self) -> Result<Self, Missing> {
        if let Some(shared) = &self.shared {
            shared.add_spare()?;
        }
        Ok(Self {
            shared: self.shared.clone(),
            turn: Turn::Spare { is_holding: false },
            backlog: VecDeque::new(),
            hint: self.hint,
            is_ended: self.is_ended,
        })
    }

    fn hold(&mut self) -> Result<(), Missing> {
        if let Some(shared) = &self.shared {
            shared.hold()?;
            self.turn = Turn::Spare { is_holding: true };
        }
        Ok(())
    }

    fn start_over(&mut self) {
        let Some(shared) = &self.shared else { return };
        if let Turn::Spare { .. } = self.turn {
            // Without the first frame there is no reader, and every read is an error.
            self.turn = Turn::Reader(FIRST);
            if let Some((reader, pieces)) = shared.start_over() {
                self.turn = Turn::Reader(reader);
                self.backlog = pieces;
            }
        }
    }

    fn note(&mut self, frame: &Frame<Bytes>, is_last: bool) {
        self.is_ended = is_last;
        if let Some(data) = frame.data_ref() {
            self.hint = less(&self.hint, data.len() as u64);
        }
    }
}

impl<B> Body for ReplayBody<B>
where
    B: Body,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let Some(this) = &mut self.get_mut().0 else {
            return Poll::Ready(None);
        };
        this.start_over();
        if let Some(piece) = this.backlog.pop_front() {
            let is_last = piece.is_last;
            let frame = piece.into_frame();
            this.note(&frame, is_last);
            return Poll::Ready(Some(Ok(frame)));
        }
        let (Some(shared), Turn::Reader(reader)) = (&this.shared, &this.turn) else {
            return Poll::Ready(None);
        };
        let polled = shared.lock().poll_read(*reader, cx);
        match polled {
            Ok(polled) => match ready!(polled) {
                Some(Ok((frame, is_last))) => {
                    this.note(&frame, is_last);
                    Poll::Ready(Some(Ok(frame)))
                }
                Some(Err(error)) => Poll::Ready(Some(Err(error))),
                None => {
                    this.is_ended = true;
                    Poll::Ready(None)
                }
            },
            Err(_) if this.is_ended => Poll::Ready(None),
            Err(overtaken) => Poll::Ready(Some(Err(Box::new(overtaken)))),
        }
    }

    fn is_end_stream(&self) -> bool {
        let Some(this) = &self.0 else { return true };
        // The first reader asks the body directly, as without this wrapper.
        match (&this.shared, &this.turn) {
            (Some(shared), Turn::Reader(FIRST)) => match shared.lock().stream(FIRST) {
                Some(stream) => stream.is_end_stream(),
                None => this.is_ended,
            },
            _ => this.is_ended,
        }
    }

    fn size_hint(&self) -> SizeHint {
        let Some(this) = &self.0 else {
            return SizeHint::with_exact(0);
        };
        // A second send must be framed like the first one, so it uses the same hint.
        match (&this.shared, &this.turn) {
            (Some(shared), Turn::Reader(FIRST)) => match shared.lock().stream(FIRST) {
                Some(stream) => stream.size_hint(),
                None => this.hint,
            },
            _ => this.hint,
        }
    }
}

impl<B> Drop for Open<B> {
    fn drop(&mut self) {
        if let (Some(shared), Turn::Spare { is_holding }) = (&self.shared, &self.turn) {
            shared.remove_spare(*is_holding);
        }
    }
}

impl<B> fmt::Debug for ReplayBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReplayBody").finish_non_exhaustive()
    }
}

fn less(hint: &SizeHint, bytes: u64) -> SizeHint {
    let mut less = SizeHint::new();
    less.set_lower(hint.lower().saturating_sub(bytes));
    if let Some(upper) = hint.upper() {
        less.set_upper(upper.saturating_sub(bytes));
    }
    less
}
