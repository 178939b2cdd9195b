use std::time::Duration;

use http::{HeaderName, StatusCode};

use crate::{RefreshTokens, VirtualClock};

/// A method of client authentication (RFC 6749 section 2.3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ClientAuth {
    /// `Authorization: Basic`, id and secret form-encoded first, as RFC 6749 requires.
    Basic,
    /// `Authorization: Basic`, id and secret joined without encoding, as many vendors require.
    BasicRaw,
    /// `client_id` and `client_secret` in the body.
    Post,
    /// `client_id` in the body and no secret: a public client (RFC 6749 section 2.1).
    Public,
}

/// The format of a token request's body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BodyFormat {
    /// `application/x-www-form-urlencoded`, as RFC 6749 requires.
    Form,
    /// `application/json`, as some vendors require.
    Json,
}

/// How a server states when the next slot of its quota frees.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RetryAfter {
    /// Not at all.
    #[default]
    Absent,
    /// In whole seconds, rounded up.
    Seconds,
    /// As an HTTP date, rounded up to whole seconds.
    HttpDate,
}

/// The settings of a server; they do not change afterwards.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) client_id: String,
    pub(crate) user: Option<String>,
    pub(crate) refresh_tokens: Option<RefreshTokens>,
    pub(crate) client_auth: Vec<ClientAuth>,
    pub(crate) body_formats: Vec<BodyFormat>,
    pub(crate) lifetime: Duration,
    pub(crate) scope: String,
    pub(crate) quota: Option<(usize, Duration)>,
    /// Whether a slot frees when its token expires.
    pub(crate) quota_of_live_tokens: bool,
    pub(crate) quota_status: StatusCode,
    pub(crate) quota_retry_after: RetryAfter,
    pub(crate) token_header: Option<HeaderName>,
    /// The answer to paths outside the token endpoint and the API.
    pub(crate) stray_status: StatusCode,
    /// The number of body bytes of a request that are kept.
    pub(crate) keep_body: usize,
    pub(crate) clock: VirtualClock,
}

impl Settings {
    pub(crate) fn new(clock: VirtualClock) -> Self {
        Self {
            client_id: "fake-client".into(),
            user: None,
            refresh_tokens: None,
            client_auth: vec![ClientAuth::Basic, ClientAuth::Post],
            body_formats: vec![BodyFormat::Form],
            lifetime: Duration::from_secs(3600),
            scope: "fake.read".into(),
            quota: None,
            quota_of_live_tokens: false,
            quota_status: StatusCode::TOO_MANY_REQUESTS,
            quota_retry_after: RetryAfter::Absent,
            token_header: None,
            stray_status: StatusCode::NOT_FOUND,
            keep_body: 64 * 1024,
            clock,
        }
    }
}
