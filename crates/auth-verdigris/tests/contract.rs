//! The contract that every vendor crate fulfils.

use auth_core::{Authenticator, AuthenticatorOptions, Error, SharedSecretSource};
use auth_testkit::{TestServer, TestServerBuilder, contract::Vendor};
use auth_verdigris::{Verdigris, fake};

struct Contract;

impl Vendor for Contract {
    fn server() -> TestServerBuilder {
        fake::server()
    }

    fn authenticator(
        server: &TestServer,
        secret: SharedSecretSource,
        options: AuthenticatorOptions,
    ) -> Result<Authenticator, Error> {
        Verdigris::builder(server.client_id(), secret, server.transport())
            .options(options)
            .token_url(server.token_url())
            .base_url(server.api_url())
            .build()
    }

    fn path() -> &'static str {
        "/core/v1/buildings/"
    }
}

auth_testkit::contract!(Contract);
