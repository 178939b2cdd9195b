//! The contract that every vendor crate fulfils, for each of Kaizen's servers.

use std::marker::PhantomData;

use auth_core::{Authenticator, AuthenticatorOptions, Error, SharedSecretSource};
use auth_kaizen::{Central, East, Kaizen, Region, RegionName, fake};
use auth_testkit::{TestServer, TestServerBuilder, contract::Vendor};

struct Server<R>(PhantomData<R>);

impl<R: Region> Vendor for Server<R> {
    fn server() -> TestServerBuilder {
        match R::NAME {
            RegionName::East => fake::east(),
            _ => fake::central(),
        }
    }

    fn authenticator(
        server: &TestServer,
        secret: SharedSecretSource,
        options: AuthenticatorOptions,
    ) -> Result<Authenticator, Error> {
        let kaizen = Kaizen::<R>::builder(server.client_id(), secret, server.transport())
            .options(options)
            .token_url(server.token_url())
            .base_url(server.api_url())
            .build()?;
        Ok(kaizen.into())
    }

    fn path() -> &'static str {
        "/api/v3/buildings?page_size=100&page=1"
    }
}

mod central {
    use super::*;

    auth_testkit::contract!(Server<Central>);
}

mod east {
    use super::*;

    auth_testkit::contract!(Server<East>);
}
