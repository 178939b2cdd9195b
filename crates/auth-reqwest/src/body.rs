use std::{
    any::Any,
    error::Error as StdError,
    pin::Pin,
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use http_body::Body;
use http_body_util::Full;

/// A body that [`ReqwestService`](crate::ReqwestService) can send.
#[diagnostic::on_unimplemented(
    message = "`ReqwestService` cannot send a body of type `{Self}`",
    label = "not a body that is `Send`, `Sync` and `'static`",
    note = "`axum::body::Body` and `UnsyncBoxBody` are not `Sync`: put `auth_tower::ReplayBodyLayer` above `AuthLayer`, which also sends such bodies again, or collect the body into a `Full<Bytes>`"
)]
#[allow(unnameable_types, reason = "implemented for every suitable body")]
pub trait RequestBody:
    Body<Data: Into<Bytes>, Error: Into<Box<dyn StdError + Send + Sync>>> + Send + Sync + 'static
{
}

#[diagnostic::do_not_recommend]
impl<B> RequestBody for B
where
    B: Body<Data: Into<Bytes>, Error: Into<Box<dyn StdError + Send + Sync>>>,
    B: Send + Sync + 'static,
{
}

/// Converts a body for reqwest. A body in memory stays bytes, so that reqwest can send it again
/// after a redirect with status 307 or 308. Every other body becomes a stream, which reqwest cannot
/// send again.
pub(crate) fn wrap<B: RequestBody>(body: B) -> reqwest::Body {
    let mut body = Some(body);
    if let Some(own) = take::<reqwest::Body>(&mut body) {
        return own;
    }
    if let Some(full) = take::<Full<Bytes>>(&mut body) {
        return whole(full).into();
    }
    body.map_or_else(Default::default, reqwest::Body::wrap)
}

/// Takes the body out if it has this type.
fn take<T: 'static>(body: &mut dyn Any) -> Option<T> {
    body.downcast_mut::<Option<T>>()?.take()
}

/// Returns the bytes of a body that is one frame and always ready.
fn whole<B: Body<Data = Bytes> + Unpin>(mut body: B) -> Bytes {
    let mut cx = Context::from_waker(Waker::noop());
    match Pin::new(&mut body).poll_frame(&mut cx) {
        Poll::Ready(Some(Ok(frame))) => frame.into_data().unwrap_or_default(),
        _ => Bytes::new(),
    }
}

/// Returns the bytes of a body in memory, and leaves an equal body. Copies no bytes. Returns `None`
/// for a stream.
#[cfg(feature = "middleware")]
pub(crate) fn bytes_of(body: &mut reqwest::Body) -> Option<Bytes> {
    body.as_bytes()?;
    let bytes = whole(std::mem::take(body));
    *body = bytes.clone().into();
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use http_body_util::{BodyExt, Empty};

    use super::*;

    #[test]
    fn a_body_in_memory_stays_bytes() {
        let full = Full::new(Bytes::from_static(b"some"));
        assert_eq!(wrap(full).as_bytes(), Some(&b"some"[..]));
        assert_eq!(wrap(Full::<Bytes>::default()).as_bytes(), Some(&b""[..]));
        let own = reqwest::Body::from("own");
        assert_eq!(wrap(own).as_bytes(), Some(&b"own"[..]));
    }

    #[cfg(feature = "middleware")]
    #[test]
    fn bytes_are_taken_from_a_body_in_memory_only_and_leave_an_equal_body() {
        let text = String::from("some");
        let at = text.as_ptr();
        let mut body = reqwest::Body::from(text);
        let bytes = bytes_of(&mut body).unwrap();
        assert_eq!((&*bytes, body.as_bytes()), (&b"some"[..], Some(&*bytes)));
        // Both are the memory of the text.
        assert_eq!(bytes.as_ptr(), at);
        assert_eq!(body.as_bytes().map(<[u8]>::as_ptr), Some(at));
        let mut empty = reqwest::Body::default();
        assert_eq!(bytes_of(&mut empty).as_deref(), Some(&b""[..]));
        assert_eq!(empty.as_bytes(), Some(&b""[..]));
        let mut stream = reqwest::Body::wrap(Full::new(Bytes::from_static(b"some")));
        assert_eq!(bytes_of(&mut stream), None);
        assert_eq!(stream.size_hint().exact(), Some(4));
    }

    #[test]
    fn any_other_body_becomes_a_stream_of_the_same_length() {
        let body = wrap(Full::new(Bytes::from_static(b"some")).map_err(std::io::Error::other));
        assert_eq!(body.as_bytes(), None);
        assert_eq!(body.size_hint().exact(), Some(4));
        assert_eq!(wrap(Empty::<Bytes>::new()).size_hint().exact(), Some(0));
        assert_eq!(wrap(String::from("text")).size_hint().exact(), Some(4));
    }
}
