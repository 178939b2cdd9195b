//! Each quirk, met by requests written by hand.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{Request, StatusCode};
use serde_json::{Value, json};

use super::*;
use crate::{
    ClientAuth, TestServer,
    testing::{Answer, ask, call_api},
};

mod axonize;
mod kaizen;
mod kayzen;
mod verdigris;

const FORM: &str = "application/x-www-form-urlencoded";
const JSON: &str = "application/json";

/// A POST to the token endpoint.
async fn post(
    server: &TestServer,
    content_type: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Answer {
    post_to(server, &server.token_url(), content_type, headers, body).await
}

async fn post_to(
    server: &TestServer,
    url: &str,
    content_type: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Answer {
    let mut request = Request::post(url).header("content-type", content_type);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    ask(server, request.body(Bytes::from(body.to_owned())).unwrap()).await
}

/// A GET of the API with these headers.
async fn get(server: &TestServer, path: &str, headers: &[(&str, &str)]) -> Answer {
    let mut request = Request::get(format!("{}{path}", server.api_url()));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    ask(server, request.body(Bytes::new()).unwrap()).await
}

fn form(pairs: &[(&str, &str)]) -> String {
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.extend_pairs(pairs).finish()
}

fn object(pairs: &[(&str, &str)]) -> String {
    let members = pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), json!(value)));
    Value::Object(members.collect()).to_string()
}
