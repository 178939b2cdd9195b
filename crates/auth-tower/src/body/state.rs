//! The state that a body and its spare share: the stream, and the frames that were read.

use std::{
    collections::VecDeque,
    error::Error as StdError,
    fmt, mem,
    pin::Pin,
    sync::{Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker, ready},
};

use bytes::{Buf, Bytes};
use http_body::{Body, Frame};

use super::{
    BoxError,
    kept::{Kept, Piece},
};
use crate::missing::Missing;

/// The stream has one reader at a time. A spare that starts over becomes the reader, and the
/// earlier reader then gets an error.
pub(super) struct Shared<B>(Mutex<State<B>>);

pub(super) struct State<B> {
    /// Boxed, because the stream moves from reader to reader after it was polled.
    stream: Pin<Box<B>>,
    is_ended: bool,
    /// All frames that were read, or why they are missing.
    kept: Result<Kept, Missing>,
    /// The number of spares that may still start over. With zero, nothing is kept.
    spares: usize,
    reader: u32,
    /// A spare is about to start over. Until then no frame is read, so that the kept frames stay
    /// complete.
    is_held: bool,
    /// The waker of the reader that waits.
    waiting: Option<Waker>,
}

/// The number of the first reader.
pub(super) const FIRST: u32 = 0;

/// A frame, and whether the stream reported its end after it.
type Read = Option<Result<(Frame<Bytes>, bool), BoxError>>;

impl<B> Shared<B> {
    pub(super) fn new(stream: B, kept: Result<Kept, Missing>) -> Self {
        Self(Mutex::new(State {
            stream: Box::pin(stream),
            is_ended: false,
            kept,
            spares: 0,
            reader: FIRST,
            is_held: false,
            waiting: None,
        }))
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State<B>> {
        self.0.lock().unwrap_or_else(|poisoned| {
            // The stream panicked, so its further frames are not trusted.
            let mut state = PoisonError::into_inner(poisoned);
            state.kept = Err(Missing::Body);
            state
        })
    }

    /// Adds a spare, if all frames so far are kept.
    pub(super) fn add_spare(&self) -> Result<(), Missing> {
        let mut state = self.lock();
        match &state.kept {
            Ok(_) => state.spares += 1,
            Err(why) => return Err(*why),
        }
        Ok(())
    }

    /// Stops the reader until the spare starts over or is removed.
    pub(super) fn hold(&self) -> Result<(), Missing> {
        let mut state = self.lock();
        state.is_held = match &state.kept {
            Ok(_) => true,
            Err(why) => return Err(*why),
        };
        Ok(())
    }

    /// Removes a spare that is not needed. The reader continues.
    pub(super) fn remove_spare(&self, is_holding: bool) {
        let mut state = self.lock();
        state.spares -= 1;
        let unneeded = state.forget_what_nobody_needs();
        let woken = if is_holding {
            state.is_held = false;
            state.waiting.take()
        } else {
            None
        };
        drop(state);
        drop(unneeded);
        wake(woken);
    }

    /// Makes a spare the reader, from the first frame. Returns `None` if that frame is missing. The
    /// spare takes the kept frames, so a body is sent at most twice, also with several spares.
    pub(super) fn start_over(&self) -> Option<(u32, VecDeque<Piece>)> {
        let mut state = self.lock();
        state.spares -= 1;
        state.reader += 1;
        state.is_held = false;
        let reader = state.reader;
        let woken = state.waiting.take();
        let kept = state.take_kept();
        drop(state);
        wake(woken);
        Some((reader, kept?.into_pieces()))
    }
}

impl<B> State<B> {
    /// Returns the stream to its reader while there is something to read.
    pub(super) fn stream(&self, reader: u32) -> Option<&B> {
        (self.reader == reader && !self.is_ended).then(|| &*self.stream)
    }

    fn forget_what_nobody_needs(&mut self) -> Option<Kept> {
        let is_unneeded = self.spares == 0 && self.kept.as_ref().is_ok_and(|kept| !kept.is_empty());
        is_unneeded.then(|| self.take_kept()).flatten()
    }

    fn take_kept(&mut self) -> Option<Kept> {
        match mem::replace(&mut self.kept, Err(Missing::Body)) {
            Ok(kept) => Some(kept),
            Err(why) => {
                self.kept = Err(why);
                None
            }
        }
    }
}

impl<B> State<B>
where
    B: Body,
    B::Error: Into<BoxError>,
{
    /// Reads the next frame, unless another reader has replaced this one.
    pub(super) fn poll_read(
        &mut self,
        reader: u32,
        cx: &mut Context<'_>,
    ) -> Result<Poll<Read>, Overtaken> {
        if self.reader != reader {
            return Err(Overtaken);
        }
        Ok(self.poll_as_reader(cx))
    }

    fn poll_as_reader(&mut self, cx: &mut Context<'_>) -> Poll<Read> {
        if self.is_ended {
            return Poll::Ready(None);
        }
        if self.is_held {
            self.wait(cx);
            return Poll::Pending;
        }
        let polled = self.stream.as_mut().poll_frame(cx);
        if polled.is_pending() && self.spares > 0 {
            self.wait(cx);
        }
        let frame = match ready!(polled) {
            Some(Ok(frame)) => frame.map_data(|mut data| data.copy_to_bytes(data.remaining())),
            Some(Err(error)) => {
                // The first send was not complete, so a second one would not be either.
                if self.kept.is_ok() {
                    self.kept = Err(Missing::Body);
                }
                return Poll::Ready(Some(Err(error.into())));
            }
            None => {
                self.is_ended = true;
                return Poll::Ready(None);
            }
        };
        let is_last = self.stream.is_end_stream();
        self.keep(&frame, is_last);
        Poll::Ready(Some(Ok((frame, is_last))))
    }

    fn keep(&mut self, frame: &Frame<Bytes>, is_last: bool) {
        let Ok(kept) = &mut self.kept else { return };
        let result = match self.spares {
            0 => Err(Missing::Body),
            _ => kept.keep(frame, is_last),
        };
        if let Err(why) = result {
            self.kept = Err(why);
        }
    }

    fn wait(&mut self, cx: &Context<'_>) {
        match &mut self.waiting {
            Some(waker) => waker.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
    }
}

/// Never called with the lock held, because a waker may poll at once.
fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
}

/// The error that ends a first send whose body is sent again.
#[derive(Debug)]
pub(super) struct Overtaken;

impl fmt::Display for Overtaken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the request was refused before its whole body was sent; it is sent once more")
    }
}

impl StdError for Overtaken {}
