//! Axonize as a server inside a test: login, second factor and API keys.
//!
//! Needs the feature `fake`, which adds `auth-testkit`; for `[dev-dependencies]` only. Each
//! function returns a [`TestServerBuilder`]. Set what a test needs (lifetime, client, clock,
//! quota), then [start](TestServerBuilder::start) the server or keep it [in
//! memory](TestServerBuilder::in_memory).
//!
//! # Example
//!
//! ```
//! let server = auth_axonize::fake::login().in_memory();
//! assert_eq!(server.token_url(), "https://axonize.test/api/auth/login");
//! ```

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use auth_testkit::{Answer, TestServer, TestServerBuilder, VendorRequest, VendorRules, body_hash};
use http::{Method, StatusCode};
use serde_json::{Map, Value, json};

/// The URL that names the application of [`login`] in a login without an `appId` header.
pub const APP_URL: &str = "myapp.example.com/mysubapp";

/// Axonize with login by e-mail and password.
///
/// - The login is `POST /api/auth/login`. All other paths of the origin are the API, for example
///   `/odata/devices/`.
/// - A JSON body `{"email","password"}`, and either the header `appId` or the member `url` with
///   [`APP_URL`]. Both, none, or another content type are refused.
/// - The e-mail is [`user_name`](TestServer::user_name), the password
///   [`user_password`](TestServer::user_password), the application's id
///   [`client_id`](TestServer::client_id).
/// - The reply is `{"name","token","redirectUrl":null}`. It does not state the token's lifetime of
///   ten hours.
/// - A wrong e-mail or password is answered 401.
/// - The API requires `Authorization: bearer ...`, with the scheme in lower case, and the right
///   `appId`. Other requests are answered 401 `unauthorized or missing authentication properties`.
/// - The API requires `Content-Type: application/json` on every request, also on one without a
///   body. Other requests are answered 415.
pub fn login() -> TestServerBuilder {
    server("axonize", Axonize::default())
}

/// Axonize with multi-factor authentication: as [`login`], but a correct login is answered 403
/// `{"token","authenticatorCode","authenticator"}`.
///
/// - `POST /api/auth/verifyMultifactorBindingCode` with
///   `{"token","authenticatorCode","bindingCode"}` is answered like a login, once for each login.
/// - `POST /api/auth/resendMultifactorBindingCode` with `{"token","authenticatorCode"}` sends a new
///   code; the previous code becomes invalid.
/// - [`binding_codes`] returns the code that the user received last, and the number of codes.
/// - A wrong code is answered 401 and counted as a failed login. The API refuses the token of the
///   403.
pub fn mfa() -> TestServerBuilder {
    server(
        "axonize-mfa",
        Axonize {
            mfa: Some(Arc::default()),
        },
    )
}

/// Axonize with API keys: no login; the headers `clientId` and `clientSecret` on each request.
///
/// - The keys are [`client_id`](TestServer::client_id) and
///   [`client_secret`](TestServer::client_secret); the latter can be
///   [changed](TestServer::change_client_secret).
/// - A wrong, missing or repeated key, or an additional `Authorization` header, is answered 401
///   `unauthorized or missing authentication properties`.
/// - The content type is checked as by [`login`].
/// - Each login is answered 401 and counted.
pub fn api_keys() -> TestServerBuilder {
    TestServer::builder()
        .vendor(ApiKeys)
        .name("axonize-api-keys")
        .client(APP_ID, "C86A0000-fake-secret-8FD3-17FAF7451234")
}

/// Returns the codes that the user of an [`mfa`] server receives, for callbacks that cannot borrow
/// the server.
///
/// # Panics
///
/// If the server was not created by [`mfa`].
#[must_use]
#[allow(clippy::panic, reason = "a mistake in the test itself")]
pub fn binding_codes(server: &TestServer) -> BindingCodes {
    let mfa = server
        .rules::<Axonize>()
        .and_then(|rules| rules.mfa.clone());
    match mfa {
        Some(pending) => BindingCodes(pending),
        None => panic!("the server was not created by `mfa`"),
    }
}

/// The codes that the user of an [`mfa`] server received. Clones share them.
#[derive(Clone)]
pub struct BindingCodes(Arc<Mutex<Pending>>);

impl BindingCodes {
    /// Returns the code that was sent last, if any.
    #[must_use]
    pub fn latest(&self) -> Option<String> {
        let sent = self.sent();
        (sent > 0).then(|| code(sent))
    }

    /// Returns the number of codes: one for each login, and one for each request to send another.
    #[must_use]
    pub fn sent(&self) -> u64 {
        lock(&self.0).codes_sent
    }
}

impl fmt::Debug for BindingCodes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BindingCodes")
            .field("sent", &self.sent())
            .finish_non_exhaustive()
    }
}

fn server(name: &str, rules: Axonize) -> TestServerBuilder {
    TestServer::builder()
        .vendor(rules)
        .name(name)
        .client(APP_ID, "")
        .user("user+1@axonize.example.com", "fake-axonize-password\"&1=+")
        .token_lifetime(Duration::from_secs(10 * 3600))
}

/// Login by e-mail and password; with `mfa`, a code is required after it.
#[derive(Default)]
struct Axonize {
    mfa: Option<Arc<Mutex<Pending>>>,
}

/// The logins that wait for their code.
#[derive(Default)]
struct Pending {
    codes_sent: u64,
    logins: Vec<Login>,
}

struct Login {
    token: String,
    authenticator_code: String,
    code: String,
}

impl VendorRules for Axonize {
    fn token_paths(&self) -> Vec<String> {
        let mut paths = vec![LOGIN.to_owned()];
        if self.mfa.is_some() {
            paths.extend([VERIFY.to_owned(), RESEND.to_owned()]);
        }
        paths
    }

    fn api_path(&self) -> &str {
        "/"
    }

    fn token(&self, request: &VendorRequest<'_>) -> Answer {
        let members = match json_body(request) {
            Ok(members) => members,
            Err(answer) => return answer,
        };
        let answer = match (request.path(), &self.mfa) {
            (LOGIN, None) => check_login(request, &members).map(|()| token_reply(request)),
            (LOGIN, Some(mfa)) => {
                check_login(request, &members).map(|()| lock(mfa).ask_for_code(request))
            }
            (VERIFY, Some(mfa)) => lock(mfa)
                .verify(request, &members)
                .map(|()| token_reply(request)),
            (_, Some(mfa)) => lock(mfa).resend(request, &members),
            (_, None) => Ok(Answer::json(StatusCode::NOT_FOUND, &json!({}))),
        };
        answer.unwrap_or_else(|refusal| refusal)
    }

    fn api(&self, request: &VendorRequest<'_>) -> Answer {
        if !is_json(request) {
            return unsupported(request);
        }
        let token = request
            .header("authorization")
            .and_then(|line| line.strip_prefix("bearer "));
        let app = request.header("appid") == Some(request.client_id());
        match token
            .filter(|_| app)
            .and_then(|token| request.accept(token))
        {
            Some(number) => request.ok(number),
            None => unauthorized(),
        }
    }
}

impl Pending {
    fn ask_for_code(&mut self, request: &VendorRequest<'_>) -> Answer {
        self.codes_sent += 1;
        let salt = body_hash(&self.codes_sent.to_be_bytes());
        let login = Login {
            token: format!("fake-mfa-token-{salt}"),
            authenticator_code: format!("fake-authenticator-{}", self.codes_sent),
            code: code(self.codes_sent),
        };
        request.remember_secret(&login.token);
        request.remember_secret(&login.code);
        let body = json!({
            "token": login.token,
            "authenticatorCode": login.authenticator_code,
            "authenticator": "SMS",
        });
        self.logins.push(login);
        Answer::json(StatusCode::FORBIDDEN, &body)
    }

    fn verify(
        &mut self,
        request: &VendorRequest<'_>,
        members: &Map<String, Value>,
    ) -> Result<(), Answer> {
        let at = self.find(request, members)?;
        let sent = text(members, "bindingCode");
        if sent != self.logins.get(at).map(|login| login.code.as_str()) {
            return Err(failed_login(request));
        }
        self.logins.remove(at);
        Ok(())
    }

    fn resend(
        &mut self,
        request: &VendorRequest<'_>,
        members: &Map<String, Value>,
    ) -> Result<Answer, Answer> {
        let at = self.find(request, members)?;
        self.codes_sent += 1;
        let code = code(self.codes_sent);
        request.remember_secret(&code);
        if let Some(login) = self.logins.get_mut(at) {
            login.code = code;
        }
        Ok(Answer::json(StatusCode::OK, &json!({})))
    }

    /// Finds the login that a request continues.
    fn find(
        &self,
        request: &VendorRequest<'_>,
        members: &Map<String, Value>,
    ) -> Result<usize, Answer> {
        let (token, code) = (text(members, "token"), text(members, "authenticatorCode"));
        let found = self.logins.iter().position(|login| {
            Some(login.token.as_str()) == token && Some(login.authenticator_code.as_str()) == code
        });
        found.ok_or_else(|| failed_login(request))
    }
}

/// Accepts a POST with a JSON object of content type `application/json`.
fn json_body(request: &VendorRequest<'_>) -> Result<Map<String, Value>, Answer> {
    if *request.method() != Method::POST {
        return Err(Answer::json(StatusCode::METHOD_NOT_ALLOWED, &json!({})));
    }
    if !is_json(request) {
        return Err(unsupported(request));
    }
    match serde_json::from_slice(request.body()) {
        Ok(Value::Object(members)) => Ok(members),
        _ => Err(bad_request(request, "the body is not a JSON object")),
    }
}

fn is_json(request: &VendorRequest<'_>) -> bool {
    let content_type = request.header("content-type").unwrap_or_default();
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/json")
}

fn unsupported(request: &VendorRequest<'_>) -> Answer {
    request.refused("content_type");
    Answer::json(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        &json!({ "message": "the content type is always application/json" }),
    )
}

/// Checks application, e-mail and password.
fn check_login(request: &VendorRequest<'_>, members: &Map<String, Value>) -> Result<(), Answer> {
    let app = (request.headers().contains_key("appid"), members.get("url"));
    let known = match app {
        (true, None) => request.header("appid") == Some(request.client_id()),
        (false, Some(url)) => url == APP_URL,
        (true, Some(_)) => return Err(bad_request(request, "there are both appId and url")),
        (false, None) => return Err(bad_request(request, "there is neither appId nor url")),
    };
    let sent = (text(members, "email"), text(members, "password"));
    let (Some(email), Some(password)) = sent else {
        return Err(bad_request(request, "there is no email or no password"));
    };
    let right = request.is_user(email, password);
    if known && right {
        Ok(())
    } else {
        Err(failed_login(request))
    }
}

fn token_reply(request: &VendorRequest<'_>) -> Answer {
    let issued = request.issue();
    request.token_reply([
        ("name", json!("Fake User")),
        ("token", json!(issued.token())),
        ("redirectUrl", Value::Null),
    ])
}

/// With API keys there is no login.
struct ApiKeys;

impl VendorRules for ApiKeys {
    fn token_paths(&self) -> Vec<String> {
        vec![LOGIN.into()]
    }

    fn api_path(&self) -> &str {
        "/"
    }

    fn token(&self, request: &VendorRequest<'_>) -> Answer {
        failed_login(request)
    }

    fn api(&self, request: &VendorRequest<'_>) -> Answer {
        if !is_json(request) {
            return unsupported(request);
        }
        let right = request.header("clientid") == Some(request.client_id())
            && request.header("clientsecret") == Some(&request.client_secret())
            && !request.headers().contains_key("authorization");
        if right && !request.refuses_all() {
            request.ok(0)
        } else {
            unauthorized()
        }
    }
}

fn text<'a>(members: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    members.get(name)?.as_str()
}

fn bad_request(request: &VendorRequest<'_>, why: &str) -> Answer {
    request.refused("bad_request");
    Answer::json(StatusCode::BAD_REQUEST, &json!({ "message": why }))
}

fn failed_login(request: &VendorRequest<'_>) -> Answer {
    request.refused("unauthorized");
    request.failed_login();
    Answer::json(
        StatusCode::UNAUTHORIZED,
        &json!({ "message": "wrong e-mail, password or code" }),
    )
}

fn unauthorized() -> Answer {
    Answer::json(
        StatusCode::UNAUTHORIZED,
        &json!({ "message": "unauthorized or missing authentication properties" }),
    )
}

/// Locks, also after a panic in another thread: a failed test must not make others hang or panic.
fn lock(pending: &Mutex<Pending>) -> MutexGuard<'_, Pending> {
    pending.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Six digits that look random and are the same in each run.
fn code(number: u64) -> String {
    let hash = body_hash(format!("code {number}").as_bytes());
    let hash = u64::from_str_radix(&hash, 16).unwrap_or_default();
    format!("{:06}", hash % 1_000_000)
}

const LOGIN: &str = "/api/auth/login";
const VERIFY: &str = "/api/auth/verifyMultifactorBindingCode";
const RESEND: &str = "/api/auth/resendMultifactorBindingCode";
const APP_ID: &str = "123454D0-4484-4366-81B1-87DDA4912345";

#[cfg(test)]
mod tests;
