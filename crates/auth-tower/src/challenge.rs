use std::{fmt, time::Duration};

use http::{HeaderMap, Response, StatusCode, header::WWW_AUTHENTICATE};

use self::parse::{Item, Items, Value};

mod parse;

/// Bytes of `WWW-Authenticate` that are read per response, over all its lines. A line that exceeds
/// the limit is skipped as a whole, so that no half challenge is read.
const MAX_BYTES: usize = 16 * 1024;

/// The statement of a 401 response's challenges about the token.
///
/// Challenges may contradict each other. The variant that stands first here wins, independently of
/// the order of the header lines, which a proxy may change. Among equal variants, the first one
/// read wins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Hint {
    /// The proof lacks the server's nonce (RFC 9449 section 9). First, because it costs no token
    /// request and the answer to the next send states any other fault.
    UseDpopNonce,
    /// The token is invalid (RFC 6750 section 3.1). Before the others, because a missed one fails
    /// every request until the token expires, and a wrong one costs only one token request, which
    /// counts towards the refusal back-off.
    InvalidToken,
    /// The user must log in more strongly or more recently (RFC 9470). No new token of the same
    /// kind helps.
    StepUp(StepUp),
    /// The token is valid and lacks a scope (RFC 6750 section 3.1). No new token of the same scope
    /// helps.
    InsufficientScope(InsufficientScope),
    /// The request or its proof is malformed (RFC 6750 section 3.1, RFC 9449 section 5). No new
    /// token helps.
    InvalidRequest,
    /// No challenge, no `Bearer` or `DPoP` challenge, no known error, or no readable challenge.
    Nothing,
}

/// Reads the `WWW-Authenticate` lines of a response (RFC 9110 section 11.6.1).
///
/// Only the first `error` of each `Bearer` and `DPoP` challenge counts. Names of schemes and
/// parameters are case-insensitive, error codes are not (RFC 6749 section 5.2). Each line is read
/// separately. From the first byte that violates the grammar, the rest of the line is ignored.
pub(crate) fn read(headers: &HeaderMap) -> Hint {
    let mut budget = MAX_BYTES;
    let mut hint = Hint::Nothing;
    for line in headers.get_all(WWW_AUTHENTICATE) {
        let line = line.as_bytes();
        let Some(left) = budget.checked_sub(line.len()) else {
            continue;
        };
        budget = left;
        let mut challenge = Challenge::default();
        for item in Items::new(line) {
            match item {
                Item::Scheme(scheme) => {
                    hint = hint.or(std::mem::take(&mut challenge).hint());
                    challenge.usable = is_ours(scheme);
                }
                Item::Param(name, value) => challenge.take(name, value),
            }
        }
        hint = hint.or(challenge.hint());
    }
    hint
}

impl Hint {
    fn or(self, other: Self) -> Self {
        if other.rank() < self.rank() {
            other
        } else {
            self
        }
    }

    fn rank(&self) -> u8 {
        match self {
            Self::UseDpopNonce => 0,
            Self::InvalidToken => 1,
            Self::StepUp(_) => 2,
            Self::InsufficientScope(_) => 3,
            Self::InvalidRequest => 4,
            Self::Nothing => 5,
        }
    }
}

/// The API requires a stronger or a more recent login of the user (RFC 9470).
///
/// Such a response is returned unchanged, with this value in its extensions. A new token of the
/// same kind would be refused too. The application must send the user to the authorization server
/// with these values.
///
/// # Example
///
/// ```
/// use auth_tower::StepUp;
///
/// fn log_in_again<B>(response: &http::Response<B>) -> Option<String> {
///     let wanted = response.extensions().get::<StepUp>()?;
///     let contexts = wanted.acr_values().collect::<Vec<_>>().join(" ");
///     Some(format!("acr_values={contexts}, max_age={:?}", wanted.max_age()))
/// }
/// # assert_eq!(log_in_again(&http::Response::new(())), None);
/// ```
///
/// # Security
///
/// The values are texts of the API. `Debug` hides them.
#[derive(Clone, PartialEq, Eq)]
pub struct StepUp {
    acr_values: Box<str>,
    max_age: Option<Duration>,
}

impl StepUp {
    /// Returns the accepted authentication contexts, the preferred one first. Empty if the API
    /// named none, named more than 512 bytes, or used characters outside printable ASCII.
    pub fn acr_values(&self) -> impl Iterator<Item = &str> {
        self.acr_values.split_ascii_whitespace()
    }

    /// Returns the maximum age of the login, in whole seconds. `None` if the API did not state it.
    #[must_use]
    pub fn max_age(&self) -> Option<Duration> {
        self.max_age
    }
}

impl fmt::Debug for StepUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StepUp")
            .field("max_age", &self.max_age)
            .finish_non_exhaustive()
    }
}

/// The API requires a token with a larger scope (RFC 6750 section 3.1).
///
/// The response is returned unchanged: the token is valid, and a new one of the same scope would
/// get the same answer. With [`WiderScope`](auth_core::WiderScope) in the authenticator's options,
/// the layer requests once a token with the union of the two scopes and sends the request once
/// more. [`AuthOutcome::not_replayed`](crate::AuthOutcome::not_replayed) says why it did not.
///
/// # Example
///
/// ```
/// use auth_tower::AuthOutcome;
/// use http::Response;
///
/// let response = Response::builder()
///     .status(403)
///     .header("www-authenticate", "Bearer error=\"insufficient_scope\", scope=\"things:write\"")
///     .body(())?;
/// let outcome = AuthOutcome::of(&response);
/// let wanted = outcome.insufficient_scope().ok_or("not about the scope")?;
/// assert!(wanted.scopes().eq(["things:write"]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Security
///
/// The values are texts of the API. `Debug` hides them.
#[derive(Clone, PartialEq, Eq)]
pub struct InsufficientScope {
    scope: Box<str>,
}

impl InsufficientScope {
    /// Returns the scopes that the API requires, in the API's order. Empty if the API named none,
    /// named more than 4,096 bytes, or used characters outside printable ASCII.
    pub fn scopes(&self) -> impl Iterator<Item = &str> {
        self.scope.split_ascii_whitespace()
    }

    /// Reads the challenges of a 401 or 403 response.
    pub(crate) fn of<B>(response: &Response<B>) -> Option<Self> {
        let of_status = [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN];
        if !of_status.contains(&response.status()) {
            return None;
        }
        match read(response.headers()) {
            Hint::InsufficientScope(wanted) => Some(wanted),
            _ => None,
        }
    }
}

impl fmt::Debug for InsufficientScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InsufficientScope").finish_non_exhaustive()
    }
}

/// The parameters of one challenge that are kept while its line is read.
#[derive(Default)]
struct Challenge<'a> {
    usable: bool,
    error: Option<Value<'a>>,
    acr_values: Option<Value<'a>>,
    max_age: Option<Value<'a>>,
    scope: Option<Value<'a>>,
}

impl<'a> Challenge<'a> {
    fn take(&mut self, name: &[u8], value: Value<'a>) {
        let slot = if name.eq_ignore_ascii_case(b"error") {
            &mut self.error
        } else if name.eq_ignore_ascii_case(b"acr_values") {
            &mut self.acr_values
        } else if name.eq_ignore_ascii_case(b"max_age") {
            &mut self.max_age
        } else if name.eq_ignore_ascii_case(b"scope") {
            &mut self.scope
        } else {
            return;
        };
        slot.get_or_insert(value);
    }

    fn hint(self) -> Hint {
        let Some(error) = self.error.filter(|_| self.usable) else {
            return Hint::Nothing;
        };
        if error.is("invalid_token") {
            Hint::InvalidToken
        } else if error.is("insufficient_scope") {
            Hint::InsufficientScope(self.insufficient_scope())
        } else if error.is("invalid_request") || error.is("invalid_dpop_proof") {
            Hint::InvalidRequest
        } else if error.is("use_dpop_nonce") {
            Hint::UseDpopNonce
        } else if error.is("insufficient_user_authentication") {
            Hint::StepUp(self.step_up())
        } else {
            Hint::Nothing
        }
    }

    fn insufficient_scope(&self) -> InsufficientScope {
        const MAX_SCOPE_BYTES: usize = 4096;
        let scope = self
            .scope
            .and_then(|scope| scope.printable(MAX_SCOPE_BYTES));
        InsufficientScope {
            scope: scope.unwrap_or_default().into(),
        }
    }

    fn step_up(&self) -> StepUp {
        const MAX_ACR_BYTES: usize = 512;
        let text = |value: Value<'_>| value.printable(MAX_ACR_BYTES);
        StepUp {
            acr_values: self.acr_values.and_then(text).unwrap_or_default().into(),
            max_age: self.max_age.and_then(text).as_deref().and_then(seconds),
        }
    }
}

fn is_ours(scheme: &[u8]) -> bool {
    scheme.eq_ignore_ascii_case(b"Bearer") || scheme.eq_ignore_ascii_case(b"DPoP")
}

/// Accepts only digits: `parse` would also accept a sign.
fn seconds(text: &str) -> Option<Duration> {
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok().map(Duration::from_secs)
}

#[cfg(test)]
mod tests;
