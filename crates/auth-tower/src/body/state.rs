//! What a body and its spare share: the stream, and what was read of it so far.

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

/// The stream has one reader at a time. A spare that starts over becomes the reader; whoever was it
/// before gets an error from then on.
pub(super) struct Shared<B>(Mutex<State<B>>);

pub(super) struct State<B> {
    /// In a box, because it moves from reader to reader after it was polled.
    stream: Pin<Box<B>>,
    is_ended: bool,
    /// All that was read, or why it is not there any more.
    kept: Result<Kept, Missing>,
    /// Those that may still start over. Without any, nothing is kept.
    spares: usize,
    reader: u32,
    /// A spare is about to start over: nothing is read meanwhile, so that what is kept stays so.
    is_held: bool,
    /// The reader that waits.
    waiting: Option<Waker>,
}

/// The first reader.
pub(super) const FIRST: u32 = 0;

/// A frame, and whether the stream said after it that it was at its end.
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
            // The stream panicked: who knows what it would go on with.
            let mut state = PoisonError::into_inner(poisoned);
            state.kept = Err(Missing::Body);
            state
        })
    }

    /// Adds a spare, if a second send would find all that was read.
    pub(super) fn add_spare(&self) -> Result<(), Missing> {
        let mut state = self.lock();
        match &state.kept {
            Ok(_) => state.spares += 1,
            Err(why) => return Err(*why),
        }
        Ok(())
    }

    /// Holds the reader back until the spare starts over or is removed.
    pub(super) fn hold(&self) -> Result<(), Missing> {
        let mut state = self.lock();
        state.is_held = match &state.kept {
            Ok(_) => true,
            Err(why) => return Err(*why),
        };
        Ok(())
    }

    /// Removes a spare that is not needed; the reader goes on.
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

    /// Makes a spare the reader, from the first frame; `None` if that frame is gone. It takes what
    /// was kept along: a body is sent twice at most, whatever other spares there are.
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
    /// Shows the stream to its reader, while there is something to read.
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
    /// Reads on, unless somebody else has started over.
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
                // What was sent was not the whole body, and a second send would not be either.
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

/// Never under the lock: a waker may poll at once.
fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
}

/// Ends a send whose body is being sent once more.
#[derive(Debug)]
pub(super) struct Overtaken;

impl fmt::Display for Overtaken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "the request was refused before all of its body was sent, and is sent once more",
        )
    }
}

impl StdError for Overtaken {}
