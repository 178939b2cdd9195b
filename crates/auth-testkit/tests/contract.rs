//! The contract holds for each kind of vendor: by the standard, with a password that locks, and
//! with a key that is sent as it is.

/// The standards, and client credentials.
mod standard {
    use auth_core::{Authenticator, AuthenticatorOptions, Error, Key, Origins, SharedSecretSource};
    use auth_oauth2::Client;
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
            let client =
                Client::builder(server.token_url(), server.client_id(), server.transport())
                    .secret(secret)
                    .build()?;
            Authenticator::builder(
                client.client_credentials(),
                Origins::new([server.api_url()])?,
            )
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
    use auth_oauth2::{Client, ClientAuth, ReplyRules};
    use auth_testkit::{
        Answer, TestServer, TestServerBuilder, VendorRequest, VendorRules, contract::Vendor,
    };
    use serde_json::json;

    /// Replies with `expires_in` as a text and without `token_type`.
    struct NearlyOAuth;

    impl VendorRules for NearlyOAuth {
        fn token(&self, request: &VendorRequest<'_>) -> Answer {
            if let Err(refusal) = request.check_oauth() {
                return refusal.into_answer();
            }
            let issued = request.issue();
            request.token_reply([
                ("access_token", json!(issued.token())),
                ("expires_in", json!(issued.lifetime().as_secs().to_string())),
            ])
        }
    }

    struct Password;

    impl Vendor for Password {
        const LOCKOUT: bool = true;

        fn server() -> TestServerBuilder {
            TestServer::builder()
                .vendor(NearlyOAuth)
                .client("fake-key", "fake-key-secret/1+2%3D")
                .client_auth([auth_testkit::ClientAuth::BasicRaw])
                .user("api+reporting@example.com", "fake-password&1=+%41")
        }

        fn authenticator(
            server: &TestServer,
            secret: SharedSecretSource,
            options: AuthenticatorOptions,
        ) -> Result<Authenticator, Error> {
            let source =
                Client::builder(server.token_url(), server.client_id(), server.transport())
                    .secret(Secret::new(server.client_secret()))
                    .client_auth(ClientAuth::BasicRaw)
                    .reply_rules(ReplyRules::new().allow_missing_token_type())
                    .build()?
                    .password(server.user_name(), secret)?;
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

/// A key in its own headers.
mod api_key {
    use auth_core::{
        ApiKey, Authenticator, AuthenticatorOptions, Error, Key, Origins, Scheme, SecretSource,
        SharedSecretSource,
    };
    use auth_testkit::{
        Answer, TestServer, TestServerBuilder, VendorRequest, VendorRules, contract::Vendor,
    };
    use http::{HeaderName, StatusCode};
    use serde_json::json;

    /// Takes a client id and a secret on each request, and nothing else.
    struct Keys;

    impl VendorRules for Keys {
        fn token(&self, request: &VendorRequest<'_>) -> Answer {
            request.failed_login();
            Answer::json(StatusCode::UNAUTHORIZED, &json!({}))
        }

        fn api(&self, request: &VendorRequest<'_>) -> Answer {
            let right = request.header("clientid") == Some(request.client_id())
                && request.header("clientsecret") == Some(&request.client_secret());
            if right && !request.refuses_all() {
                return request.ok(0);
            }
            Answer::json(StatusCode::UNAUTHORIZED, &json!({}))
        }
    }

    struct Sent;

    impl Vendor for Sent {
        const FETCHES: bool = false;

        fn server() -> TestServerBuilder {
            TestServer::builder().vendor(Keys)
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
