//! Streams that a real client sends over HTTP/2.

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Collected, Empty};
use hyper::{body::Incoming, server::conn::http2, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::{
    feed::{Feed, data, give, trailers},
    wire::{Wire, assert_sent_twice, soon},
};

/// An upload as the API received it, up to its end.
type Met = Result<Collected<Bytes>, hyper::Error>;

/// Serves one connection: refuses the first token after one frame, and accepts the second one.
async fn serve(wire: &Wire) -> UnboundedReceiver<Met> {
    let (sender, met) = unbounded_channel();
    let stream = wire.accept().await;
    let service = service_fn(move |request| answer(request, sender.clone()));
    let server = http2::Builder::new(TokioExecutor::new());
    tokio::spawn(server.serve_connection(TokioIo::new(stream), service));
    met
}

async fn answer(
    request: Request<Incoming>,
    met: UnboundedSender<Met>,
) -> Result<Response<Empty<Bytes>>, hyper::Error> {
    let mut response = Response::new(Empty::new());
    let is_refused = request.headers()["authorization"] == "Bearer fake-token-1";
    let mut body = request.into_body();
    if is_refused {
        *response.status_mut() = StatusCode::UNAUTHORIZED;
        body.frame().await.unwrap()?;
        // Continues to read, to see how the upload ends.
        tokio::spawn(async move { met.send(body.collect().await) });
    } else {
        // The receiver lives as long as the test.
        let _ = met.send(body.collect().await);
    }
    Ok(response)
}

#[tokio::test]
async fn the_first_stream_is_reset_if_the_upload_is_refused() {
    let wire = Wire::over_h2(64).await;
    let (sender, feed) = Feed::new(None, true);
    let call = wire.put(feed);
    let mut met = serve(&wire).await;
    give(&sender, data("one "));
    // The first send does not look like a complete request.
    assert!(soon(met.recv()).await.unwrap().is_err());
    give(&sender, data("two "));
    give(&sender, trailers("x-checksum", "42"));
    drop(sender);
    assert_sent_twice(&soon(call).await.unwrap());
    let second = soon(met.recv()).await.unwrap().unwrap();
    assert_eq!(second.trailers().unwrap()["x-checksum"], "42");
    assert_eq!(second.to_bytes(), "one two ");
}
