use std::time::Duration;

use http::StatusCode;

/// Rules for replies that differ from RFC 6749.
///
/// Default: RFC 6749 sections 5.1 and 5.2, tolerant of common mistakes.
/// [`parse_reply`](crate::parse_reply) describes the details.
///
/// # Example
///
/// A vendor that wraps its replies in `data`, writes names in camel case, throttles with 403, and
/// rejects a wrong secret with the code `BAD_LOGIN`:
///
/// ```
/// use auth_oauth2::ReplyRules;
///
/// let rules = ReplyRules::new()
///     .wrapped_in("data")
///     .camel_case()
///     .code_member("errorCode")
///     .description_member("message")
///     .credential_codes(["BAD_LOGIN"])
///     .throttle_codes(["TOO_FAST"]);
/// ```
#[derive(Clone, Debug, Default)]
pub struct ReplyRules {
    pub(super) allow_missing_token_type: bool,
    pub(super) token_types: Vec<String>,
    pub(super) require_scopes: Vec<String>,
    pub(super) requested_scope: Option<String>,
    pub(super) default_lifetime: Option<Duration>,
    pub(super) refresh_token: bool,
    names: Names,
    pub(crate) quota_statuses: Vec<StatusCode>,
    pub(crate) throttle_statuses: Vec<StatusCode>,
    pub(crate) throttle_codes: Vec<String>,
    pub(crate) credential_codes: Vec<String>,
    pub(crate) throttle_wait: Option<Duration>,
    pub(crate) spends_refresh_token: bool,
}

/// Names of members in addition to those of the standard.
#[derive(Clone, Debug, Default)]
struct Names {
    camel_case: bool,
    wrappers: Vec<String>,
    token: Option<String>,
    lifetime: Option<String>,
    code: Option<String>,
    description: Option<String>,
}

/// The meaning of a member of a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Member {
    Token,
    TokenType,
    Lifetime,
    VendorLifetime,
    /// The name looks like a lifetime, and no rule reads the member.
    UnreadLifetime,
    RefreshIn,
    Scope,
    RefreshToken,
    Code,
    VendorCode,
    Description,
    VendorDescription,
}

impl ReplyRules {
    /// Makes the standard's rules.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Accepts a reply without `token_type` as a bearer token, although RFC 6749 section 5.1
    /// requires the member. Default: such a reply is an error.
    #[must_use]
    pub fn allow_missing_token_type(mut self) -> Self {
        self.allow_missing_token_type = true;
        self
    }

    /// Sets further values of `token_type` that mean a bearer token, for example `BearerToken`.
    /// Letter case is ignored. Default: none; only `Bearer` is accepted.
    #[must_use]
    pub fn token_types<T: Into<String>>(mut self, types: impl IntoIterator<Item = T>) -> Self {
        self.token_types = types.into_iter().map(Into::into).collect();
        self
    }

    /// Sets scopes that must be granted. A reply that does not grant all of them is an error,
    /// instead of a 403 of the API later. Default: none.
    #[must_use]
    pub fn require_scopes<T: Into<String>>(mut self, scopes: impl IntoIterator<Item = T>) -> Self {
        self.require_scopes = scopes.into_iter().map(Into::into).collect();
        self
    }

    /// Sets the requested scope, which counts as granted if the reply has no `scope` (RFC 6749
    /// section 5.1). The grants of this crate set it.
    #[must_use]
    pub fn requested_scope(mut self, scope: impl Into<String>) -> Self {
        self.requested_scope = Some(scope.into());
        self
    }

    /// Sets the statuses that mean "quota used up" ([`Quota`](auth_core::ErrorKind::Quota)) in a
    /// reply without a standard `error` code. Ignored for an HTML page, unless the status is 429.
    /// Default: none.
    #[must_use]
    pub fn quota_statuses(mut self, statuses: impl IntoIterator<Item = StatusCode>) -> Self {
        self.quota_statuses = statuses.into_iter().collect();
        self
    }

    /// Sets the statuses that mean "too many requests" in addition to 429, for example 403. The
    /// limits of [`quota_statuses`](Self::quota_statuses) apply. Default: none.
    #[must_use]
    pub fn throttle_statuses(mut self, statuses: impl IntoIterator<Item = StatusCode>) -> Self {
        self.throttle_statuses = statuses.into_iter().collect();
        self
    }

    /// Sets the error codes that mean "too many requests", with any status. Default: none.
    #[must_use]
    pub fn throttle_codes<T: Into<String>>(mut self, codes: impl IntoIterator<Item = T>) -> Self {
        self.throttle_codes = codes.into_iter().map(Into::into).collect();
        self
    }

    /// Sets how long to wait after "too many requests" or "quota used up" if the reply has no
    /// `Retry-After`, for example 30 minutes. Default: the
    /// [`RefreshPolicy`](auth_core::RefreshPolicy) decides.
    #[must_use]
    pub fn throttle_wait(mut self, wait: Duration) -> Self {
        self.throttle_wait = Some(wait);
        self
    }

    /// Sets the error codes that mean wrong credentials, with any status, as `invalid_client` does.
    /// Default: none.
    #[must_use]
    pub fn credential_codes<T: Into<String>>(mut self, codes: impl IntoIterator<Item = T>) -> Self {
        self.credential_codes = codes.into_iter().map(Into::into).collect();
        self
    }

    /// Sets the name of the member with the token, for vendors with their own login. Default:
    /// `access_token`.
    #[must_use]
    pub fn token_member(mut self, name: impl Into<String>) -> Self {
        self.names.token = Some(name.into());
        self
    }

    /// Sets the name of a member with the lifetime in seconds, for example `expires`. `expires_in`
    /// is still read, and takes precedence. Default: none.
    #[must_use]
    pub fn lifetime_member(mut self, name: impl Into<String>) -> Self {
        self.names.lifetime = Some(name.into());
        self
    }

    /// Sets the name of a member with the error code, as a string or a number. `error` is still
    /// read, and takes precedence. The member is ignored in a success with a token (`"code":0`).
    /// Default: none.
    #[must_use]
    pub fn code_member(mut self, name: impl Into<String>) -> Self {
        self.names.code = Some(name.into());
        self
    }

    /// Sets the name of a member with the error's text, for example `message`. `error_description`
    /// is still read, and takes precedence. The text is scrubbed and shortened before an error
    /// shows it. Default: none.
    #[must_use]
    pub fn description_member(mut self, name: impl Into<String>) -> Self {
        self.names.description = Some(name.into());
        self
    }

    /// Reads the members of the object under this name as if they stood at the top level, for
    /// example `data` for `{"data":{"access_token":...}}`. May be called several times. Default:
    /// none.
    #[must_use]
    pub fn wrapped_in(mut self, name: impl Into<String>) -> Self {
        self.names.wrappers.push(name.into());
        self
    }

    /// Accepts the standard's names in camel case too: `accessToken`, `tokenType`, `expiresIn`,
    /// `refreshIn`, `refreshToken`, `errorDescription`. Default: not accepted.
    #[must_use]
    pub fn camel_case(mut self) -> Self {
        self.names.camel_case = true;
        self
    }

    /// Sets the lifetime of a token whose reply has no lifetime or an empty one, for example 1
    /// hour, as the vendor documents it. Default: none; the policy of the authenticator applies.
    #[must_use]
    pub fn default_lifetime(mut self, lifetime: Duration) -> Self {
        self.default_lifetime = Some(lifetime);
        self
    }

    /// Reads the member `refresh_token`, for a source that [keeps refresh
    /// tokens](auth_core::TokenSource::keeps_refresh_tokens). The grants of this crate set it.
    /// Default: not read.
    #[must_use]
    pub fn refresh_token(self) -> Self {
        self.with_refresh_token(true)
    }

    /// Declares that the request spent a refresh token. `invalid_grant` then rejects the refresh
    /// token, not the credentials. The grants of this crate set it.
    #[must_use]
    pub fn spends_refresh_token(mut self) -> Self {
        self.spends_refresh_token = true;
        self
    }

    pub(crate) fn with_refresh_token(mut self, read: bool) -> Self {
        self.refresh_token = read;
        self
    }

    pub(super) fn token_name(&self) -> &str {
        self.names.token.as_deref().unwrap_or("access_token")
    }

    pub(super) fn lifetime_name(&self) -> &str {
        self.names.lifetime.as_deref().unwrap_or_default()
    }

    pub(crate) fn is_wrapper(&self, name: &str) -> bool {
        self.names.wrappers.iter().any(|wrapper| wrapper == name)
    }

    /// Returns the meaning of the member of this name. `None` if the member is not read.
    pub(crate) fn member(&self, name: &str) -> Option<Member> {
        let names = &self.names;
        let is = |own: &Option<String>| own.as_deref() == Some(name);
        if name == self.token_name() {
            return Some(Member::Token);
        }
        if is(&names.lifetime) {
            return Some(Member::VendorLifetime);
        }
        if is(&names.code) {
            return Some(Member::VendorCode);
        }
        if is(&names.description) {
            return Some(Member::VendorDescription);
        }
        let member = match name {
            "token_type" => Member::TokenType,
            "expires_in" => Member::Lifetime,
            "refresh_in" => Member::RefreshIn,
            "scope" => Member::Scope,
            "refresh_token" => Member::RefreshToken,
            "error" => Member::Code,
            "error_description" => Member::Description,
            "accessToken" if names.camel_case && names.token.is_none() => Member::Token,
            "tokenType" if names.camel_case => Member::TokenType,
            "expiresIn" if names.camel_case => Member::Lifetime,
            "refreshIn" if names.camel_case => Member::RefreshIn,
            "refreshToken" if names.camel_case => Member::RefreshToken,
            "errorDescription" if names.camel_case => Member::Description,
            other if looks_like_a_lifetime(other) => Member::UnreadLifetime,
            _ => return None,
        };
        match member {
            Member::RefreshToken if !self.refresh_token => None,
            member => Some(member),
        }
    }
}

/// Returns whether a name is one that vendors give to a lifetime or an expiry, in any notation.
fn looks_like_a_lifetime(name: &str) -> bool {
    const NAMES: [&str; 13] = [
        "exp",
        "expire",
        "expirein",
        "expires",
        "expiresat",
        "expiresin",
        "expiresinseconds",
        "expireson",
        "expiration",
        "expiry",
        "lifetime",
        "ttl",
        "validuntil",
    ];
    let plain = name.bytes().filter(|byte| !matches!(byte, b'_' | b'-'));
    let plain = plain.map(|byte| byte.to_ascii_lowercase());
    NAMES.iter().any(|known| plain.clone().eq(known.bytes()))
}
