use std::{borrow::Cow, error::Error as StdError, fmt, sync::Arc, time::Duration};

use http::StatusCode;

/// Why no token is available, or why a setting is wrong.
///
/// One word wide and cheap to clone: all callers that waited for a token request get the same
/// error. [`kind`](Self::kind) says what to do, and [`retry_after`](Self::retry_after) says when a
/// new attempt makes sense. Vendor, step, host, status and code are fields. The text begins with
/// the vendor, and never contains a secret, a header or the body of a reply.
///
/// # Example
///
/// ```
/// use std::time::Duration;
///
/// use auth_core::{Error, ErrorKind};
///
/// let error = Error::new(ErrorKind::Throttled, "token endpoint answered 429")
///     .with_vendor("example")
///     .with_retry_after(Duration::from_secs(30));
/// assert!(error.is_transient());
/// assert_eq!(error.retry_after(), Some(Duration::from_secs(30)));
/// assert_eq!(error.to_string(), "example: token endpoint answered 429; next attempt in 30 s");
/// ```
#[derive(Clone)]
pub struct Error(Arc<Inner>);

#[derive(Clone)]
struct Inner {
    kind: ErrorKind,
    /// Without the vendor's name.
    message: Cow<'static, str>,
    vendor: Option<Cow<'static, str>>,
    step: Option<Cow<'static, str>>,
    host: Option<Cow<'static, str>>,
    field: Option<Cow<'static, str>>,
    code: Option<Cow<'static, str>>,
    status: Option<StatusCode>,
    retry_after: Option<Duration>,
    outcome: Option<TokenRequestOutcome>,
    rejected: Option<RejectedPart>,
    source: Option<Arc<dyn StdError + Send + Sync>>,
}

/// How far a failed token request got. Determines what the failure proves, and for which processes.
///
/// The transport and the [`TokenSource`](crate::TokenSource) set the outcome by
/// [`Error::with_outcome`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TokenRequestOutcome {
    /// No byte of the request reached the authorization server: DNS, connect or TLS failed, or a
    /// secret could not be read. A refresh token was not used. Other processes may send a token
    /// request at once.
    NotSent,
    /// The request was sent and no complete reply came, for example a time-out or a reset. A
    /// refresh token may have been used. The failure says nothing about the credentials.
    Unknown,
    /// A reply came that is neither a token nor an OAuth error, for example the HTML page of a
    /// proxy, a bare 404 or a bare 503. A refresh token was not used. The failure says nothing
    /// about the credentials.
    NotUnderstood,
    /// The authorization server answered with an OAuth error (RFC 6749 section 5.2), a bare 401 or
    /// a vendor-specific error. [`Error::rejected_part`] says what was rejected.
    Rejected,
    /// The authorization server asked for fewer requests: 429, 503 with `Retry-After`, or a
    /// vendor-specific quota error. A refresh token was not used.
    Throttled,
}

/// The part of a token request that the authorization server rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RejectedPart {
    /// The credentials: a client secret, a password, an assertion.
    Credentials,
    /// The second factor, for example a one-time code. The credentials were not rejected.
    SecondFactor,
    /// The refresh token.
    RefreshToken,
    /// A scope beyond the usual ones, which was requested because the API requires it; see
    /// [`WiderScope`](crate::WiderScope). The next token request asks for the usual scope again.
    Scope,
    /// Something else: a scope, a grant type, a parameter.
    Request,
}

/// The kind of an [`Error`], which says what a person or a program can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A setting is wrong: correct the field that [`Error::field`] names.
    Config,
    /// The vendor rejected the credentials or the request permanently: a person must act.
    Rejected,
    /// The vendor could not be reached or failed: the next token request follows after a back-off.
    Unavailable,
    /// The token request did not end within its deadline: the next one follows after a back-off.
    TimedOut,
    /// The vendor asked for a pause; [`Error::retry_after`] says how long.
    Throttled,
    /// The vendor's token quota is used up; [`Error::retry_after`] says when the next slot is free.
    Quota,
    /// The vendor's reply does not have the documented form, so no token could be read from it.
    Protocol,
    /// The API refused the token, and no other token is available.
    Refused,
    /// The token may not be sent to this destination.
    Origin,
    /// The token store failed. Requests continue without the store, so this kind is seen in logs
    /// only.
    Store,
    /// The token request ended without a result, by a panic or because its runtime shut down.
    Closed,
}

impl TokenRequestOutcome {
    /// Returns the outcome as one lower-case word, for logs and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotSent => "not_sent",
            Self::Unknown => "unknown",
            Self::NotUnderstood => "not_understood",
            Self::Rejected => "rejected",
            Self::Throttled => "throttled",
        }
    }
}

impl ErrorKind {
    /// Returns the kind as one lower-case word, for logs and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Config => "config",
            Self::Rejected => "rejected",
            Self::Unavailable => "unavailable",
            Self::TimedOut => "timed_out",
            Self::Throttled => "throttled",
            Self::Quota => "quota",
            Self::Protocol => "protocol",
            Self::Refused => "refused",
            Self::Origin => "origin",
            Self::Store => "store",
            Self::Closed => "closed",
        }
    }
}

impl Error {
    /// Makes an error of a kind. `message` says what failed and why, in lower case, without a full
    /// stop and without the vendor's name (see [`with_vendor`](Self::with_vendor)).
    ///
    /// # Security
    ///
    /// The message is shown and logged. Put no secret into it, and no text of a reply that was not
    /// scrubbed.
    pub fn new(kind: ErrorKind, message: impl Into<Cow<'static, str>>) -> Self {
        Self(Arc::new(Inner {
            kind,
            message: message.into(),
            vendor: None,
            step: None,
            host: None,
            field: None,
            code: None,
            status: None,
            retry_after: None,
            outcome: None,
            rejected: None,
            source: None,
        }))
    }

    /// Makes a [`ErrorKind::Config`] error. `field` names the setting, and `problem` says what is
    /// wrong and what to do.
    pub fn config(field: impl Into<Cow<'static, str>>, problem: impl fmt::Display) -> Self {
        let field = field.into();
        let message = format!("setting `{field}`: {problem}");
        let mut error = Self::new(ErrorKind::Config, message);
        error.edit().field = Some(field);
        error
    }

    /// Sets the vendor's name, with which the text begins. Default: the name of the
    /// [`Authenticator`](crate::Authenticator).
    #[must_use]
    pub fn with_vendor(mut self, vendor: impl Into<Cow<'static, str>>) -> Self {
        self.edit().vendor = Some(vendor.into());
        self
    }

    /// Sets the step that failed, for example `token request`. The text does not repeat the step.
    #[must_use]
    pub fn with_step(mut self, step: impl Into<Cow<'static, str>>) -> Self {
        self.edit().step = Some(step.into());
        self
    }

    /// Sets the host that the request went to. The text does not repeat the host.
    #[must_use]
    pub fn with_host(mut self, host: impl Into<Cow<'static, str>>) -> Self {
        self.edit().host = Some(host.into());
        self
    }

    /// Sets the time after which a new attempt makes sense. Default: unknown.
    #[must_use]
    pub fn with_retry_after(mut self, after: Duration) -> Self {
        self.edit().retry_after = Some(after);
        self
    }

    /// Sets the vendor's error code (RFC 6749 section 5.2), for example `invalid_client`.
    #[must_use]
    pub fn with_code(mut self, code: impl Into<Cow<'static, str>>) -> Self {
        self.edit().code = Some(code.into());
        self
    }

    /// Sets the HTTP status of the vendor's reply.
    #[must_use]
    pub fn with_status(mut self, status: StatusCode) -> Self {
        self.edit().status = Some(status);
        self
    }

    /// Sets the field that is wrong: a setting, or a member of an authorization server's metadata.
    /// The text does not repeat the name. [`config`](Self::config) sets the field itself.
    #[must_use]
    pub fn with_field(mut self, field: impl Into<Cow<'static, str>>) -> Self {
        self.edit().field = Some(field.into());
        self
    }

    /// Sets how far the token request got. Default: derived from the kind, see
    /// [`outcome`](Self::outcome).
    #[must_use]
    pub fn with_outcome(mut self, outcome: TokenRequestOutcome) -> Self {
        self.edit().outcome = Some(outcome);
        self
    }

    /// Sets the part of the token request that the authorization server rejected, for
    /// [`ErrorKind::Rejected`].
    #[must_use]
    pub fn with_rejected_part(mut self, part: RejectedPart) -> Self {
        self.edit().rejected = Some(part);
        self
    }

    /// Appends to the text what to do, after a semicolon.
    #[must_use]
    pub fn with_advice(mut self, advice: &str) -> Self {
        let inner = self.edit();
        inner.message = format!("{}; {advice}", inner.message).into();
        self
    }

    /// Sets the error that caused this error. Its text must be free of secrets too.
    #[must_use]
    pub fn with_source(mut self, source: impl StdError + Send + Sync + 'static) -> Self {
        self.edit().source = Some(Arc::new(source));
        self
    }

    /// Returns the kind of the failure.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Returns how long to wait before a new attempt, counted from when this error was returned.
    /// `None` if waiting does not help or the time is unknown.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// Returns the vendor's name, if known.
    #[must_use]
    pub fn vendor(&self) -> Option<&str> {
        self.0.vendor.as_deref()
    }

    /// Returns the step that failed, for example `token request`, if known.
    #[must_use]
    pub fn step(&self) -> Option<&str> {
        self.0.step.as_deref()
    }

    /// Returns the host that the request went to, if known. An error that another process stored
    /// has no host and no step.
    #[must_use]
    pub fn host(&self) -> Option<&str> {
        self.0.host.as_deref()
    }

    /// Returns the setting that is wrong, for [`ErrorKind::Config`]. For other kinds, returns the
    /// member of the authorization server's metadata that is wrong, if known.
    #[must_use]
    pub fn field(&self) -> Option<&str> {
        self.0.field.as_deref()
    }

    /// Returns the vendor's error code, if the reply had one.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        self.0.code.as_deref()
    }

    /// Returns the HTTP status of the vendor's reply, if a reply came.
    #[must_use]
    pub fn status(&self) -> Option<StatusCode> {
        self.0.status
    }

    /// Returns whether the same call may succeed later although no person acts.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        !matches!(
            self.kind(),
            ErrorKind::Config | ErrorKind::Rejected | ErrorKind::Origin
        )
    }

    /// Returns how far the token request got.
    ///
    /// If no outcome was [set](Self::with_outcome), the kind decides: `Config`, `Origin` and
    /// `Store` mean [`NotSent`](TokenRequestOutcome::NotSent); `Rejected` means
    /// [`Rejected`](TokenRequestOutcome::Rejected); `Throttled` and `Quota` mean
    /// [`Throttled`](TokenRequestOutcome::Throttled); `Protocol` means
    /// [`NotUnderstood`](TokenRequestOutcome::NotUnderstood), as does each other kind with a
    /// [`status`](Self::status). All other errors mean [`Unknown`](TokenRequestOutcome::Unknown).
    #[must_use]
    pub fn outcome(&self) -> TokenRequestOutcome {
        self.0.outcome.unwrap_or(match self.kind() {
            ErrorKind::Config | ErrorKind::Origin | ErrorKind::Store => {
                TokenRequestOutcome::NotSent
            }
            ErrorKind::Rejected => TokenRequestOutcome::Rejected,
            ErrorKind::Throttled | ErrorKind::Quota => TokenRequestOutcome::Throttled,
            ErrorKind::Protocol => TokenRequestOutcome::NotUnderstood,
            _ if self.status().is_some() => TokenRequestOutcome::NotUnderstood,
            _ => TokenRequestOutcome::Unknown,
        })
    }

    /// Returns the part that the authorization server rejected. `None` unless the
    /// [outcome](Self::outcome) is [`Rejected`](TokenRequestOutcome::Rejected).
    ///
    /// If no part was [set](Self::with_rejected_part), the code `invalid_client` and a status of
    /// 401 without a code mean the [`Credentials`](RejectedPart::Credentials). All other errors
    /// mean the [`Request`](RejectedPart::Request).
    #[must_use]
    pub fn rejected_part(&self) -> Option<RejectedPart> {
        if self.outcome() != TokenRequestOutcome::Rejected {
            return None;
        }
        Some(
            self.0
                .rejected
                .unwrap_or(match (self.code(), self.status()) {
                    (Some("invalid_client"), _) | (None, Some(StatusCode::UNAUTHORIZED)) => {
                        RejectedPart::Credentials
                    }
                    _ => RejectedPart::Request,
                }),
        )
    }

    pub(crate) fn message(&self) -> &str {
        &self.0.message
    }

    /// Sets the authenticator's vendor, which a transport does not know. If the source set another
    /// name, for example the host of its token endpoint, that name stays in the text.
    pub(crate) fn named(mut self, vendor: &str) -> Self {
        if self.vendor() == Some(vendor) {
            return self;
        }
        let inner = self.edit();
        if let Some(other) = inner.vendor.replace(vendor.to_owned().into()) {
            inner.message = format!("{other}: {}", inner.message).into();
        }
        self
    }

    /// Returns the same failure for a later caller, with a new `retry_after`.
    pub(crate) fn told_later(&self, retry_after: Duration) -> Self {
        let mut told = self.clone();
        // A back-off that has ended is not shown as "next attempt in 0 s".
        told.edit().retry_after = (!retry_after.is_zero()).then_some(retry_after);
        told
    }

    fn edit(&mut self) -> &mut Inner {
        Arc::make_mut(&mut self.0)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(vendor) = &self.0.vendor {
            write!(f, "{vendor}: ")?;
        }
        f.write_str(&self.0.message)?;
        if let Some(after) = self.0.retry_after {
            let what = if self.0.kind == ErrorKind::Quota {
                "the next slot is free"
            } else {
                "next attempt"
            };
            write!(f, "; {what} in {} s", after.as_millis().div_ceil(1000))?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner {
            kind,
            message,
            vendor,
            step,
            host,
            field,
            code,
            status,
            retry_after,
            outcome,
            rejected,
            source,
        } = &*self.0;
        let mut f = f.debug_struct("Error");
        f.field("kind", kind).field("message", message);
        if let Some(vendor) = vendor {
            f.field("vendor", vendor);
        }
        if let Some(step) = step {
            f.field("step", step);
        }
        if let Some(host) = host {
            f.field("host", host);
        }
        if let Some(field) = field {
            f.field("field", field);
        }
        if let Some(code) = code {
            f.field("code", code);
        }
        if let Some(status) = status {
            f.field("status", status);
        }
        if let Some(after) = retry_after {
            f.field("retry_after", after);
        }
        if let Some(outcome) = outcome {
            f.field("outcome", outcome);
        }
        if let Some(rejected) = rejected {
            f.field("rejected", rejected);
        }
        if let Some(source) = source {
            f.field("source", source);
        }
        f.finish()
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_one_word() {
        assert_eq!(size_of::<Error>(), size_of::<usize>());
        assert_eq!(size_of::<Option<Error>>(), size_of::<usize>());
    }

    #[test]
    fn told_later_does_not_change_the_shared_error() {
        let shared = Error::new(ErrorKind::Unavailable, "x: no answer");
        let later = shared.told_later(Duration::from_millis(1_001));
        assert_eq!(shared.retry_after(), None);
        assert_eq!(later.to_string(), "x: no answer; next attempt in 2 s");
        assert_eq!(later.told_later(Duration::ZERO).to_string(), "x: no answer");
    }

    #[test]
    fn an_error_that_a_person_must_end_is_not_transient() {
        for (kind, is_transient) in [
            (ErrorKind::Config, false),
            (ErrorKind::Rejected, false),
            (ErrorKind::Origin, false),
            (ErrorKind::Unavailable, true),
            (ErrorKind::TimedOut, true),
            (ErrorKind::Throttled, true),
            (ErrorKind::Quota, true),
            (ErrorKind::Protocol, true),
        ] {
            let error = Error::new(kind, "x");
            assert_eq!(error.is_transient(), is_transient, "{kind:?}");
        }
    }

    #[test]
    fn the_kind_says_what_a_failed_token_request_proves() {
        use TokenRequestOutcome::{NotSent, NotUnderstood, Rejected, Throttled, Unknown};

        for (kind, outcome) in [
            (ErrorKind::Config, NotSent),
            (ErrorKind::Origin, NotSent),
            (ErrorKind::Store, NotSent),
            (ErrorKind::Rejected, Rejected),
            (ErrorKind::Throttled, Throttled),
            (ErrorKind::Quota, Throttled),
            (ErrorKind::Protocol, NotUnderstood),
            (ErrorKind::Unavailable, Unknown),
            (ErrorKind::TimedOut, Unknown),
            (ErrorKind::Refused, Unknown),
            (ErrorKind::Closed, Unknown),
        ] {
            let error = Error::new(kind, "x");
            assert_eq!(error.outcome(), outcome, "{kind:?}");
            let error = error.with_outcome(NotSent);
            assert_eq!(error.outcome(), NotSent, "{kind:?}");
        }
    }

    /// Only rejected credentials stop token requests until the credentials change.
    #[test]
    fn the_code_and_the_status_say_which_part_was_rejected() {
        let unauthorized = Some(StatusCode::UNAUTHORIZED);
        let bad_request = Some(StatusCode::BAD_REQUEST);
        for (code, status, part) in [
            (
                Some("invalid_client"),
                unauthorized,
                RejectedPart::Credentials,
            ),
            (
                Some("invalid_client"),
                bad_request,
                RejectedPart::Credentials,
            ),
            (Some("invalid_client"), None, RejectedPart::Credentials),
            (None, unauthorized, RejectedPart::Credentials),
            (Some("invalid_scope"), unauthorized, RejectedPart::Request),
            (Some("invalid_scope"), bad_request, RejectedPart::Request),
            (None, bad_request, RejectedPart::Request),
            (None, None, RejectedPart::Request),
        ] {
            let with = |kind| {
                let mut error = Error::new(kind, "x");
                if let Some(code) = code {
                    error = error.with_code(code);
                }
                match status {
                    Some(status) => error.with_status(status),
                    None => error,
                }
            };
            let told = with(ErrorKind::Rejected).rejected_part();
            assert_eq!(told, Some(part), "{code:?} {status:?}");
            assert_eq!(with(ErrorKind::Unavailable).rejected_part(), None);
        }
    }

    #[test]
    fn a_status_says_that_the_vendor_answered() {
        for kind in [ErrorKind::Unavailable, ErrorKind::TimedOut] {
            let error = Error::new(kind, "x");
            assert_eq!(error.outcome(), TokenRequestOutcome::Unknown);
            let error = error.with_status(StatusCode::BAD_GATEWAY);
            assert_eq!(error.outcome(), TokenRequestOutcome::NotUnderstood);
        }
    }

    #[test]
    fn the_cause_is_the_source() {
        let error = Error::new(ErrorKind::Unavailable, "x");
        assert!(error.source().is_none());
        let error = error.with_source(std::io::Error::other("connection refused"));
        let source = error.source().map(ToString::to_string);
        assert_eq!(source.as_deref(), Some("connection refused"));
    }

    #[test]
    fn the_vendor_is_named_once() {
        let error = Error::new(ErrorKind::Unavailable, "no answer").named("x");
        assert_eq!(error.to_string(), "x: no answer");
        assert_eq!(error.named("x").to_string(), "x: no answer");
    }

    /// Another process that reads the failure from the store adds its own vendor and time.
    #[test]
    fn the_message_for_other_processes_has_no_vendor_and_no_time() {
        let error = Error::new(ErrorKind::Throttled, "answered 429").named("x");
        let error = error.with_retry_after(Duration::from_secs(9));
        assert_eq!(error.to_string(), "x: answered 429; next attempt in 9 s");
        assert_eq!(error.message(), "answered 429");
    }

    #[test]
    fn vendor_is_named_for_any_beginning_of_the_text() {
        for (vendor, message) in [
            ("token", "token endpoint answered 401"),
            ("token", "token: no answer"),
            ("no", "no answer"),
            ("setting", "setting `path`: must not be empty"),
            ("", "no answer"),
        ] {
            let error = Error::new(ErrorKind::Unavailable, message).named(vendor);
            assert_eq!(error.vendor(), Some(vendor));
            assert_eq!(error.to_string(), format!("{vendor}: {message}"));
        }
    }

    #[test]
    fn another_name_that_the_source_gave_stays_in_the_text() {
        let error = Error::new(ErrorKind::Unavailable, "no answer").with_vendor("host.example");
        let error = error.named("x").named("x");
        assert_eq!(error.vendor(), Some("x"));
        assert_eq!(error.to_string(), "x: host.example: no answer");
    }

    #[test]
    fn vendor_step_and_host_are_fields() {
        let error = Error::new(ErrorKind::Unavailable, "no answer")
            .with_vendor("x")
            .with_step("token request")
            .with_host("login.example.com");
        let fields = (error.vendor(), error.step(), error.host());
        let expected = (Some("x"), Some("token request"), Some("login.example.com"));
        assert_eq!(fields, expected);
        assert_eq!(error.to_string(), "x: no answer");
        let shown = format!("{error:?}");
        assert!(
            shown.contains("login.example.com") && shown.contains("token request"),
            "{shown}"
        );
    }

    #[test]
    fn advice_follows_the_text_and_changes_no_field() {
        let error = Error::new(ErrorKind::Rejected, "answered 401").with_vendor("x");
        let error = error.with_code("no").with_advice("check the key");
        let error = error.with_retry_after(Duration::from_secs(1));
        assert_eq!(
            error.to_string(),
            "x: answered 401; check the key; next attempt in 1 s"
        );
        assert_eq!((error.vendor(), error.code()), (Some("x"), Some("no")));
    }

    #[test]
    fn config_names_the_field() {
        let error = Error::config("token_url", "must be https");
        assert_eq!(error.kind(), ErrorKind::Config);
        assert_eq!(error.field(), Some("token_url"));
        assert_eq!(error.to_string(), "setting `token_url`: must be https");
    }
}
