mod kind;
mod outcome;

pub use kind::ErrorKind;
pub use outcome::{RejectedPart, TokenRequestOutcome};

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
mod tests;
