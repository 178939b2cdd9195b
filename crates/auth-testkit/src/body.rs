use std::{
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use crate::{
    counters::InFlight,
    delivery::{Cut, Delivery, Shape},
};

/// A response body that is sent as the script says.
pub(crate) struct ScriptedBody {
    data: Bytes,
    shape: Shape,
    wait: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    end: bool,
    /// Counts the request as in progress until its body has been read or dropped.
    _in_flight: InFlight,
}

impl ScriptedBody {
    pub(crate) fn new(data: Bytes, delivery: Delivery, in_flight: InFlight) -> Self {
        let shape = match delivery.shape {
            // An empty body has no byte to delay: it simply ends.
            Shape::Trickle(_) | Shape::Endless(_) if data.is_empty() => Shape::Whole,
            shape => shape,
        };
        let wait = match delivery.after {
            Some(gate) => Some(boxed(async move { gate.pass().await })),
            None => shape.pause().map(pause),
        };
        Self {
            data,
            shape,
            wait,
            end: false,
            _in_flight: in_flight,
        }
    }
}

impl Body for ScriptedBody {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        if let Some(wait) = &mut self.wait {
            ready!(wait.as_mut().poll(cx));
            self.wait = None;
        }
        if self.end {
            self.end = false;
            self.data.clear();
            return Poll::Ready(match self.shape {
                Shape::CutAfter(_, true) => Some(Err(Cut::Reset)),
                Shape::CutAfter(_, false) => Some(Err(Cut::Close)),
                _ => None,
            });
        }
        let chunk = match self.shape {
            Shape::Whole => std::mem::take(&mut self.data),
            Shape::CutAfter(bytes, _) => {
                self.end = true;
                // The server sends what it has while it waits, so that the bytes leave before the
                // end.
                self.wait = Some(boxed(tokio::task::yield_now()));
                self.data.slice(..bytes.min(self.data.len()))
            }
            Shape::Trickle(every) => {
                let len = self.data.len().min(1);
                if self.data.len() > 1 {
                    self.wait = Some(pause(every));
                }
                self.data.split_to(len)
            }
            Shape::Endless(every) => {
                self.wait = Some(pause(every));
                self.data.clone()
            }
        };
        match (chunk.is_empty(), self.end) {
            (false, _) => Poll::Ready(Some(Ok(Frame::data(chunk)))),
            (true, true) => self.poll_frame(cx),
            (true, false) => Poll::Ready(None),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self.shape {
            Shape::Endless(_) => SizeHint::default(),
            _ => SizeHint::with_exact(self.data.len() as u64),
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.shape, Shape::Whole) && self.data.is_empty()
    }
}

impl Shape {
    fn pause(self) -> Option<Duration> {
        match self {
            Self::Trickle(every) | Self::Endless(every) => Some(every),
            Self::Whole | Self::CutAfter(..) => None,
        }
    }
}

fn pause(duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
    match duration {
        // tokio's timers have a resolution of one millisecond, so the shortest sleep would be one.
        Duration::ZERO => boxed(tokio::task::yield_now()),
        _ => boxed(tokio::time::sleep(duration)),
    }
}

fn boxed(
    future: impl Future<Output = ()> + Send + 'static,
) -> Pin<Box<dyn Future<Output = ()> + Send>> {
    Box::pin(future)
}
