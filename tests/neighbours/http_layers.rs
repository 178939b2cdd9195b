//! Layers of tower-http: tracing and decompression, above and below.

use auth_testkit::LogCapture;
use auth_tower::AuthOutcome;
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body::Body;
use http_body_util::{BodyExt, Full};
use tower::{Service, ServiceBuilder};
use tower_http::{
    decompression::DecompressionLayer,
    trace::{DefaultMakeSpan, DefaultOnRequest, TraceLayer},
};
use tracing::Level;

use crate::support::{Api, Broken, Seen, URL, World, get, send, unauthorized};

/// "here you are", compressed with gzip.
const PACKED: &[u8] = &[
    31, 139, 8, 0, 0, 0, 0, 0, 2, 3, 203, 72, 45, 74, 85, 168, 204, 47, 85, 72, 44, 74, 5, 0, 185,
    210, 160, 17, 12, 0, 0, 0,
];

/// Refuses the first token, and compresses its response to the second.
fn packing() -> Api {
    Api::answering(|seen: &Seen| {
        if seen.token() == Some("fake-token-1") {
            return Ok(unauthorized(seen));
        }
        let packed = seen
            .headers
            .get("accept-encoding")
            .is_some_and(|value| value.to_str().unwrap().contains("gzip"));
        assert!(packed, "{:?}", seen.headers);
        let response = Response::builder().header("content-encoding", "gzip");
        Ok(response.body(Full::from(PACKED)).unwrap())
    })
}

async fn read<S, B>(client: &mut S) -> Bytes
where
    S: Service<Request<Full<Bytes>>, Response = Response<B>, Error = auth_tower::Error<Broken>>,
    B: Body<Data = Bytes, Error: std::fmt::Debug>,
{
    let response = send(client, get(URL)).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(AuthOutcome::of(&response).sends(), 2);
    response.into_body().collect().await.unwrap().to_bytes()
}

#[tokio::test(start_paused = true)]
async fn decompression_above_and_below() {
    let (world, api) = (World::warm().await, packing());
    let mut above = ServiceBuilder::new()
        .layer(DecompressionLayer::new())
        .layer(world.layer())
        .service(api.clone());
    assert_eq!(read(&mut above).await, "here you are");
    assert_eq!(api.tokens(), ["fake-token-1", "fake-token-2"]);

    let (world, api) = (World::warm().await, packing());
    let mut below = ServiceBuilder::new()
        .layer(world.layer())
        .layer(DecompressionLayer::new())
        .service(api.clone());
    assert_eq!(read(&mut below).await, "here you are");
    assert_eq!(api.tokens(), ["fake-token-1", "fake-token-2"]);
    // Both sends contain the headers of the layer below.
    let [first, second] = &api.seen()[..] else {
        panic!("{:?}", api.seen());
    };
    assert_eq!(first.but_the_token(), second.but_the_token());
}

#[tokio::test(start_paused = true)]
async fn g18_tracing_of_headers_above_and_below_shows_no_token() {
    let trace = || {
        TraceLayer::new_for_http()
            .make_span_with(
                DefaultMakeSpan::new()
                    .level(Level::INFO)
                    .include_headers(true),
            )
            .on_request(DefaultOnRequest::new().level(Level::INFO))
    };
    let (world, api) = (World::cold(), Api::new());
    let mut client = ServiceBuilder::new()
        .layer(trace())
        .layer(world.layer())
        .layer(trace())
        .service(api.clone());
    let log = LogCapture::new();
    let guard = log.install();
    send(&mut client, get(URL)).await.unwrap();
    api.revoke("fake-token-1");
    send(&mut client, get(URL)).await.unwrap();
    drop(guard);
    let text = log.text();
    assert_eq!(api.calls(), 3);
    // Below, each send is visible, with its header and without the token.
    assert!(
        text.contains("authorization") && text.contains("Sensitive"),
        "{text}"
    );
    assert!(text.contains("status=401"), "{text}");
    log.assert_no_secret(&["fake-token-1", "fake-token-2"]);
}
