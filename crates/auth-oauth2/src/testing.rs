//! A transport for the tests of this crate.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

use auth_core::{
    AccessToken, Credentials, Error, TokenRequest, TokenRequestReason, TokenSource, Transport,
};
use bytes::Bytes;
use http::{Request, Response, StatusCode};

/// Sends one token request the way an authenticator does.
pub(crate) async fn send(
    source: &impl TokenSource,
    token_request: TokenRequest,
) -> Result<AccessToken, Error> {
    let credentials = source.credentials().await?;
    source.fetch(token_request.credentials(credentials)).await
}

/// As [`send`], for a token that a caller waits for.
pub(crate) async fn fetch(source: &impl TokenSource) -> Result<AccessToken, Error> {
    send(source, TokenRequest::new(TokenRequestReason::Needed)).await
}

pub(crate) async fn credentials(source: &impl TokenSource) -> Credentials {
    source.credentials().await.unwrap()
}

/// Records the requests, and answers from a list. When the list is empty, it answers with a valid
/// reply.
#[derive(Clone, Default)]
pub(crate) struct Recorder(Arc<Mutex<Record>>);

#[derive(Default)]
struct Record {
    requests: Vec<(Request<Bytes>, usize)>,
    replies: VecDeque<Response<Bytes>>,
}

pub(crate) const TOKEN: &str =
    r#"{"access_token":"fake-token","token_type":"Bearer","expires_in":3600}"#;

impl Recorder {
    pub(crate) fn answering(replies: impl IntoIterator<Item = Response<Bytes>>) -> Self {
        let this = Self::default();
        this.0.lock().unwrap().replies.extend(replies);
        this
    }

    pub(crate) fn calls(&self) -> usize {
        self.0.lock().unwrap().requests.len()
    }

    pub(crate) fn request(&self, index: usize) -> Request<Bytes> {
        self.0.lock().unwrap().requests[index].0.clone()
    }

    /// Returns the reply limit that was requested, in bytes.
    pub(crate) fn max_reply(&self, index: usize) -> usize {
        self.0.lock().unwrap().requests[index].1
    }

    pub(crate) fn last(&self) -> Request<Bytes> {
        self.request(self.calls() - 1)
    }

    pub(crate) fn last_body(&self) -> String {
        String::from_utf8(self.last().body().to_vec()).unwrap()
    }
}

impl Transport for Recorder {
    async fn send(&self, request: Request<Bytes>, max: usize) -> Result<Response<Bytes>, Error> {
        let mut record = self.0.lock().unwrap();
        record.requests.push((request, max));
        let good = || Response::new(Bytes::from(TOKEN));
        Ok(record.replies.pop_front().unwrap_or_else(good))
    }
}

pub(crate) const WITH_REFRESH_TOKEN: &str = r#"{"access_token":"fake-token","token_type":"Bearer","expires_in":3600,"refresh_token":"fake-refresh-1"}"#;

pub(crate) fn reply(status: u16, body: &str) -> Response<Bytes> {
    let mut reply = Response::new(Bytes::from(body.to_owned()));
    *reply.status_mut() = StatusCode::from_u16(status).unwrap();
    reply
}
