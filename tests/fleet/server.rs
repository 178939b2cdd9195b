//! A token server that records every key: a refresh token is valid once, and one that is sent again
//! revokes all tokens of its login (RFC 9700 section 4.14.2).
//!
//! The server can hold an answer back until the waiting process is dead.

use std::{
    collections::HashMap,
    future,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::Request,
    response::Response,
};
use http::{HeaderMap, StatusCode, header};
use http_body_util::BodyExt as _;
use serde_json::json;
use tokio::{net::TcpListener, sync::watch, task::JoinHandle, time::Instant};

/// Returns whether a key's tokens come with refresh tokens.
pub(crate) fn is_person(key: &str) -> bool {
    key.starts_with("person")
}

/// Keys with short-lived tokens.
pub(crate) const SHORT_LIVED: [&str; 2] = ["plain-short", "person-short"];

/// Returns the refresh token of a login elsewhere.
pub(crate) fn first_refresh_token(key: &str) -> String {
    format!("fake-refresh-{key}-first")
}

/// When the answer to a key's next token request is held back without end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hold {
    /// Before the request has any effect.
    Before,
    /// After its refresh token was replaced.
    After,
}

/// The record of one key.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    pub(crate) calls: u64,
    /// The number of rejected refresh tokens.
    pub(crate) refused: u64,
    /// How often one refresh token was sent at most.
    pub(crate) spends: u64,
    /// The number of refresh tokens that were in two requests at the same time.
    pub(crate) overlaps: u64,
}

#[derive(Clone)]
pub(crate) struct Server(Arc<Shared>);

struct Shared {
    address: SocketAddr,
    accounts: Mutex<HashMap<String, Account>>,
    held: watch::Sender<()>,
    task: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Default)]
struct Account {
    calls: u64,
    refused: u64,
    issued: u64,
    hold: Option<Hold>,
    is_held: bool,
    refresh: HashMap<String, Refresh>,
    families: u64,
    /// Tokens that the API accepts, and their origin.
    tokens: HashMap<String, Token>,
}

struct Token {
    family: u64,
    until: Instant,
}

#[derive(Default)]
struct Refresh {
    family: u64,
    is_good: bool,
    spends: u64,
    in_flight: u64,
    overlaps: u64,
}

impl Server {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let this = Self(Arc::new(Shared {
            address: listener.local_addr().unwrap(),
            accounts: Mutex::default(),
            held: watch::Sender::new(()),
            task: Mutex::default(),
        }));
        let server = this.clone();
        let routes = Router::new().fallback(move |request| server.clone().answer(request));
        let task = tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
        *this.0.task.lock().unwrap() = Some(task);
        this
    }

    /// Stops the server, which otherwise keeps itself alive.
    pub(crate) fn stop(&self) {
        if let Some(task) = self.0.task.lock().unwrap().take() {
            task.abort();
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.0.address
    }

    pub(crate) fn hold(&self, key: &str, hold: Hold) {
        self.account(key, |account| {
            account.hold = Some(hold);
            account.is_held = false;
        });
    }

    /// Waits until an answer is held back.
    pub(crate) async fn held(&self, key: &str) {
        let is_held = |_: &()| self.account(key, |account| account.is_held);
        self.0.held.subscribe().wait_for(is_held).await.unwrap();
    }

    /// Makes the API refuse all of a key's tokens.
    pub(crate) fn revoke(&self, key: &str) {
        self.account(key, |account| account.tokens.clear());
    }

    pub(crate) fn accepts(&self, key: &str, token: &str) -> bool {
        self.account(key, |account| {
            let token = account.tokens.get(token);
            token.is_some_and(|token| Instant::now() < token.until)
        })
    }

    pub(crate) fn seen(&self, key: &str) -> Seen {
        self.account(key, |account| {
            let refresh = || account.refresh.values();
            Seen {
                calls: account.calls,
                refused: account.refused,
                spends: refresh().map(|one| one.spends).max().unwrap_or(0),
                overlaps: refresh().map(|one| one.overlaps).sum(),
            }
        })
    }

    fn account<T>(&self, key: &str, look: impl FnOnce(&mut Account) -> T) -> T {
        let mut accounts = self.0.accounts.lock().unwrap();
        look(accounts.entry(key.to_owned()).or_insert_with(|| {
            let mut account = Account::default();
            let first = Refresh {
                is_good: true,
                ..Refresh::default()
            };
            account.refresh.insert(first_refresh_token(key), first);
            account
        }))
    }

    async fn answer(self, request: Request) -> Response {
        let (parts, body) = request.into_parts();
        let (side, key) = parts.uri.path()[1..].split_once('/').unwrap();
        if side == "api" {
            let token = shown(&parts.headers);
            let is_good = token.is_some_and(|token| self.accepts(key, token));
            return reply(if is_good { 200 } else { 401 }, "{}");
        }
        let body = body.collect().await.unwrap().to_bytes();
        self.token(key, &body).await
    }

    async fn token(&self, key: &str, body: &Bytes) -> Response {
        let form: HashMap<_, _> = form_urlencoded::parse(body).into_owned().collect();
        let refresh = form.get("refresh_token").cloned();
        let _flight = Flight::start(self, key, refresh.clone());
        let hold = self.account(key, |account| account.hold.take());
        if hold == Some(Hold::Before) {
            return self.never(key).await;
        }
        let answer = self.account(key, |account| {
            account.token_request(key, &form["grant_type"], refresh.as_deref())
        });
        if hold == Some(Hold::After) {
            return self.never(key).await;
        }
        answer
    }

    async fn never(&self, key: &str) -> Response {
        self.account(key, |account| account.is_held = true);
        self.0.held.send_replace(());
        future::pending().await
    }
}

impl Account {
    fn token_request(&mut self, key: &str, grant: &str, refresh: Option<&str>) -> Response {
        let family = match (grant, refresh) {
            ("client_credentials", _) => return self.issue(key, 0, None),
            ("password", _) => {
                self.families += 1;
                self.families
            }
            ("refresh_token", Some(sent)) => match self.spend(sent) {
                Some(family) => family,
                None => {
                    self.refused += 1;
                    return reply(400, r#"{"error":"invalid_grant"}"#);
                }
            },
            _ => return reply(400, r#"{"error":"unsupported_grant_type"}"#),
        };
        let next = format!("fake-refresh-{key}-{}", self.issued + 1);
        let refresh = Refresh {
            family,
            is_good: true,
            ..Refresh::default()
        };
        self.refresh.insert(next.clone(), refresh);
        self.issue(key, family, Some(next))
    }

    /// Returns the family of a valid refresh token.
    fn spend(&mut self, sent: &str) -> Option<u64> {
        let refresh = self.refresh.get_mut(sent)?;
        let family = refresh.family;
        if std::mem::take(&mut refresh.is_good) {
            return Some(family);
        }
        let of_it = self.refresh.values_mut().filter(|one| one.family == family);
        of_it.for_each(|one| one.is_good = false);
        self.tokens.retain(|_, token| token.family != family);
        None
    }

    fn issue(&mut self, key: &str, family: u64, refresh: Option<String>) -> Response {
        self.issued += 1;
        let token = format!("fake-token-{key}-{}", self.issued);
        let lifetime = if SHORT_LIVED.contains(&key) { 2 } else { 3600 };
        let until = Instant::now() + Duration::from_secs(lifetime);
        let mut answer = json!({
            "access_token": token,
            "token_type": "Bearer",
            "expires_in": lifetime,
        });
        if let Some(refresh) = refresh {
            answer["refresh_token"] = refresh.into();
        }
        self.tokens.insert(token, Token { family, until });
        reply(200, &answer.to_string())
    }
}

/// A token request in progress, until it is answered or its sender has ended.
struct Flight {
    server: Server,
    key: String,
    refresh: Option<String>,
}

impl Flight {
    fn start(server: &Server, key: &str, refresh: Option<String>) -> Self {
        server.account(key, |account| {
            account.calls += 1;
            let sent = refresh
                .as_ref()
                .map(|sent| account.refresh.entry(sent.clone()));
            if let Some(refresh) = sent.map(|entry| entry.or_default()) {
                refresh.spends += 1;
                refresh.in_flight += 1;
                refresh.overlaps += u64::from(refresh.in_flight > 1);
            }
        });
        let (server, key) = (server.clone(), key.to_owned());
        Self {
            server,
            key,
            refresh,
        }
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        let Some(sent) = &self.refresh else {
            return;
        };
        self.server.account(&self.key, |account| {
            if let Some(refresh) = account.refresh.get_mut(sent) {
                refresh.in_flight -= 1;
            }
        });
    }
}

fn shown(headers: &HeaderMap) -> Option<&str> {
    let shown = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    shown.strip_prefix("Bearer ")
}

fn reply(status: u16, body: &str) -> Response {
    let mut response = Response::new(Body::from(body.to_owned()));
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    let json = header::HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}
