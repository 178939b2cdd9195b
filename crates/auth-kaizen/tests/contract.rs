//! The contract that every vendor crate fulfils, for each of Kaizen's servers.

use auth_core::{Authenticator, AuthenticatorOptions, Error, SharedSecretSource};
use auth_kaizen::{Central, East, Kaizen, fake};
use auth_testkit::{TestServer, TestServerBuilder, contract::Vendor};

const PATH: &str = "/api/v3/buildings?page_size=100&page=1";

mod central {
    use super::*;

    struct Server;

    impl Vendor for Server {
        fn server() -> TestServerBuilder {
            fake::central()
        }

        fn authenticator(
            server: &TestServer,
            secret: SharedSecretSource,
            options: AuthenticatorOptions,
        ) -> Result<Authenticator, Error> {
            let kaizen = Kaizen::<Central>::builder(server.client_id(), secret, server.transport())
                .options(options)
                .token_url(server.token_url())
                .base_url(server.api_url())
                .build()?;
            Ok(kaizen.into())
        }

        fn path() -> &'static str {
            PATH
        }
    }

    auth_testkit::contract!(Server);
}

mod east {
    use super::*;

    struct Server;

    impl Vendor for Server {
        fn server() -> TestServerBuilder {
            fake::east()
        }

        fn authenticator(
            server: &TestServer,
            secret: SharedSecretSource,
            options: AuthenticatorOptions,
        ) -> Result<Authenticator, Error> {
            let kaizen = Kaizen::<East>::builder(server.client_id(), secret, server.transport())
                .options(options)
                .token_url(server.token_url())
                .base_url(server.api_url())
                .build()?;
            Ok(kaizen.into())
        }

        fn path() -> &'static str {
            PATH
        }
    }

    auth_testkit::contract!(Server);
}
