//! The contract holds for each kind of vendor: by the standard, with a password that locks, and
//! with a key that is sent as it is.

/// The standards, and client credentials.
mod standard {
    use auth_core::{Authenticator, AuthenticatorOptions, Error, Key, Origins, SharedSecretSource};
    use auth_oauth2::ClientCredentials;
    use auth_testkit::{TestServer, TestServerBuilder, contract::Vendor};

    struct Standard;

    impl Vendor for Standard {
        fn server() -> TestServerBuilder {
            TestServer::builder()
        }

        fn authenticator(
            server: &TestServer,
            secret: SharedSecretSource,
            options: AuthenticatorOptions,
        ) -> Result<Authenticator, Error> {
            let source = ClientCredentials::builder(
                server.token_url(),
                server.client_id(),
                secret,
                server.transport(),
            );
            Authenticator::builder(source.build()?, Origins::new([server.api_url()])?)
                .key(Key::builder("example").client(server.client_id()).build())
                .options(options)
                .build()
        }
    }

    auth_testkit::contract!(Standard);
}

/// A password that locks an account, and replies that are not quite OAuth.
mod password {
    use auth_core::{
        Authenticator, AuthenticatorOptions, Error, Key, Origins, Secret, SharedSecretSource,
    };
    use auth_oauth2::{ClientAuth, ReplyRules, ResourceOwnerPassword};
    use auth_testkit::{TestServer, TestServerBuilder, contract::Vendor, fakes};

    struct Password;

    impl Vendor for Password {
        const LOCKOUT: bool = true;

        fn server() -> TestServerBuilder {
            fakes::kayzen()
        }

        fn authenticator(
            server: &TestServer,
            secret: SharedSecretSource,
            options: AuthenticatorOptions,
        ) -> Result<Authenticator, Error> {
            let source = ResourceOwnerPassword::builder(
                server.token_url(),
                server.client_id(),
                Secret::new(server.client_secret()),
                server.user_name(),
                secret,
                server.transport(),
            )
            .client_auth(ClientAuth::BasicRaw)
            .reply_rules(ReplyRules::new().allow_missing_token_type())
            .build()?;
            Authenticator::builder(source, Origins::new([server.api_url()])?)
                .key(Key::builder("example").client(server.client_id()).build())
                .options(options)
                .build()
        }

        fn right_secret(server: &TestServer) -> String {
            server.user_password()
        }

        fn change_secret(server: &TestServer, new: &str) {
            server.change_user_password(new);
        }
    }

    auth_testkit::contract!(Password);
}

/// A key in headers of its own.
mod api_key {
    use auth_core::{
        ApiKey, Authenticator, AuthenticatorOptions, Error, Key, Origins, Scheme, SecretSource,
        SharedSecretSource,
    };
    use auth_testkit::{TestServer, TestServerBuilder, contract::Vendor, fakes};
    use http::HeaderName;

    struct Sent;

    impl Vendor for Sent {
        const FETCHES: bool = false;

        fn server() -> TestServerBuilder {
            fakes::axonize_api_keys()
        }

        fn authenticator(
            server: &TestServer,
            secret: SharedSecretSource,
            options: AuthenticatorOptions,
        ) -> Result<Authenticator, Error> {
            if secret.fixed().is_some_and(|key| key.is_empty()) {
                return Err(Error::config("client_secret", "must not be empty"));
            }
            let scheme = Scheme::header(HeaderName::from_static("clientsecret"))?
                .and_header(HeaderName::from_static("clientid"), server.client_id())?
                .content_type("application/json")?;
            Authenticator::builder(ApiKey::new(secret), Origins::new([server.api_url()])?)
                .scheme(scheme)
                .key(Key::builder("example").client(server.client_id()).build())
                .options(options)
                .build()
        }

        fn path() -> &'static str {
            "/odata/devices/"
        }
    }

    auth_testkit::contract!(Sent);
}
