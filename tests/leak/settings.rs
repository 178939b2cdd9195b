//! Secrets in wrong settings: the error names the problem and does not show the value.

use auth_axonize::Axonize;
use auth_core::{Error, Origins, Scheme, Secret};
use auth_kaizen::{Central, Kaizen};
use auth_kayzen::Kayzen;
use auth_oauth2::{Client, ClientAuth};
use auth_testkit::TestServer;
use auth_verdigris::Verdigris;

use crate::planted::{APP_HEADER, CLIENT_ID, CLIENT_SECRET, PASSWORD, assert_clean, told};

#[track_caller]
fn assert_refused<T>(result: Result<T, Error>, field: &str) {
    let Err(error) = result else {
        panic!("`{field}` was taken");
    };
    assert_eq!(error.field(), Some(field));
    assert_clean(told(&error), &[]);
}

#[test]
fn g18_errors_about_urls_do_not_contain_the_url() {
    let server = TestServer::builder().in_memory();
    // The part of a secret that a URL can contain.
    let secret = "Xq7fake-client-secret";
    for url in [
        format!("https://{CLIENT_ID}:{secret}@auth.example.test/token"),
        format!("https://auth.example.test/token?client_secret={secret}"),
        format!("https://auth.example.test/token?access_token={secret}"),
        format!("https://auth.example.test/token#{secret}"),
        format!("http://auth.example.test/{secret}"),
        format!("ftp://{secret}@auth.example.test"),
        format!("{secret}:{secret}"),
    ] {
        let secrets = [secret.to_owned()];
        let client = Secret::new(CLIENT_SECRET);
        let source = Client::builder(&url, CLIENT_ID, server.transport()).secret(client);
        let error = source.build().unwrap_err();
        assert_clean(told(&error), &secrets);
        let vendor = Verdigris::builder(CLIENT_ID, Secret::new(CLIENT_SECRET), server.transport())
            .token_url(&url);
        assert_clean(told(&vendor.build().unwrap_err()), &secrets);
        let kaizen = || {
            Kaizen::<Central>::builder(CLIENT_ID, Secret::new(CLIENT_SECRET), server.transport())
        };
        let token = kaizen().token_url(&url).build();
        assert_clean(told(&token.unwrap_err()), &secrets);
        if let Err(error) = kaizen().base_url(&url).build() {
            assert_clean(told(&error), &secrets);
        }
        let kayzen = || {
            let (secret, password) = (Secret::new(CLIENT_SECRET), Secret::new(PASSWORD));
            Kayzen::builder(
                CLIENT_ID,
                secret,
                "fake-user@kayzen.io",
                password,
                server.transport(),
            )
        };
        let password = Secret::new(PASSWORD);
        let (app, email) = ("fake-app", "fake-user@axonize.com");
        let axonize = Axonize::login(&url, app, email, password, server.transport());
        if let Err(error) = axonize.build() {
            assert_clean(told(&error), &secrets);
        }
        let token = kayzen().token_url(&url).build();
        assert_clean(told(&token.unwrap_err()), &secrets);
        if let Err(error) = kayzen().base_url(&url).build() {
            assert_clean(told(&error), &secrets);
        }
        if let Err(error) = Origins::new([&url]) {
            assert_clean(told(&error), &secrets);
        }
        if let Err(error) = Origins::danger_allow_http([&url]) {
            assert_clean(told(&error), &secrets);
        }
    }
}

#[test]
fn g18_errors_about_names_do_not_contain_the_name() {
    assert_refused(CLIENT_SECRET.parse::<auth_kaizen::RegionName>(), "region");
}

#[test]
fn g18_errors_about_parameters_do_not_contain_the_value() {
    let server = TestServer::builder().in_memory();
    let builder = |id: &str| {
        let url = server.token_url();
        Client::builder(url, id, server.transport()).secret(Secret::new(CLIENT_SECRET))
    };
    assert_refused(builder(CLIENT_ID).scope(PASSWORD).build(), "scope");
    let twice = builder(CLIENT_ID)
        .extra("password", PASSWORD)
        .extra("password", CLIENT_SECRET);
    assert_refused(twice.build(), "extra");
    let reserved = builder(CLIENT_ID).extra("client_secret", CLIENT_SECRET);
    assert_refused(reserved.build(), "extra");
    let colon = format!("{PASSWORD}:{CLIENT_SECRET}");
    let raw = builder(&colon).client_auth(ClientAuth::BasicRaw);
    assert_refused(raw.build(), "client_id");
}

#[test]
fn g18_errors_about_header_values_do_not_contain_the_value() {
    let broken = format!("{CLIENT_SECRET}\n");
    assert_refused(Scheme::bearer().and_header(APP_HEADER, broken), "scheme");
    let scheme = Scheme::bearer().and_header(APP_HEADER, PASSWORD).unwrap();
    assert_refused(scheme.and_header(APP_HEADER, CLIENT_SECRET), "scheme");
}
