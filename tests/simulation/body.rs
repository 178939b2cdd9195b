//! A request's body that may or may not be cloned, and a record of the bytes that were read.

use std::{
    collections::VecDeque,
    convert::Infallible,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use crate::world::SentBody;

/// A body of chunks.
#[derive(Debug, Default)]
pub(crate) struct SimBody {
    chunks: VecDeque<Bytes>,
    one_shot: bool,
}

impl SimBody {
    pub(crate) fn whole(bytes: Bytes) -> Self {
        Self {
            chunks: [bytes]
                .into_iter()
                .filter(|bytes| !bytes.is_empty())
                .collect(),
            one_shot: false,
        }
    }

    /// A body that is produced while it is read.
    pub(crate) fn one_shot(bytes: &Bytes) -> Self {
        Self {
            chunks: bytes.chunks(7).map(Bytes::copy_from_slice).collect(),
            one_shot: true,
        }
    }

    pub(crate) fn try_clone(&self) -> Option<Self> {
        (!self.one_shot).then(|| Self {
            chunks: self.chunks.clone(),
            one_shot: false,
        })
    }
}

impl Body for SimBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.chunks.pop_front().map(|chunk| Ok(Frame::data(chunk))))
    }

    fn is_end_stream(&self) -> bool {
        self.chunks.is_empty() && !self.one_shot
    }

    fn size_hint(&self) -> SizeHint {
        if self.one_shot {
            SizeHint::default()
        } else {
            SizeHint::with_exact(self.chunks.iter().map(|chunk| chunk.len() as u64).sum())
        }
    }
}

/// Records the bytes that are read from a body.
pub(crate) struct Witnessed {
    pub(crate) body: SimBody,
    pub(crate) read: Arc<Mutex<SentBody>>,
}

impl Body for Witnessed {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        if let Poll::Ready(frame) = &polled {
            let mut read = self.read.lock().unwrap();
            match frame {
                Some(Ok(frame)) => read.bytes.extend(frame.data_ref().into_iter().flatten()),
                _ => read.ended = true,
            }
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
