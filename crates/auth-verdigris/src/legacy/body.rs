use std::{
    collections::VecDeque,
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Buf as _;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

pin_project! {
    /// A body whose first frames may have been read: returns these frames, then the rest,
    /// unchanged.
    pub struct PeekedBody<B>
    where
        B: Body,
    {
        seen: VecDeque<Frame<B::Data>>,
        // What followed the frames: the end, or an error.
        outcome: Option<Result<(), B::Error>>,
        #[pin]
        inner: B,
    }
}

impl<B: Body> PeekedBody<B> {
    pub(super) fn new(inner: B) -> Self {
        Self {
            seen: VecDeque::new(),
            outcome: None,
            inner,
        }
    }

    /// Returns the body that was read; the frames that were read are no longer in it.
    pub fn get_ref(&self) -> &B {
        &self.inner
    }

    /// The number of frames that were read.
    pub(super) fn frames(&self) -> usize {
        self.seen.len()
    }

    /// Reads and keeps one more frame, and returns a reference to it.
    pub(super) fn poll_seen(&mut self, cx: &mut Context<'_>) -> Poll<Seen<'_, B::Data>>
    where
        B: Unpin,
    {
        if self.outcome.is_some() || self.inner.is_end_stream() {
            return Poll::Ready(Seen::End);
        }
        Poll::Ready(match ready!(Pin::new(&mut self.inner).poll_frame(cx)) {
            Some(Ok(frame)) => {
                self.seen.push_back(frame);
                self.seen.back().map_or(Seen::End, Seen::Frame)
            }
            Some(Err(error)) => {
                self.outcome = Some(Err(error));
                Seen::Failed
            }
            None => {
                self.outcome = Some(Ok(()));
                Seen::End
            }
        })
    }
}

/// The result of reading one frame of a body.
pub(super) enum Seen<'a, D> {
    Frame(&'a Frame<D>),
    End,
    Failed,
}

impl<B: Body> Body for PeekedBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let this = self.project();
        if let Some(frame) = this.seen.pop_front() {
            return Poll::Ready(Some(Ok(frame)));
        }
        match this.outcome.take() {
            None => this.inner.poll_frame(cx),
            Some(Err(error)) => Poll::Ready(Some(Err(error))),
            Some(Ok(())) => {
                // A body must not be polled again after its end.
                *this.outcome = Some(Ok(()));
                Poll::Ready(None)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        let at_end = match self.outcome {
            None => self.inner.is_end_stream(),
            Some(Ok(())) => true,
            Some(Err(_)) => false,
        };
        at_end && self.seen.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        let data = self.seen.iter().filter_map(Frame::data_ref);
        let seen = data.fold(0, |sum: u64, data| {
            sum.saturating_add(data.remaining() as u64)
        });
        let rest = match self.outcome {
            Some(Ok(())) => SizeHint::with_exact(0),
            _ => self.inner.size_hint(),
        };
        let mut hint = SizeHint::new();
        hint.set_lower(rest.lower().saturating_add(seen));
        if let Some(upper) = rest.upper().and_then(|upper| upper.checked_add(seen)) {
            hint.set_upper(upper);
        }
        hint
    }
}

impl<B: Body> fmt::Debug for PeekedBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PeekedBody").finish_non_exhaustive()
    }
}
