//! The contract that every vendor crate fulfils, for each of the two secrets.

use auth_core::{
    Authenticator, AuthenticatorOptions, Error, Secret, SecretSource, SharedSecretSource,
};
use auth_kayzen::{Kayzen, KayzenBuilder, fake};
use auth_oauth2::BodyFormat;
use auth_testkit::{TestServer, TestServerBuilder, contract::Vendor};

const PATH: &str = "/v1/meta/campaigns?page=1&per_page=25";

fn settings(
    server: &TestServer,
    api_secret: impl SecretSource,
    password: impl SecretSource,
    options: AuthenticatorOptions,
) -> KayzenBuilder {
    let (api_key, email) = (server.client_id(), server.user_name());
    Kayzen::builder(api_key, api_secret, email, password, server.transport())
        .options(options)
        .token_url(server.token_url())
        .base_url(server.api_url())
}

mod password {
    use super::*;

    struct Login;

    impl Vendor for Login {
        const LOCKOUT: bool = true;

        fn server() -> TestServerBuilder {
            fake::server()
        }

        fn authenticator(
            server: &TestServer,
            secret: SharedSecretSource,
            options: AuthenticatorOptions,
        ) -> Result<Authenticator, Error> {
            let api_secret = Secret::new(server.client_secret());
            settings(server, api_secret, secret, options).build()
        }

        fn right_secret(server: &TestServer) -> String {
            server.user_password()
        }

        fn change_secret(server: &TestServer, new: &str) {
            server.change_user_password(new);
        }

        fn path() -> &'static str {
            PATH
        }
    }

    auth_testkit::contract!(Login);
}

/// Also with a JSON body.
mod api_secret {
    use super::*;

    struct Login;

    impl Vendor for Login {
        const LOCKOUT: bool = true;

        fn server() -> TestServerBuilder {
            fake::server()
        }

        fn authenticator(
            server: &TestServer,
            secret: SharedSecretSource,
            options: AuthenticatorOptions,
        ) -> Result<Authenticator, Error> {
            let password = Secret::new(server.user_password());
            let settings = settings(server, secret, password, options);
            settings.body_format(BodyFormat::Json).build()
        }

        fn path() -> &'static str {
            PATH
        }
    }

    auth_testkit::contract!(Login);
}
