//! Compares the bytes on the wire with reviewed texts.

use std::{future::ready, sync::Arc};

use auth_axonize::{MfaAnswer, fake};

use crate::support::{api_keys, devices, login};

#[tokio::test(start_paused = true)]
async fn login_with_the_application_in_a_header() {
    let server = fake::login().in_memory();
    let authenticator = login(&server).build().unwrap();
    devices(&server, &authenticator).await.unwrap();
    assert_eq!(server.wire(), include_str!("wire/login.txt"));
}

#[tokio::test(start_paused = true)]
async fn login_with_the_application_as_an_url() {
    let server = fake::login().in_memory();
    let settings = login(&server).application_url(fake::APP_URL);
    devices(&server, &settings.build().unwrap()).await.unwrap();
    assert_eq!(server.wire(), include_str!("wire/login_url.txt"));
}

#[tokio::test(start_paused = true)]
async fn login_with_a_second_factor() {
    let server = Arc::new(fake::mfa().in_memory());
    let fake = Arc::clone(&server);
    let settings = login(&server).mfa(move |challenge| {
        ready(Ok(match challenge.resends() {
            0 => MfaAnswer::Resend,
            _ => MfaAnswer::Code(fake::binding_codes(&fake).latest().unwrap().into()),
        }))
    });
    devices(&server, &settings.build().unwrap()).await.unwrap();
    assert_eq!(server.wire(), include_str!("wire/login_mfa.txt"));
}

#[tokio::test(start_paused = true)]
async fn api_keys_on_each_request() {
    let server = fake::api_keys().in_memory();
    let authenticator = api_keys(&server).build().unwrap();
    devices(&server, &authenticator).await.unwrap();
    assert_eq!(server.wire(), include_str!("wire/api_keys.txt"));
}
