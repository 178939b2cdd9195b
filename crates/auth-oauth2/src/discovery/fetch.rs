use auth_core::{
    Error, ErrorKind, HttpHosts, SharedClock, SharedTransport, TokenHost, Transport as _,
};
use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, Uri, header};

use super::{Issuer, Metadata};
use crate::{
    response::{BodyKind, Seen, trimmed},
    retry_after,
};

/// Requests the metadata of one authorization server.
pub(super) struct Fetch {
    pub(super) transport: SharedTransport,
    pub(super) http: HttpHosts,
    pub(super) max_reply: usize,
    pub(super) clock: SharedClock,
}

impl Fetch {
    /// Requests the two documents one after the other, without a deadline.
    pub(super) async fn metadata(&self, issuer: &Issuer) -> Result<Metadata, Error> {
        let mut answers = Vec::new();
        for uri in issuer.documents() {
            let reply = self.get(issuer, uri).await?;
            if is_metadata(&reply) {
                return Metadata::parse(issuer, &self.http, trimmed(reply.body()));
            }
            self.check_may_go_on(issuer, &reply)?;
            answers.push((uri.path(), describe(&reply)));
        }
        let answers: Vec<_> = answers
            .iter()
            .map(|(path, answer)| format!("{answer} at `{path}`"))
            .collect();
        let message = format!(
            "the server has no metadata: {}; check `issuer` and whether a proxy answers in \
             between, or set the token endpoint with `Client::builder`",
            answers.join(", "),
        );
        Err(issuer.failed(ErrorKind::Protocol, message))
    }

    async fn get(&self, issuer: &Issuer, uri: &Uri) -> Result<Response<Bytes>, Error> {
        let mut request = Request::new(Bytes::new());
        *request.uri_mut() = uri.clone();
        let headers = request.headers_mut();
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        headers.insert(
            header::ACCEPT_ENCODING,
            HeaderValue::from_static("identity"),
        );
        let reply = self.transport.send(request, self.max_reply).await;
        let reply = reply.map_err(|error| renamed(issuer, uri, error))?;
        if reply.body().len() > self.max_reply {
            let message = format!(
                "the metadata are larger than {} bytes; check `issuer`, or raise `max_reply`",
                self.max_reply
            );
            return Err(issuer.failed(ErrorKind::Protocol, message));
        }
        Ok(reply)
    }

    /// Ends the discovery if the server answered that it cannot serve now.
    fn check_may_go_on(&self, issuer: &Issuer, reply: &Response<Bytes>) -> Result<(), Error> {
        let status = reply.status();
        if !status.is_server_error() && status != StatusCode::TOO_MANY_REQUESTS {
            return Ok(());
        }
        let message = format!("the server answered {}", status.as_u16());
        let error = issuer.failed(ErrorKind::Unavailable, message);
        let error = error.with_status(status);
        Err(match retry_after(reply.headers(), self.clock.now()) {
            Some(after) => error.with_retry_after(after),
            None => error,
        })
    }
}

fn is_metadata(reply: &Response<Bytes>) -> bool {
    reply.status() == StatusCode::OK && Seen::of(reply).body == BodyKind::Object
}

fn describe(reply: &Response<Bytes>) -> String {
    let status = reply.status();
    if status == StatusCode::OK {
        return Seen::of(reply).body.describe();
    }
    if status.is_redirection() {
        return format!("a redirect ({}), which is not followed", status.as_u16());
    }
    format!("status {}", status.as_u16())
}

/// Replaces the transport's step "token endpoint" by "discovery".
fn renamed(issuer: &Issuer, uri: &Uri, error: Error) -> Error {
    let text = error.to_string();
    let host = format!("{}: ", TokenHost::of(uri));
    let cause = text.strip_prefix(&host).unwrap_or(&text);
    let renamed = issuer.failed(error.kind(), cause.to_owned());
    match error.field() {
        Some(field) => renamed.with_field(field.to_owned()),
        None => renamed,
    }
}
