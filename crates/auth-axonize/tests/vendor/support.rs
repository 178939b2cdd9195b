use auth_axonize::{ApiKeysBuilder, Axonize, LoginBuilder};
use auth_core::{Authenticator, AuthenticatorOptions, Error, Secret};
use auth_testkit::TestServer;
use auth_tower::{AuthLayer, AuthOutcome};
use bytes::Bytes;
use http::Request;
use http_body_util::Empty;
use tower::{ServiceBuilder, ServiceExt};

/// Settings with the fake's URLs.
pub(crate) fn login(server: &TestServer) -> LoginBuilder {
    let password = Secret::new(server.user_password());
    Axonize::login(
        server.origin(),
        server.client_id(),
        server.user_name(),
        password,
        server.transport(),
    )
    .options(options(server))
}

pub(crate) fn api_keys(server: &TestServer) -> ApiKeysBuilder {
    let secret = Secret::new(server.client_secret());
    Axonize::api_keys(server.origin(), server.client_id(), secret).options(options(server))
}

/// Options for the tests: with the server's clock.
pub(crate) fn options(server: &TestServer) -> AuthenticatorOptions {
    AuthenticatorOptions::new().clock(server.clock().clone())
}

/// GETs the devices: the status, and the number of sends.
pub(crate) async fn devices(
    server: &TestServer,
    authenticator: &Authenticator,
) -> Result<(u16, u8), Error> {
    let client = ServiceBuilder::new()
        .layer(AuthLayer::new(authenticator.clone()))
        .service(server.service());
    let request = Request::get(format!("{}/odata/devices/", server.origin()))
        .body(Empty::<Bytes>::new())
        .unwrap();
    match client.oneshot(request).await {
        Ok(response) => Ok((
            response.status().as_u16(),
            AuthOutcome::of(&response).sends(),
        )),
        Err(auth_tower::Error::Auth(error)) => Err(error),
        Err(error) => panic!("{error}"),
    }
}
