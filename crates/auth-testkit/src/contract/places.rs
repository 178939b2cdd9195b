use http::{HeaderMap, HeaderName, HeaderValue, Uri};

use super::{
    Vendor,
    stand::{Stand, Witness},
};
use crate::Side;

/// A request to another destination (host, port, sub-domain, plain `http`) is sent unchanged, and
/// causes no token request. The long-lived secret is sent only to the token endpoint's origin.
///
/// # Panics
///
/// If the promise is broken.
pub async fn nothing_leaves_for_other_places<V: Vendor>() {
    let stand = Stand::new::<V>();
    let mut own = HeaderMap::new();
    own.insert("x-caller", HeaderValue::from_static("1"));
    let witness = Witness::default();
    for warm in [false, true] {
        for url in other_places(&stand) {
            let sent = stand.send(witness.clone(), &url, own.clone()).await;
            assert!(sent.is_ok(), "{url}: {sent:?}");
            let came = witness.take();
            assert!(came == [own.clone()], "{url}, warm: {warm}: {came:?}");
        }
        assert!(warm || stand.server.counters().token_requests == 0);
        stand.get_at_once().await;
    }
    stand
        .expect_token_requests::<V>(1, "other destinations cause no token request")
        .await;
    // The same server sees a credential for the right destination.
    let url = format!("{}{}", stand.server.api_url(), V::path());
    let sent = stand.send(witness.clone(), &url, own.clone()).await;
    assert!(sent.is_ok() && witness.take() != [own]);

    let secret = V::right_secret(&stand.server);
    for request in stand.server.recorded() {
        let is_token_side = request.side() == Side::Token;
        let holds = request.wire_hidden(&[&secret]) != request.wire();
        assert!(
            is_token_side || !holds || !V::FETCHES,
            "the long-lived secret was sent to {}",
            request.path()
        );
    }
    assert_eq!(stand.server.counters().stray_requests, 0);
}

/// A request that already carries the credential's header is not changed: the header is kept, the
/// request is sent once, and no token is requested for it.
///
/// # Panics
///
/// If the promise is broken.
pub async fn a_callers_own_header_is_kept<V: Vendor>() {
    for name in headers_of::<V>().await {
        let stand = Stand::new::<V>();
        let mut own = HeaderMap::new();
        own.insert(name.clone(), HeaderValue::from_static("callers-own"));
        let witness = Witness::default();
        let url = format!("{}{}", stand.server.api_url(), V::path());
        let sent = stand.send(witness.clone(), &url, own.clone()).await;
        assert!(sent.is_ok(), "{name}: {sent:?}");
        let came = witness.take();
        assert!(came == [own], "{name}: {came:?}");
        stand
            .expect_token_requests::<V>(0, "no request needed a token")
            .await;
    }
}

/// The headers by which the vendor authenticates a request.
async fn headers_of<V: Vendor>() -> Vec<HeaderName> {
    let stand = Stand::new::<V>();
    let mut headers = HeaderMap::new();
    match stand.authenticator.token().await {
        Ok(token) => token.sign(&mut headers),
        Err(error) => panic!("the credentials are valid, but: {error}"),
    }
    // A header that is not sensitive is not a credential: the content type.
    let headers: Vec<_> = headers
        .iter()
        .filter(|(_, value)| value.is_sensitive())
        .map(|(name, _)| name.clone())
        .collect();
    assert!(!headers.is_empty());
    headers
}

fn other_places(stand: &Stand) -> Vec<String> {
    let uri: Uri = stand.server.origin().parse().unwrap_or_default();
    let host = uri.host().unwrap_or_default();
    let mut places = vec![
        "https://other.test/".to_owned(),
        format!("https://{host}:8443/"),
        format!("https://sub.{host}/"),
        format!("https://x{host}/"),
        format!("https://{host}.other.test/"),
        format!("https://{host}@other.test/"),
        format!("https://other.test/{host}/"),
        format!("http://{host}/"),
        format!("http://{host}:443/"),
    ];
    let parent = host.split_once('.').map_or(host, |(_, parent)| parent);
    places.push(format!("https://{parent}/"));
    if stand.server.token_origin() != stand.server.origin() {
        places.push(stand.server.token_url());
    }
    places
}
