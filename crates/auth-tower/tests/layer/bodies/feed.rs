//! A streaming body whose frames a test sends, and a record of what a reader received.

use std::{
    cell::Cell,
    error::Error as StdError,
    fmt,
    marker::PhantomData,
    pin::Pin,
    task::{Context, Poll, Waker, ready},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use http_body::{Body, Frame, SizeHint};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

pub(crate) type Item = Result<Frame<Bytes>, Oops>;

/// Returns the items that the test sends. Ends when the sender is dropped, and must not be read
/// after that. Neither `Clone`, `Sync` nor `Default`.
pub(crate) struct Feed {
    items: UnboundedReceiver<Item>,
    /// The number of remaining bytes, if the body states it.
    exact: Option<u64>,
    /// Whether the body reports its end.
    knows_end: bool,
    has_ended: bool,
    not_sync: PhantomData<Cell<()>>,
}

impl Feed {
    pub(crate) fn new(exact: Option<u64>, knows_end: bool) -> (UnboundedSender<Item>, Self) {
        let (sender, items) = unbounded_channel();
        let feed = Self {
            items,
            exact,
            knows_end,
            has_ended: false,
            not_sync: PhantomData,
        };
        (sender, feed)
    }

    /// Makes a complete body of unknown length.
    pub(crate) fn of(items: impl IntoIterator<Item = Item>) -> Self {
        Self::whole(items, None, false)
    }

    pub(crate) fn whole(
        items: impl IntoIterator<Item = Item>,
        exact: Option<u64>,
        knows_end: bool,
    ) -> Self {
        let (sender, feed) = Self::new(exact, knows_end);
        items.into_iter().for_each(|item| give(&sender, item));
        feed
    }
}

pub(crate) fn give(sender: &UnboundedSender<Item>, item: Item) {
    // The reader may have been dropped.
    let _ = sender.send(item);
}

impl Body for Feed {
    type Data = Bytes;
    type Error = Oops;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Oops>>> {
        assert!(!self.has_ended, "read after its end");
        let item = ready!(self.items.poll_recv(cx));
        assert!(!matches!(item, Some(Err(Oops(Oops::PANIC)))), "oops");
        if let (Some(Ok(frame)), Some(left)) = (&item, &mut self.exact) {
            *left -= frame.data_ref().map_or(0, |data| data.len() as u64);
        }
        self.has_ended = item.is_none();
        Poll::Ready(item)
    }

    fn is_end_stream(&self) -> bool {
        self.knows_end && self.items.is_closed() && self.items.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        self.exact.map_or_else(SizeHint::new, SizeHint::with_exact)
    }
}

/// The error of the body.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Oops(pub(crate) u32);

impl Oops {
    /// With this number the body panics and returns no error.
    pub(crate) const PANIC: u32 = u32::MAX;
}

impl fmt::Display for Oops {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "oops {}", self.0)
    }
}

impl StdError for Oops {}

pub(crate) fn data(bytes: impl Into<Bytes>) -> Item {
    Ok(Frame::data(bytes.into()))
}

pub(crate) fn trailers(name: &'static str, value: &'static str) -> Item {
    let mut trailers = HeaderMap::new();
    trailers.insert(
        HeaderName::from_static(name),
        HeaderValue::from_static(value),
    );
    Ok(Frame::trailers(trailers))
}

/// What a client sees of a body in one step: the facts that decide the framing, and the item.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Step {
    pub(crate) is_end_stream: bool,
    pub(crate) hint: (u64, Option<u64>),
    pub(crate) given: Given,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Given {
    Data(Bytes),
    Trailers(HeaderMap),
    End,
    Error(String),
    Nothing,
}

/// Polls once.
pub(crate) fn step<B>(body: &mut B) -> Step
where
    B: Body<Data = Bytes, Error: fmt::Display> + Unpin,
{
    step_with(body, &mut Context::from_waker(Waker::noop()))
}

pub(crate) fn step_with<B>(body: &mut B, cx: &mut Context<'_>) -> Step
where
    B: Body<Data = Bytes, Error: fmt::Display> + Unpin,
{
    let hint = body.size_hint();
    Step {
        is_end_stream: body.is_end_stream(),
        hint: (hint.lower(), hint.upper()),
        given: match Pin::new(body).poll_frame(cx) {
            Poll::Pending => Given::Nothing,
            Poll::Ready(None) => Given::End,
            Poll::Ready(Some(Err(error))) => Given::Error(error.to_string()),
            Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                Ok(data) => Given::Data(data),
                Err(frame) => Given::Trailers(frame.into_trailers().unwrap()),
            },
        },
    }
}

/// Reads until nothing more is available, at least for now.
pub(crate) fn steps<B>(body: &mut B) -> Vec<Step>
where
    B: Body<Data = Bytes, Error: fmt::Display> + Unpin,
{
    let mut steps = Vec::new();
    loop {
        let step = step(body);
        let goes_on = matches!(step.given, Given::Data(_) | Given::Trailers(_));
        steps.push(step);
        if !goes_on {
            return steps;
        }
    }
}

/// Returns what a client would see of the body itself.
pub(crate) fn bare(mut feed: Feed) -> Vec<Step> {
    steps(&mut feed)
}
