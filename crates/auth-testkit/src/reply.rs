use std::{fmt, time::Duration};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode, header};

use crate::{
    Gate,
    delivery::{Cut, Delivery, Shape},
};

/// An answer of a [`TestServer`](crate::TestServer) to one request: the normal one, or a fault.
///
/// A reply starts with a constructor and is changed by setters. Those that change members of a
/// token reply ([`with`](Self::with), [`lifetime`](Self::lifetime), ...) apply only to
/// [`normal`](Self::normal) replies of the token endpoint to a valid request.
///
/// # Example
///
/// ```
/// use std::time::Duration;
///
/// use auth_testkit::{Gate, Reply, TestServer};
///
/// let server = TestServer::builder().in_memory();
/// let gate = Gate::new();
/// server
///     .token()
///     .then(Reply::status(503).header("retry-after", "30"))
///     .then(Reply::normal().expires_in("\"1799\"").without("token_type"))
///     .then(Reply::normal().trickle(Duration::from_millis(1)).answer_after(&gate));
/// server.api().then(Reply::challenge("Basic realm=\"fake\"").header("www-authenticate", "Bearer"));
/// ```
#[derive(Clone, Debug, Default)]
pub struct Reply {
    pub(crate) kind: Kind,
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    pub(crate) mint: Mint,
    pub(crate) edits: Vec<Edit>,
    pub(crate) early: bool,
    pub(crate) process_after: Option<Gate>,
    pub(crate) answer_after: Option<Gate>,
    pub(crate) delay: Option<Duration>,
    pub(crate) delivery: Delivery,
}

#[derive(Clone, Default)]
pub(crate) enum Kind {
    #[default]
    Normal,
    Fixed(StatusCode, Bytes),
    Silence,
    Cut(Cut),
}

/// The token of a normal reply of the token endpoint.
#[derive(Clone, Debug, Default)]
pub(crate) struct Mint {
    pub(crate) lifetime: Option<Duration>,
    pub(crate) again: bool,
    pub(crate) dead: bool,
}

/// A change to the members of a token reply; values are JSON text, valid or not.
#[derive(Clone)]
pub(crate) enum Edit {
    Set(String, String),
    Add(String, String),
    Remove(String),
}

impl Reply {
    /// The server's answer without a script; a place-holder in the queue, or the base for small
    /// changes.
    #[must_use]
    pub fn normal() -> Self {
        Self::default()
    }

    /// A status without a body.
    ///
    /// # Panics
    ///
    /// If the status is not between 200 and 999.
    #[must_use]
    #[allow(clippy::panic, reason = "a mistake in the test itself")]
    pub fn status(status: u16) -> Self {
        match StatusCode::from_u16(status) {
            Ok(status) if !status.is_informational() => Kind::Fixed(status, Bytes::new()).into(),
            _ => panic!("{status} is not the status of a final response"),
        }
    }

    /// An OAuth error (RFC 6749 section 5.2): `{"error": code}`.
    ///
    /// # Panics
    ///
    /// As [`status`](Self::status).
    #[must_use]
    pub fn oauth_error(status: u16, code: &str) -> Self {
        Self::status(status).json(serde_json::json!({ "error": code }))
    }

    /// Status 200 and a web page, as captive portals and login pages answer.
    #[must_use]
    pub fn html() -> Self {
        Self::status(200)
            .header("content-type", "text/html; charset=utf-8")
            .body("<!doctype html><html><body><h1>Please sign in</h1></body></html>")
    }

    /// Status 200 and truncated JSON.
    #[must_use]
    pub fn garbage() -> Self {
        Self::status(200).json("{\"access_token\":\"fake-tok")
    }

    /// Status 200 and a well-formed token reply padded to this many bytes (at least 64).
    #[must_use]
    pub fn oversize(bytes: usize) -> Self {
        const HEAD: &str = "{\"access_token\":\"fake-oversize\",\"padding\":\"";
        const TAIL: &str = "\"}";
        let padding = bytes.max(64) - HEAD.len() - TAIL.len();
        Self::status(200).json(format_args!("{HEAD}{}{TAIL}", "x".repeat(padding)))
    }

    /// A redirect to another place.
    ///
    /// # Panics
    ///
    /// As [`status`](Self::status) and [`header`](Self::header).
    #[must_use]
    pub fn redirect(status: u16, to: &str) -> Self {
        Self::status(status).header("location", to)
    }

    /// 401 with `WWW-Authenticate: Bearer error="invalid_token"` (RFC 6750 section 3.1), for the
    /// API.
    #[must_use]
    pub fn refuse() -> Self {
        Self::challenge("Bearer realm=\"fake\", error=\"invalid_token\"")
    }

    /// 401 with this line of `WWW-Authenticate`; add more lines with [`header`](Self::header).
    ///
    /// # Panics
    ///
    /// As [`header`](Self::header).
    #[must_use]
    pub fn challenge(line: &str) -> Self {
        Self::status(401).header("www-authenticate", line)
    }

    /// No answer: the request stays open until the client stops waiting.
    #[must_use]
    pub fn never() -> Self {
        Kind::Silence.into()
    }

    /// The connection is reset before any byte of an answer.
    #[must_use]
    pub fn cut() -> Self {
        Kind::Cut(Cut::Reset).into()
    }

    /// These raw bytes, and the end of the connection: for answers that are not HTTP, or hardly. In
    /// memory the connection just ends.
    #[must_use]
    pub fn raw(bytes: impl Into<Bytes>) -> Self {
        Kind::Cut(Cut::Raw(bytes.into())).into()
    }

    /// Adds a header line; an existing name gets one more line.
    ///
    /// # Panics
    ///
    /// If the name or the value is invalid in HTTP.
    #[must_use]
    #[allow(clippy::panic, reason = "a mistake in the test itself")]
    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        let name = HeaderName::from_bytes(name.as_bytes());
        let value = HeaderValue::from_bytes(value.as_ref());
        match (name, value) {
            (Ok(name), Ok(value)) => self.headers.push((name, value)),
            _ => panic!("the header is not valid"),
        }
        self
    }

    /// Sets the body.
    ///
    /// # Panics
    ///
    /// If the reply is not one with a [`status`](Self::status).
    #[must_use]
    #[allow(clippy::panic, reason = "a mistake in the test itself")]
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        match &mut self.kind {
            Kind::Fixed(_, old) => *old = body.into(),
            kind => panic!("the reply {kind:?} has no body that can be set"),
        }
        self
    }

    /// Sets the body to this text with content type `application/json`. A [`serde_json::Value`] is
    /// written as JSON, other text is sent unchanged.
    ///
    /// # Panics
    ///
    /// As [`body`](Self::body).
    #[must_use]
    pub fn json(self, text: impl fmt::Display) -> Self {
        self.header(header::CONTENT_TYPE.as_str(), "application/json")
            .body(text.to_string())
    }

    /// Sets a member of a normal token reply. The value is JSON text, sent unchanged: `0`,
    /// `"\"1799\""`, `1e400`, a [`serde_json::Value`].
    #[must_use]
    pub fn with(mut self, member: &str, json: impl fmt::Display) -> Self {
        self.edits.push(Edit::Set(member.into(), json.to_string()));
        self
    }

    /// Adds a member to a normal token reply even if it exists already.
    #[must_use]
    pub fn duplicate(mut self, member: &str, json: impl fmt::Display) -> Self {
        self.edits.push(Edit::Add(member.into(), json.to_string()));
        self
    }

    /// Omits a member of a normal token reply.
    #[must_use]
    pub fn without(mut self, member: &str) -> Self {
        self.edits.push(Edit::Remove(member.into()));
        self
    }

    /// Sets `expires_in` of a normal token reply, as JSON text. Does not change the token's
    /// lifetime.
    #[must_use]
    pub fn expires_in(self, json: impl fmt::Display) -> Self {
        self.with("expires_in", json)
    }

    /// Sets the lifetime of a normal reply's token, and its `expires_in`.
    #[must_use]
    pub fn lifetime(mut self, lifetime: Duration) -> Self {
        self.mint.lifetime = Some(lifetime);
        self
    }

    /// Repeats the last issued token, with its remaining lifetime.
    #[must_use]
    pub fn same_token(mut self) -> Self {
        self.mint.again = true;
        self
    }

    /// Issues a token that the API refuses from the start, for any `expires_in`.
    #[must_use]
    pub fn expired_token(mut self) -> Self {
        self.mint.dead = true;
        self
    }

    /// Answers without reading the request's body, as servers do that refuse an upload early.
    #[must_use]
    pub fn early(mut self) -> Self {
        self.early = true;
        self
    }

    /// Reads the request only after the gate is open: tokens that are revoked before are refused.
    #[must_use]
    pub fn process_after(mut self, gate: &Gate) -> Self {
        self.process_after = Some(gate.clone());
        self
    }

    /// Processes the request at once and delays the answer until the gate is open.
    #[must_use]
    pub fn answer_after(mut self, gate: &Gate) -> Self {
        self.answer_after = Some(gate.clone());
        self
    }

    /// Processes the request at once and delays the answer by a time on tokio's clock.
    #[must_use]
    pub fn delay(mut self, duration: Duration) -> Self {
        self.delay = Some(duration);
        self
    }

    /// Sends the head at once and delays the body until the gate is open.
    #[must_use]
    pub fn body_after(mut self, gate: &Gate) -> Self {
        self.delivery.after = Some(gate.clone());
        self
    }

    /// Sends the head and this many bytes of the body, then closes the connection.
    #[must_use]
    pub fn cut_after(mut self, bytes: usize) -> Self {
        self.delivery.shape = Shape::CutAfter(bytes, false);
        self
    }

    /// Sends the head and this many bytes of the body, then resets the connection. Bytes that the
    /// client has not read by then may be lost; delay the body with
    /// [`body_after`](Self::body_after) until the client has seen the head.
    #[must_use]
    pub fn reset_after(mut self, bytes: usize) -> Self {
        self.delivery.shape = Shape::CutAfter(bytes, true);
        self
    }

    /// Sends the body byte by byte, with a pause before each.
    #[must_use]
    pub fn trickle(mut self, pause: Duration) -> Self {
        self.delivery.shape = Shape::Trickle(pause);
        self
    }

    /// Sends the body repeatedly, with a pause before each time, until the client stops reading.
    #[must_use]
    pub fn endless(mut self, pause: Duration) -> Self {
        self.delivery.shape = Shape::Endless(pause);
        self
    }
}

impl From<Kind> for Reply {
    fn from(kind: Kind) -> Self {
        Self {
            kind,
            ..Self::default()
        }
    }
}

/// Shows only the length, because a scripted body may contain a token.
impl fmt::Debug for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Normal => f.write_str("Normal"),
            Self::Fixed(status, body) => write!(f, "Fixed({}, {} bytes)", status, body.len()),
            Self::Silence => f.write_str("Silence"),
            Self::Cut(cut) => write!(f, "Cut({cut:?})"),
        }
    }
}

/// Shows names only, as for bodies.
impl fmt::Debug for Edit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Set(name, _) | Self::Add(name, _) | Self::Remove(name)) = self;
        f.write_str(name)
    }
}

#[cfg(test)]
mod tests;
