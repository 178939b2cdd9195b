use std::time::Duration;

use http::StatusCode;

/// How a vendor's replies differ from the standard.
///
/// The default is RFC 6749 sections 5.1 and 5.2, read generously.
///
/// # Example
///
/// A vendor that wraps its replies, writes names in camel case, throttles with 403 and says
/// `BAD_LOGIN` for a wrong secret:
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

/// Names of members, beside the standard's.
#[derive(Clone, Debug, Default)]
struct Names {
    camel_case: bool,
    wrappers: Vec<String>,
    token: Option<String>,
    lifetime: Option<String>,
    code: Option<String>,
    description: Option<String>,
}

/// What a member of a reply is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Member {
    Token,
    TokenType,
    Lifetime,
    VendorLifetime,
    /// Looks like a lifetime, and no rule reads it.
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

    /// Takes a reply without `token_type` for a bearer token. The standard requires the member.
    #[must_use]
    pub fn allow_missing_token_type(mut self) -> Self {
        self.allow_missing_token_type = true;
        self
    }

    /// Sets the values of `token_type` that mean a bearer token beside `Bearer`, for example
    /// `BearerToken`. Case makes no difference. Default: none.
    #[must_use]
    pub fn token_types<T: Into<String>>(mut self, types: impl IntoIterator<Item = T>) -> Self {
        self.token_types = types.into_iter().map(Into::into).collect();
        self
    }

    /// Rejects tokens that were not granted all of these scopes: the error comes with the token and
    /// not as a 403 of the API later.
    #[must_use]
    pub fn require_scopes<T: Into<String>>(mut self, scopes: impl IntoIterator<Item = T>) -> Self {
        self.require_scopes = scopes.into_iter().map(Into::into).collect();
        self
    }

    /// Sets the requested scope, which counts as granted if a reply does not say (RFC 6749 section
    /// 5.1). The grants of this crate set it themselves.
    #[must_use]
    pub fn requested_scope(mut self, scope: impl Into<String>) -> Self {
        self.requested_scope = Some(scope.into());
        self
    }

    /// Sets the statuses that mean "over quota" ([`Quota`](auth_core::ErrorKind::Quota)) in a reply
    /// without a standard `error` code. An HTML page with such a status is a page, unless the
    /// status is 429. Default: none.
    #[must_use]
    pub fn quota_statuses(mut self, statuses: impl IntoIterator<Item = StatusCode>) -> Self {
        self.quota_statuses = statuses.into_iter().collect();
        self
    }

    /// Sets the statuses that mean "too many requests" beside 429, as
    /// [`quota_statuses`](Self::quota_statuses), for example 403. Default: none.
    #[must_use]
    pub fn throttle_statuses(mut self, statuses: impl IntoIterator<Item = StatusCode>) -> Self {
        self.throttle_statuses = statuses.into_iter().collect();
        self
    }

    /// Sets the error codes that mean "too many requests", whatever the status. Default: none.
    #[must_use]
    pub fn throttle_codes<T: Into<String>>(mut self, codes: impl IntoIterator<Item = T>) -> Self {
        self.throttle_codes = codes.into_iter().map(Into::into).collect();
        self
    }

    /// Sets how long to wait after "too many requests" or "over quota" without `Retry-After`, for
    /// example 30 minutes. Default: the [`RefreshPolicy`](auth_core::RefreshPolicy) decides.
    #[must_use]
    pub fn throttle_wait(mut self, wait: Duration) -> Self {
        self.throttle_wait = Some(wait);
        self
    }

    /// Sets the error codes that mean wrong credentials, whatever the status, as `invalid_client`
    /// does. Default: none.
    #[must_use]
    pub fn credential_codes<T: Into<String>>(mut self, codes: impl IntoIterator<Item = T>) -> Self {
        self.credential_codes = codes.into_iter().map(Into::into).collect();
        self
    }

    /// Sets the name of the member that holds the token. Default: `access_token`. For vendors with
    /// a login of their own.
    #[must_use]
    pub fn token_member(mut self, name: impl Into<String>) -> Self {
        self.names.token = Some(name.into());
        self
    }

    /// Sets the name of a member that holds the lifetime in seconds, beside `expires_in`, for
    /// example `expires`.
    #[must_use]
    pub fn lifetime_member(mut self, name: impl Into<String>) -> Self {
        self.names.lifetime = Some(name.into());
        self
    }

    /// Sets the name of a member that holds the error code, beside `error`: a text or a number. In
    /// a success that brings a token the member means nothing (`"code":0`).
    #[must_use]
    pub fn code_member(mut self, name: impl Into<String>) -> Self {
        self.names.code = Some(name.into());
        self
    }

    /// Sets the name of a member that holds the error's text, beside `error_description`, for
    /// example `message`. The text is scrubbed, cut, and shown.
    #[must_use]
    pub fn description_member(mut self, name: impl Into<String>) -> Self {
        self.names.description = Some(name.into());
        self
    }

    /// Reads the members of the object that stands under this name as if they stood at the top, for
    /// example of `{"data":{"access_token":...}}`. May be called several times.
    #[must_use]
    pub fn wrapped_in(mut self, name: impl Into<String>) -> Self {
        self.names.wrappers.push(name.into());
        self
    }

    /// Reads the standard's names in camel case too: `accessToken`, `tokenType`, `expiresIn`,
    /// `refreshIn`, `refreshToken`, `errorDescription`.
    #[must_use]
    pub fn camel_case(mut self) -> Self {
        self.names.camel_case = true;
        self
    }

    /// Sets the lifetime of a token whose reply states none, or an empty one, because the vendor
    /// documents it elsewhere.
    #[must_use]
    pub fn default_lifetime(mut self, lifetime: Duration) -> Self {
        self.default_lifetime = Some(lifetime);
        self
    }

    /// Reads the member `refresh_token` too, for a source that
    /// [keeps them](auth_core::TokenSource::keeps_refresh_tokens). The grants of this crate set it
    /// themselves.
    #[must_use]
    pub fn refresh_token(self) -> Self {
        self.with_refresh_token(true)
    }

    /// Says that the request spent a refresh token: `invalid_grant` then rejects that token and not
    /// the credentials. The grants of this crate set it themselves.
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

    /// Tells what a member of this name is; `None` for one that is not read.
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

/// Whether a name is one of those that vendors give a lifetime or an expiry, in any notation.
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
