//! Bodies that are kept, within bounds, while they are sent.

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

/// A body of any type that [`AuthLayer`](crate::AuthLayer) can send once more, up to a size.
///
/// Made by [`ReplayBodyLayer`], or by [`new`](Self::new). Wrap what is a stream: bodies that are
/// cheap to clone ([`ReplayCheap`](crate::ReplayCheap)) are sent again without it.
///
/// # What is kept, and for how long
///
/// While the first send is on its way, the frames that it has read are kept, trailers too, up to
/// `max_bytes` of data and trailers together. They are given up as soon as the API's answer is
/// there and is no refusal, or where no token goes.
///
/// A body that turns out longer is sent on as it is, what was kept is freed at once, and a refusal
/// is returned with [`NotReplayed::TooLarge`](crate::NotReplayed::TooLarge). Of a body whose size
/// hint says so from the start, nothing is kept. The same goes for more than 16 frames and one more
/// for each 128 bytes of the limit: a frame takes memory, too, so that all that is kept takes less
/// than twice `max_bytes`.
///
/// Frames shorter than 4 KiB are copied. Longer ones share their memory with what was sent, so each
/// keeps the buffer alive that it was cut from; cut a few of them from very large buffers, and it
/// is these that stay in memory until the answer is there.
///
/// # What a second send sends
///
/// The same frames in the same order with the same size hint, or there is no second send: none
/// after an error of the body, and none where a frame is missing.
///
/// An API may refuse a request before it has read all of the body. While its token is renewed,
/// nothing more of the body is read. If the request is sent once more, the first send ends with an
/// error of the body, so that it can not be taken for a whole one, and the second one sends what
/// was kept and goes on with what was not read yet. If it is not sent once more, the first send
/// goes on.
///
/// Data of other types than [`Bytes`] is turned into it, which may copy it. Errors are the body's
/// own, boxed.
pub struct ReplayBody<B>(Option<Box<Open<B>>>);

/// A body that was not empty from the start. In a box, so that an empty one is nothing to move.
struct Open<B> {
    /// None for a body that was at its end from the start, with another size hint than zero.
    shared: Option<Arc<Shared<B>>>,
    turn: Turn,
    /// To be sent before the stream is read.
    backlog: VecDeque<Piece>,
    /// What is left, as the body estimated it when it was new.
    hint: SizeHint,
    /// The body said so after its last frame.
    is_ended: bool,
}

enum Turn {
    /// Reads the stream, unless somebody else does by now.
    Reader(u32),
    /// May start over.
    Spare { is_holding: bool },
}

type BoxError = Box<dyn StdError + Send + Sync>;

impl<B: Body> ReplayBody<B> {
    /// Wraps a body of which at most that many bytes are kept.
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
    /// Makes a spare, and has everything kept from now on that this one reads.
    pub(crate) fn spare(&self) -> Result<Self, Missing> {
        let open = self.0.as_ref().map(|open| open.spare().map(Box::new));
        open.transpose().map(Self)
    }

    /// Keeps the other one from reading on until this one starts over or is dropped.
    pub(crate) fn hold(&mut self) -> Result<(), Missing> {
        self.0.as_mut().map_or(Ok(()), |open| open.hold())
    }

    /// Takes the stream from whoever reads it.
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
            // Without the first frame it is nobody's turn, and every read is an error.
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
        // The first reader asks the body, as it would without this one.
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
        // A second send has to be framed as the first one was, so it never learns more than that
        // one knew.
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
