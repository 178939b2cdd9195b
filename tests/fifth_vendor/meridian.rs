use std::time::Duration;

use auth_core::{
    AccessToken, Authenticator, AuthenticatorOptions, Credentials, Error, Key, Origins, Scheme,
    Secret, SecretSource as _, SharedClock, SharedSecretSource, SharedTransport, TokenRequest,
    TokenRequestOutcome, TokenSource,
};
use auth_oauth2::{BodyFormat, ReplyRules, Scrubber, TokenEndpoint, parse_reply};
use auth_testkit::{Answer, TestServer, TestServerBuilder, VendorRequest, VendorRules, contract};
use http::{HeaderName, StatusCode};
use serde_json::json;

const VENDOR: &str = "meridian";
const SESSION: HeaderName = HeaderName::from_static("x-meridian-session");
const ACCOUNT: HeaderName = HeaderName::from_static("x-meridian-account");

// --- src/source.rs: one token request ---

struct Sessions {
    endpoint: TokenEndpoint,
    account: String,
    key: SharedSecretSource,
    clock: SharedClock,
}

impl TokenSource for Sessions {
    async fn fetch(&self, request: TokenRequest) -> Result<AccessToken, Error> {
        let key = request.credentials.secret(0);
        let key = key.ok_or_else(|| Error::config("key", "the credentials have no key"))?;
        let parameters = [("account", self.account.as_str()), ("key", key.expose())];
        let endpoint = &self.endpoint;
        let reply = endpoint.post(BodyFormat::Json, &[], &parameters).await?;
        let rules = ReplyRules::new()
            .token_member("session")
            .allow_missing_token_type()
            .default_lifetime(Duration::from_secs(15 * 60));
        let scrubber = Scrubber::new().secret(key.clone());
        parse_reply(VENDOR, reply, &rules, &scrubber, self.clock.now())
    }

    async fn credentials(&self) -> Result<Credentials, Error> {
        let key = self.key.read().await;
        let key = key.map_err(|error| error.with_outcome(TokenRequestOutcome::NotSent))?;
        if key.is_empty() {
            return Err(Error::config("key", "the key that was read is empty"));
        }
        let url = self.endpoint.normalized_url();
        Ok(Credentials::new(&[&url, &self.account], [key]))
    }
}

// --- src/config.rs: settings, checked ---

struct Meridian {
    account: String,
    key: SharedSecretSource,
    transport: SharedTransport,
    session_url: String,
    base_url: String,
    options: AuthenticatorOptions,
}

impl Meridian {
    fn build(self) -> Result<Authenticator, Error> {
        if self.account.is_empty() {
            return Err(Error::config("account", "must not be empty"));
        }
        if self.key.fixed().is_some_and(Secret::is_empty) {
            return Err(Error::config("key", "must not be empty"));
        }
        let scheme = Scheme::header(SESSION)?.and_header(ACCOUNT, self.account.as_str())?;
        let key = Key::builder(VENDOR)
            .issuer(&self.session_url)
            .client(&self.account)
            .build();
        let source = Sessions {
            endpoint: TokenEndpoint::new(VENDOR, "session_url", &self.session_url, self.transport)?,
            account: self.account,
            key: self.key,
            clock: self.options.shared_clock(),
        };
        let origins = Origins::new([&self.base_url])?;
        Authenticator::builder(source, origins)
            .vendor(VENDOR)
            .scheme(scheme)
            .key(key)
            .options(self.options)
            .build()
    }
}

// --- src/fake.rs: the vendor inside a test; tests/contract.rs: what every vendor promises ---

struct Fake;

impl VendorRules for Fake {
    fn token_paths(&self) -> Vec<String> {
        vec!["/v2/sessions".into()]
    }

    fn token(&self, request: &VendorRequest<'_>) -> Answer {
        let sent: serde_json::Value = serde_json::from_slice(request.body()).unwrap_or_default();
        if sent != json!({ "account": request.client_id(), "key": request.client_secret() }) {
            request.failed_login();
            return Answer::json(StatusCode::UNAUTHORIZED, &json!({}));
        }
        request.token_reply([("session", json!(request.issue().token()))])
    }

    fn api(&self, request: &VendorRequest<'_>) -> Answer {
        let known = request.header(ACCOUNT.as_str()) == Some(request.client_id());
        let session = request.header(SESSION.as_str()).filter(|_| known);
        match session.and_then(|session| request.accept(session)) {
            Some(number) => request.ok(number),
            None => Answer::json(StatusCode::UNAUTHORIZED, &json!({})),
        }
    }
}

struct Contract;

impl contract::Vendor for Contract {
    fn server() -> TestServerBuilder {
        TestServer::builder()
            .vendor(Fake)
            .name(VENDOR)
            .two_origins()
            .token_lifetime(Duration::from_secs(15 * 60))
    }

    fn authenticator(
        server: &TestServer,
        key: SharedSecretSource,
        options: AuthenticatorOptions,
    ) -> Result<Authenticator, Error> {
        let meridian = Meridian {
            account: server.client_id().to_owned(),
            key,
            transport: SharedTransport::new(server.transport()),
            session_url: server.token_url(),
            base_url: server.api_url(),
            options,
        };
        meridian.build()
    }
}

auth_testkit::contract!(Contract);
