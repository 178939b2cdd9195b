use std::{fmt, time::Duration};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode, header};

use crate::{
    Gate,
    delivery::{Cut, Delivery, Shape},
};

/// How a [`TestServer`](crate::TestServer) answers one request: as it should, or not at all so.
///
/// A reply starts with a constructor and is shaped by setters. Those that change members of a token
/// reply ([`with`](Self::with), [`lifetime`](Self::lifetime), ...) mean something only on
/// [`normal`](Self::normal) replies of the token endpoint, where the request was in order.
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

/// Which token a normal reply of the token endpoint brings.
#[derive(Clone, Debug, Default)]
pub(crate) struct Mint {
    pub(crate) lifetime: Option<Duration>,
    pub(crate) again: bool,
    pub(crate) dead: bool,
}

/// A change to the members of a token reply; values are JSON text, right or wrong.
#[derive(Clone)]
pub(crate) enum Edit {
    Set(String, String),
    Add(String, String),
    Remove(String),
}

impl Reply {
    /// What the server would answer without a script; a place-holder in the queue, or the ground
    /// for small changes.
    #[must_use]
    pub fn normal() -> Self {
        Self::default()
    }

    /// A status and nothing else.
    ///
    /// # Panics
    ///
    /// If the status is not between 200 and 999.
    #[must_use]
    #[allow(clippy::panic, reason = "a mistake in the test itself")]
    pub fn status(status: u16) -> Self {
        match StatusCode::from_u16(status) {
            Ok(status) if !status.is_informational() => Kind::Fixed(status, Bytes::new()).into(),
            _ => panic!("{status} is no status of a final response"),
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

    /// Status 200 and a web page, as captive portals and login walls answer.
    #[must_use]
    pub fn html() -> Self {
        Self::status(200)
            .header("content-type", "text/html; charset=utf-8")
            .body("<!doctype html><html><body><h1>Please sign in</h1></body></html>")
    }

    /// Status 200 and JSON that breaks off.
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

    /// No answer at all: the request stays open until the client gives up.
    #[must_use]
    pub fn never() -> Self {
        Kind::Silence.into()
    }

    /// The connection is reset before any byte of an answer.
    #[must_use]
    pub fn cut() -> Self {
        Kind::Cut(Cut::Reset).into()
    }

    /// These bytes, as they stand, and the end of the connection: for answers that are no HTTP, or
    /// hardly any. In memory the connection just ends.
    #[must_use]
    pub fn raw(bytes: impl Into<Bytes>) -> Self {
        Kind::Cut(Cut::Raw(bytes.into())).into()
    }

    /// Adds a header line; a name that is there already gets one more line.
    ///
    /// # Panics
    ///
    /// If name or value is none that HTTP knows.
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
            kind => panic!("the reply {kind:?} has no body of yours"),
        }
        self
    }

    /// Sets the body to this text with content type `application/json`; a
    /// [`serde_json::Value`] writes itself as JSON, anything else is sent as it stands.
    ///
    /// # Panics
    ///
    /// As [`body`](Self::body).
    #[must_use]
    pub fn json(self, text: impl fmt::Display) -> Self {
        self.header(header::CONTENT_TYPE.as_str(), "application/json")
            .body(text.to_string())
    }

    /// Sets a member of a normal token reply. The value is JSON text, sent as it stands: `0`,
    /// `"\"1799\""`, `1e400`, a [`serde_json::Value`].
    #[must_use]
    pub fn with(mut self, member: &str, json: impl fmt::Display) -> Self {
        self.edits.push(Edit::Set(member.into(), json.to_string()));
        self
    }

    /// Adds a member to a normal token reply even if it is there already.
    #[must_use]
    pub fn duplicate(mut self, member: &str, json: impl fmt::Display) -> Self {
        self.edits.push(Edit::Add(member.into(), json.to_string()));
        self
    }

    /// Leaves a member out of a normal token reply.
    #[must_use]
    pub fn without(mut self, member: &str) -> Self {
        self.edits.push(Edit::Remove(member.into()));
        self
    }

    /// Sets what a normal token reply says in `expires_in`, as JSON text; the token lives as long
    /// as it would have.
    #[must_use]
    pub fn expires_in(self, json: impl fmt::Display) -> Self {
        self.with("expires_in", json)
    }

    /// Sets how long the token of a normal reply lives, and what the reply says about it.
    #[must_use]
    pub fn lifetime(mut self, lifetime: Duration) -> Self {
        self.mint.lifetime = Some(lifetime);
        self
    }

    /// Brings the token that was issued last once more, with the time that is left to it.
    #[must_use]
    pub fn same_token(mut self) -> Self {
        self.mint.again = true;
        self
    }

    /// Brings a token that the API refuses from the start, whatever `expires_in` says.
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

    /// Looks at the request only once the gate is open: tokens revoked until then are refused.
    #[must_use]
    pub fn process_after(mut self, gate: &Gate) -> Self {
        self.process_after = Some(gate.clone());
        self
    }

    /// Does the work at once and holds the answer back until the gate is open.
    #[must_use]
    pub fn answer_after(mut self, gate: &Gate) -> Self {
        self.answer_after = Some(gate.clone());
        self
    }

    /// Does the work at once and holds the answer back for a time on tokio's clock.
    #[must_use]
    pub fn delay(mut self, duration: Duration) -> Self {
        self.delay = Some(duration);
        self
    }

    /// Sends the head at once and holds the body back until the gate is open.
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

    /// Sends the head and this many bytes of the body, then resets the connection. Whatever the
    /// client has not read by then may be lost to it, so it is best held back by
    /// [`body_after`](Self::body_after) until the head was seen.
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

    /// Sends the body over and over, with a pause before each time, until the client gives up.
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

/// A scripted body may hold a token, so only its length shows.
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

/// As for bodies: names only.
impl fmt::Debug for Edit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Set(name, _) | Self::Add(name, _) | Self::Remove(name)) = self;
        f.write_str(name)
    }
}

#[cfg(test)]
mod tests;
