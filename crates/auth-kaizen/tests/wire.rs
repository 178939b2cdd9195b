//! Compares the bytes on the wire with reviewed texts.

#![allow(clippy::unwrap_used, reason = "a test fails by it")]

#[path = "support/vendor.rs"]
mod vendor;

use auth_kaizen::{Central, East, Kaizen, LegacyEndpoint, Region};
use auth_testkit::Reply;

use crate::vendor::Vendor;

/// Requests the buildings once, and returns the token request and the API request.
async fn sent<R: Region>(vendor: Vendor, kaizen: Kaizen<R>) -> [String; 2] {
    let token = r#""fake-header.fake-payload.fake-signature""#;
    let server = vendor.of::<R>();
    server
        .token()
        .then(Reply::normal().with("access_token", token));
    server.api().then(Reply::status(200).json("[]"));
    assert_eq!(vendor.buildings(&kaizen).await, 200);
    let sent = vendor.sent();
    let texts: Vec<_> = sent.iter().map(|sent| sent.expose_text()).collect();
    texts.try_into().unwrap()
}

#[tokio::test(start_paused = true)]
async fn central() {
    let vendor = Vendor::new();
    let kaizen = vendor.settings::<Central>().build().unwrap();
    let [token, buildings] = sent(vendor, kaizen).await;
    assert_eq!(token, include_str!("wire/central_token.txt"));
    assert_eq!(buildings, include_str!("wire/central_buildings.txt"));
}

#[tokio::test(start_paused = true)]
async fn east() {
    let vendor = Vendor::new();
    let kaizen = vendor.settings::<East>().build().unwrap();
    let [token, buildings] = sent(vendor, kaizen).await;
    assert_eq!(token, include_str!("wire/east_token.txt"));
    assert_eq!(buildings, include_str!("wire/east_buildings.txt"));
}

#[tokio::test(start_paused = true)]
async fn legacy() {
    for (endpoint, expected) in [
        (
            LegacyEndpoint::ApiHost,
            include_str!("wire/legacy_api_host_token.txt"),
        ),
        (
            LegacyEndpoint::LoginGlobal,
            include_str!("wire/legacy_login_global_token.txt"),
        ),
    ] {
        let vendor = Vendor::new();
        let settings = vendor.settings::<Central>().legacy(endpoint);
        let [token, buildings] = sent(vendor, settings.build().unwrap()).await;
        assert_eq!(token, expected);
        assert_eq!(buildings, include_str!("wire/central_buildings.txt"));
    }
}
