//! A scripted authorization server, with one answer per path.

use std::{
    collections::HashMap,
    future::pending,
    sync::{Arc, Mutex},
};

use auth_core::{Error, ErrorKind, TokenRequestOutcome, Transport};
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};

pub(crate) const ISSUER: &str = "https://login.example.com/tenant";
pub(crate) const OPENID: &str = "https://login.example.com/tenant/.well-known/openid-configuration";
pub(crate) const OAUTH: &str =
    "https://login.example.com/.well-known/oauth-authorization-server/tenant";
pub(crate) const TOKEN_URL: &str = "https://tokens.example.net/token";
pub(crate) const TOKEN: &str =
    r#"{"access_token":"fake-token","token_type":"Bearer","expires_in":3600}"#;

/// Clones share the server.
#[derive(Clone, Default)]
pub(crate) struct Server(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    answers: HashMap<String, Answer>,
    seen: Vec<String>,
    last_body: String,
    ignores_cap: bool,
}

#[derive(Clone)]
pub(crate) enum Answer {
    Reply(Response<Bytes>),
    /// The connection is refused.
    Down,
    /// No reply arrives.
    Never,
}

impl Server {
    /// Makes a server with metadata in the OpenID form, and a token endpoint on another host.
    pub(crate) fn new() -> Self {
        let this = Self::default();
        this.answer(OPENID, json(&metadata()));
        this.answer(TOKEN_URL, json(TOKEN));
        this
    }

    /// Breaks the contract of a transport: returns replies that are larger than the limit.
    pub(crate) fn without_cap(self) -> Self {
        self.0.lock().unwrap().ignores_cap = true;
        self
    }

    pub(crate) fn answer(&self, url: &str, answer: Answer) {
        self.0
            .lock()
            .unwrap()
            .answers
            .insert(url.to_owned(), answer);
    }

    /// Returns the requests since the last call.
    pub(crate) fn seen(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap().seen)
    }

    /// Returns the body of the last request.
    pub(crate) fn last_body(&self) -> String {
        self.0.lock().unwrap().last_body.clone()
    }
}

impl Transport for Server {
    async fn send(&self, request: Request<Bytes>, max: usize) -> Result<Response<Bytes>, Error> {
        let url = request.uri().to_string();
        let (answer, ignores_cap) = {
            let mut state = self.0.lock().unwrap();
            state.last_body = String::from_utf8(request.body().to_vec()).unwrap();
            state.seen.push(format!("{} {url}", request.method()));
            (state.answers.get(&url).cloned(), state.ignores_cap)
        };
        if request.method() == Method::GET {
            assert!(request.body().is_empty());
            assert_eq!(request.headers()["accept"], "application/json");
            assert!(!request.headers().contains_key("authorization"));
        }
        match answer {
            Some(Answer::Reply(reply)) if reply.body().len() > max && !ignores_cap => {
                let message = format!("token endpoint login.example.com: larger than {max} bytes");
                Err(Error::new(ErrorKind::Protocol, message))
            }
            Some(Answer::Reply(reply)) => Ok(reply),
            Some(Answer::Down) => {
                let message = "token endpoint login.example.com: connection refused";
                let error = Error::new(ErrorKind::Unavailable, message);
                Err(error.with_outcome(TokenRequestOutcome::NotSent))
            }
            Some(Answer::Never) => pending().await,
            None => Ok(response(404, "text/html", "<html>fake-page</html>")),
        }
    }
}

pub(crate) fn metadata() -> String {
    metadata_of(ISSUER, TOKEN_URL)
}

pub(crate) fn metadata_of(issuer: &str, token_url: &str) -> String {
    format!(
        r#"{{"issuer":"{issuer}","jwks_uri":"https://login.example.com/keys","token_endpoint":"{token_url}","token_endpoint_auth_methods_supported":["client_secret_basic","private_key_jwt"],"token_endpoint_auth_signing_alg_values_supported":["ES256"],"claims_supported":{{"any":["thing",1,null]}}}}"#
    )
}

pub(crate) fn json(text: &str) -> Answer {
    Answer::Reply(response(200, "application/json", text))
}

pub(crate) fn status(status: u16) -> Answer {
    Answer::Reply(response(status, "text/plain", "fake-page"))
}

pub(crate) fn response(status: u16, media_type: &str, body: &str) -> Response<Bytes> {
    let mut reply = Response::new(Bytes::from(body.to_owned()));
    *reply.status_mut() = StatusCode::from_u16(status).unwrap();
    let headers = reply.headers_mut();
    headers.insert("content-type", media_type.parse().unwrap());
    reply
}
