//! The contract that every vendor crate fulfils, for each way to sign in.

use auth_axonize::{Axonize, LoginBuilder, fake};
use auth_core::{Authenticator, AuthenticatorOptions, Error, SharedSecretSource};
use auth_testkit::{TestServer, TestServerBuilder, contract::Vendor};

const PATH: &str = "/odata/devices/";

fn login(
    server: &TestServer,
    password: SharedSecretSource,
    options: AuthenticatorOptions,
) -> LoginBuilder {
    let (app_id, email) = (server.client_id(), server.user_name());
    Axonize::login(
        server.api_url(),
        app_id,
        email,
        password,
        server.transport(),
    )
    .options(options)
}

mod by_app_id {
    use super::*;

    struct Login;

    impl Vendor for Login {
        const LOCKOUT: bool = true;

        fn server() -> TestServerBuilder {
            fake::login()
        }

        fn authenticator(
            server: &TestServer,
            secret: SharedSecretSource,
            options: AuthenticatorOptions,
        ) -> Result<Authenticator, Error> {
            login(server, secret, options).build()
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

mod by_url {
    use super::*;

    struct Login;

    impl Vendor for Login {
        const LOCKOUT: bool = true;

        fn server() -> TestServerBuilder {
            fake::login()
        }

        fn authenticator(
            server: &TestServer,
            secret: SharedSecretSource,
            options: AuthenticatorOptions,
        ) -> Result<Authenticator, Error> {
            login(server, secret, options)
                .application_url(fake::APP_URL)
                .build()
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

mod with_a_second_factor {
    use auth_axonize::MfaAnswer;

    use super::*;

    struct Login;

    impl Vendor for Login {
        const HTTP_REQUESTS_PER_TOKEN_REQUEST: u64 = 2;
        const LOCKOUT: bool = true;

        fn server() -> TestServerBuilder {
            fake::mfa()
        }

        fn authenticator(
            server: &TestServer,
            secret: SharedSecretSource,
            options: AuthenticatorOptions,
        ) -> Result<Authenticator, Error> {
            let codes = fake::binding_codes(server);
            login(server, secret, options)
                .mfa(move |_| {
                    let code = codes.latest().unwrap_or_default();
                    async move { Ok(MfaAnswer::Code(code.into())) }
                })
                .build()
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
