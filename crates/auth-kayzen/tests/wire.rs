//! Compares the bytes on the wire with reviewed texts.

#![allow(clippy::unwrap_used, reason = "a test fails by it")]

#[path = "support/vendor.rs"]
mod vendor;

use auth_kayzen::{KayzenBuilder, fake};
use auth_oauth2::{BodyFormat, ClientAuth};
use auth_testkit::Reply;

use crate::vendor::Vendor;

/// Requests the campaigns once, and returns the token request and the API request.
async fn sent(vendor: &Vendor, settings: KayzenBuilder) -> [String; 2] {
    let reply = r#"{"access_token":"fake-token-1","expires_in":"1799","scope":""}"#;
    vendor.server().token().then(Reply::status(200).json(reply));
    vendor.server().api().then(Reply::status(200).json("[]"));
    let authenticator = settings.build().unwrap();
    assert_eq!(vendor.campaigns(&authenticator).await.unwrap(), 200);
    let texts: Vec<_> = vendor
        .sent()
        .iter()
        .map(|sent| sent.expose_text())
        .collect();
    texts.try_into().unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_form() {
    let vendor = Vendor::new();
    let [login, campaigns] = sent(&vendor, vendor.settings()).await;
    assert_eq!(login, include_str!("wire/login_form.txt"));
    assert_eq!(campaigns, include_str!("wire/campaigns.txt"));
}

#[tokio::test(start_paused = true)]
async fn json() {
    let vendor = Vendor::new();
    let settings = vendor.settings().body_format(BodyFormat::Json);
    let [login, campaigns] = sent(&vendor, settings).await;
    assert_eq!(login, include_str!("wire/login_json.txt"));
    assert_eq!(campaigns, include_str!("wire/campaigns.txt"));
}

#[tokio::test(start_paused = true)]
async fn basic_form_encoded() {
    let vendor = Vendor::of(fake::server().client_auth([auth_testkit::ClientAuth::Basic]));
    let settings = vendor.settings().client_auth(ClientAuth::Basic);
    let [login, _] = sent(&vendor, settings).await;
    assert_eq!(login, include_str!("wire/login_form_encoded_basic.txt"));
}
