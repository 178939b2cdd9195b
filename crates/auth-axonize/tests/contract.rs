//! The contract that every vendor crate fulfils, for each way to sign in.

use std::marker::PhantomData;

use auth_axonize::{Axonize, LoginBuilder, MfaAnswer, fake};
use auth_core::{Authenticator, AuthenticatorOptions, Error, SharedSecretSource};
use auth_testkit::{TestServer, TestServerBuilder, contract::Vendor};

const PATH: &str = "/odata/devices/";

/// How a login differs from the usual one: by the application's id, without a second factor.
trait Way {
    const HTTP_REQUESTS: u64 = 1;

    fn server() -> TestServerBuilder {
        fake::login()
    }

    fn set(login: LoginBuilder, _: &TestServer) -> LoginBuilder {
        login
    }
}

struct Login<W>(PhantomData<W>);

impl<W: Way> Vendor for Login<W> {
    const HTTP_REQUESTS_PER_TOKEN_REQUEST: u64 = W::HTTP_REQUESTS;
    const LOCKOUT: bool = true;

    fn server() -> TestServerBuilder {
        W::server()
    }

    fn authenticator(
        server: &TestServer,
        secret: SharedSecretSource,
        options: AuthenticatorOptions,
    ) -> Result<Authenticator, Error> {
        let (app_id, email) = (server.client_id(), server.user_name());
        let login = Axonize::login(server.api_url(), app_id, email, secret, server.transport());
        W::set(login.options(options), server).build()
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

mod by_app_id {
    use super::*;

    struct ById;

    impl Way for ById {}

    auth_testkit::contract!(Login<ById>);
}

mod by_url {
    use super::*;

    struct ByUrl;

    impl Way for ByUrl {
        fn set(login: LoginBuilder, _: &TestServer) -> LoginBuilder {
            login.application_url(fake::APP_URL)
        }
    }

    auth_testkit::contract!(Login<ByUrl>);
}

mod with_a_second_factor {
    use super::*;

    struct ByCode;

    impl Way for ByCode {
        const HTTP_REQUESTS: u64 = 2;

        fn server() -> TestServerBuilder {
            fake::mfa()
        }

        fn set(login: LoginBuilder, server: &TestServer) -> LoginBuilder {
            let codes = fake::binding_codes(server);
            login.mfa(move |_| {
                let code = codes.latest().unwrap_or_default();
                async move { Ok(MfaAnswer::Code(code.into())) }
            })
        }
    }

    auth_testkit::contract!(Login<ByCode>);
}

mod by_api_keys {
    use super::*;

    struct Keys;

    impl Vendor for Keys {
        const FETCHES: bool = false;

        fn server() -> TestServerBuilder {
            fake::api_keys()
        }

        fn authenticator(
            server: &TestServer,
            secret: SharedSecretSource,
            options: AuthenticatorOptions,
        ) -> Result<Authenticator, Error> {
            Axonize::api_keys(server.api_url(), server.client_id(), secret)
                .options(options)
                .build()
        }

        fn path() -> &'static str {
            PATH
        }
    }

    auth_testkit::contract!(Keys);
}
