use std::{fmt, time::Duration};

use auth_core::{AccessToken, Error, ErrorKind, Moment, Secret};
use bytes::Bytes;
use http::{Response, StatusCode};
use serde::{
    Deserialize,
    de::{DeserializeSeed, Deserializer, Error as _, MapAccess, Visitor},
};
use serde_json::{error::Category, value::RawValue};
use zeroize::Zeroize as _;

use crate::{
    Scrubber,
    error::{self, BOM, ErrorReply, string},
    seconds,
};

/// What a vendor's replies may leave out, must have, or mean by a status.
///
/// The default is RFC 6749 sections 5.1 and 5.2, read generously.
///
/// # Example
///
/// ```
/// use auth_oauth2::ReplyRules;
/// use http::StatusCode;
///
/// let rules = ReplyRules::new()
///     .allow_missing_token_type()
///     .require_scopes(["read:meters"])
///     .quota_statuses([StatusCode::BAD_REQUEST, StatusCode::TOO_MANY_REQUESTS]);
/// ```
#[derive(Clone, Debug, Default)]
pub struct ReplyRules {
    allow_missing_token_type: bool,
    require_scopes: Vec<String>,
    requested_scope: Option<String>,
    quota_statuses: Vec<StatusCode>,
    token_member: Option<String>,
    default_lifetime: Option<Duration>,
    refresh_token: bool,
}

impl ReplyRules {
    /// Makes the standard's rules.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes a reply without `token_type` for a bearer token; the standard asks for one.
    #[must_use]
    pub fn allow_missing_token_type(mut self) -> Self {
        self.allow_missing_token_type = true;
        self
    }

    /// Refuses tokens that were not granted all of these scopes, which says so when the token comes
    /// and not by a 403 later.
    #[must_use]
    pub fn require_scopes<T: Into<String>>(mut self, scopes: impl IntoIterator<Item = T>) -> Self {
        self.require_scopes = scopes.into_iter().map(Into::into).collect();
        self
    }

    /// Sets the scope that was asked for: what was granted where a reply does not say (RFC 6749
    /// section 5.1). [`ClientCredentials`](crate::ClientCredentials) sets it by itself.
    #[must_use]
    pub fn requested_scope(mut self, scope: impl Into<String>) -> Self {
        self.requested_scope = Some(scope.into());
        self
    }

    /// Sets the statuses that mean "over quota" ([`ErrorKind::Quota`]) when the reply has none of
    /// the standard `error` codes.
    #[must_use]
    pub fn quota_statuses(mut self, statuses: impl IntoIterator<Item = StatusCode>) -> Self {
        self.quota_statuses = statuses.into_iter().collect();
        self
    }

    /// Sets the name of the member that holds the token; default `access_token`. For vendors that
    /// have a login of their own.
    #[must_use]
    pub fn token_member(mut self, name: impl Into<String>) -> Self {
        self.token_member = Some(name.into());
        self
    }

    /// Sets how long a token lives where a reply does not say, because the vendor says so elsewhere.
    #[must_use]
    pub fn default_lifetime(mut self, lifetime: Duration) -> Self {
        self.default_lifetime = Some(lifetime);
        self
    }

    /// Reads the member `refresh_token` too, for a source that
    /// [keeps them](auth_core::TokenSource::keeps_refresh_tokens). The grants of this crate do as
    /// their own settings say.
    #[must_use]
    pub fn refresh_token(self) -> Self {
        self.with_refresh_token(true)
    }

    pub(crate) fn with_refresh_token(mut self, read: bool) -> Self {
        self.refresh_token = read;
        self
    }

    fn token_name(&self) -> &str {
        self.token_member.as_deref().unwrap_or("access_token")
    }

    pub(crate) fn is_quota(&self, status: StatusCode) -> bool {
        self.quota_statuses.contains(&status)
    }
}

/// Reads a token endpoint's reply: a token, or a typed error.
///
/// For sources that make their requests themselves; [`ClientCredentials`](crate::ClientCredentials)
/// calls it for its own. `vendor` is named in errors, `scrubber` knows the secrets that the request
/// carried, and `now` is what a `Retry-After` date counts from where the reply has no `Date`.
///
/// - JSON is read whatever `Content-Type` says, with or without a byte order mark. Unknown members
///   are ignored, a member that is read must not come twice, and `null` is a missing one.
/// - `expires_in`: a number, or a string of digits. Fractions are rounded down, what is below zero
///   is zero, what is too large saturates, without it the token has no lifetime. Anything else is
///   an error: a guessed lifetime would hide it.
/// - `refresh_in`, the hint when to renew, counts if it is a number above zero.
/// - `scope`: a string or an array of strings; the values end up separated by single spaces.
/// - `token_type` must be `Bearer`, in any case. The token itself is not parsed.
/// - `refresh_token` is ignored, whatever it is, unless the rules
///   [say otherwise](ReplyRules::refresh_token). Then it is a string; an empty one counts as missing,
///   and anything else is an error: a token that cannot be read would be missed at the next renewal.
///
/// # Example
///
/// ```
/// use std::time::Duration;
///
/// use auth_core::Moment;
/// use auth_oauth2::{ReplyRules, Scrubber, parse_reply};
/// use bytes::Bytes;
/// use http::Response;
///
/// let body = r#"{"access_token":"fake-token","token_type":"Bearer","expires_in":3600}"#;
/// let reply = Response::new(Bytes::from(body));
/// let token = parse_reply("example", reply, &ReplyRules::new(), &Scrubber::new(), Moment::PAST)?;
/// assert_eq!(token.lifetime(), Some(Duration::from_secs(3600)));
/// # Ok::<(), auth_core::Error>(())
/// ```
///
/// # Errors
///
/// The `error` code decides (RFC 6749 section 5.2), whatever the status; the status decides where
/// there is no code or an unknown one.
///
/// - [`Rejected`](ErrorKind::Rejected): a code such as `invalid_client`, a redirect, any other 4xx,
///   a required scope that was not granted.
/// - [`Unavailable`](ErrorKind::Unavailable): `temporarily_unavailable`, `server_error`,
///   `slow_down`, 408, 425, 5xx.
/// - [`Throttled`](ErrorKind::Throttled): 429, and 503 with `Retry-After`.
/// - [`Quota`](ErrorKind::Quota): the [`quota_statuses`](ReplyRules::quota_statuses).
/// - [`Protocol`](ErrorKind::Protocol): a success that brings no usable token.
///
/// # Security
///
/// Of the body, only `error` and `error_description` get into an error, cleaned by
/// [`Scrubber::clean`] and cut. The body is wiped if nobody else shares it.
pub fn parse_reply(
    vendor: &str,
    reply: Response<Bytes>,
    rules: &ReplyRules,
    scrubber: &Scrubber,
    now: Moment,
) -> Result<AccessToken, Error> {
    let result = Reading {
        vendor,
        rules,
        scrubber,
        now,
    }
    .read(&reply);
    if let Ok(mut body) = reply.into_body().try_into_mut() {
        body.as_mut().zeroize();
    }
    result
}

/// What it takes to read a reply.
#[derive(Clone, Copy)]
pub(crate) struct Reading<'a> {
    pub(crate) vendor: &'a str,
    pub(crate) rules: &'a ReplyRules,
    pub(crate) scrubber: &'a Scrubber,
    pub(crate) now: Moment,
}

impl Reading<'_> {
    fn read(&self, reply: &Response<Bytes>) -> Result<AccessToken, Error> {
        if !reply.status().is_success() {
            return Err(error::refusal(
                self,
                reply,
                &ErrorReply::parse(reply.body()),
            ));
        }
        let unfit = |problem: &str| self.unfit(reply.status(), problem);
        let text = json_text(reply.body()).map_err(unfit)?;
        let mut json = serde_json::Deserializer::from_str(text);
        let read = MembersOf(self.rules).deserialize(&mut json);
        let members = read.and_then(|members| json.end().map(|()| members));
        let members = members.map_err(|error| {
            let (line, column) = (error.line(), error.column());
            let problem = match error.classify() {
                // The members are taken as they come: all that can be wrong with one is its place.
                Category::Data => "a member given twice",
                Category::Eof => "a body that ends too early",
                Category::Syntax | Category::Io => "a body that is not JSON",
            };
            unfit(&format!("{problem} (line {line}, column {column})"))
        })?;
        if let Some(code) = members.error.and_then(string) {
            let description = members.error_description.and_then(string);
            let said = ErrorReply {
                code: Some(code),
                description,
            };
            return Err(error::refusal(self, reply, &said));
        }
        self.token(&members, unfit)
    }

    fn token(
        &self,
        members: &Members<'_>,
        unfit: impl Fn(&str) -> Error,
    ) -> Result<AccessToken, Error> {
        let missing = || format!("brings no usable `{}`", self.rules.token_name());
        let secret = members
            .token
            .and_then(string)
            .ok_or_else(|| unfit(&missing()))?;
        self.check_token_type(members.token_type).map_err(&unfit)?;
        let mut token = AccessToken::new(Secret::new(secret));
        if let Some(json) = members.expires_in {
            let problem = "`expires_in` is neither a number nor a string of digits";
            token = token.expires_in(lifetime(json).ok_or_else(|| unfit(problem))?);
        } else if let Some(lifetime) = self.rules.default_lifetime {
            token = token.expires_in(lifetime);
        }
        if let Some(json) = members.refresh_token {
            let text: Option<String> = serde_json::from_str(json.get()).ok();
            let text = text.ok_or_else(|| unfit("`refresh_token` is no text"))?;
            if !text.is_empty() {
                token = token.refresh_token(Secret::new(text));
            }
        }
        let hint = members
            .refresh_in
            .and_then(|json| seconds::number(json.get()));
        if let Some(hint) = hint.filter(|hint| !hint.is_zero()) {
            token = token.refresh_in(hint);
        }
        let granted = match members.scope {
            Some(json) => self
                .scope(json)
                .ok_or_else(|| unfit("`scope` is no text"))?,
            None => String::new(),
        };
        let requested = || self.rules.requested_scope.clone();
        let granted = Some(granted)
            .filter(|scope| !scope.is_empty())
            .or_else(requested);
        self.check_granted(granted.as_deref())?;
        Ok(match granted {
            Some(granted) => token.scope(granted),
            None => token,
        })
    }

    /// RFC 6749 section 7.1: a token of an unknown type must not be used.
    fn check_token_type(&self, json: Option<&RawValue>) -> Result<(), &'static str> {
        match json.map(string) {
            None if self.rules.allow_missing_token_type => Ok(()),
            None => Err("`token_type` is missing"),
            Some(Some(name)) if name.eq_ignore_ascii_case("bearer") => Ok(()),
            Some(_) => Err("`token_type` is not Bearer"),
        }
    }

    /// The values with single spaces between them; it ends up in logs, so it is cleaned too.
    fn scope(&self, json: &RawValue) -> Option<String> {
        let values = match serde_json::from_str(json.get()).ok()? {
            Scope::Text(text) => vec![text],
            Scope::List(texts) => texts,
        };
        let values: Vec<_> = values
            .iter()
            .flat_map(|text| text.split_whitespace())
            .collect();
        Some(self.scrubber.clean(&values.join(" "), usize::MAX))
    }

    fn check_granted(&self, granted: Option<&str>) -> Result<(), Error> {
        let granted: Vec<_> = granted.unwrap_or_default().split(' ').collect();
        let required = &self.rules.require_scopes;
        match required
            .iter()
            .find(|scope| !granted.contains(&scope.as_str()))
        {
            None => Ok(()),
            Some(scope) => {
                let message = format!("{}: scope `{scope}` was not granted", self.vendor);
                Err(Error::new(ErrorKind::Rejected, message))
            }
        }
    }

    fn unfit(&self, status: StatusCode, problem: &str) -> Error {
        let message = format!(
            "{}: token endpoint answered {}, {problem}",
            self.vendor,
            status.as_u16()
        );
        Error::new(ErrorKind::Protocol, message).with_status(status)
    }
}

/// The members that are read, not yet looked into; `null` counts as missing.
#[derive(Default)]
struct Members<'a> {
    token: Option<&'a RawValue>,
    token_type: Option<&'a RawValue>,
    expires_in: Option<&'a RawValue>,
    refresh_in: Option<&'a RawValue>,
    scope: Option<&'a RawValue>,
    refresh_token: Option<&'a RawValue>,
    error: Option<&'a RawValue>,
    error_description: Option<&'a RawValue>,
}

/// Reads those that the rules know. A member that comes twice is an error.
struct MembersOf<'r>(&'r ReplyRules);

impl<'de> DeserializeSeed<'de> for MembersOf<'_> {
    type Value = Members<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for MembersOf<'_> {
    type Value = Members<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Members::default();
        while let Some(name) = map.next_key::<String>()? {
            let value = map.next_value::<&RawValue>()?;
            let place = match name.as_str() {
                name if name == self.0.token_name() => &mut members.token,
                "token_type" => &mut members.token_type,
                "expires_in" => &mut members.expires_in,
                "refresh_in" => &mut members.refresh_in,
                "scope" => &mut members.scope,
                "refresh_token" if self.0.refresh_token => &mut members.refresh_token,
                "error" => &mut members.error,
                "error_description" => &mut members.error_description,
                _ => continue,
            };
            if place.replace(value).is_some() {
                return Err(A::Error::custom("a member given twice"));
            }
        }
        let Members {
            token,
            token_type,
            expires_in,
            refresh_in,
            scope,
            refresh_token,
            error,
            error_description,
        } = &mut members;
        for place in [
            token,
            token_type,
            expires_in,
            refresh_in,
            scope,
            refresh_token,
            error,
            error_description,
        ] {
            *place = place.filter(|value| value.get() != "null");
        }
        Ok(members)
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Scope {
    Text(String),
    List(Vec<String>),
}

fn lifetime(json: &RawValue) -> Option<Duration> {
    match string(json) {
        Some(text) => seconds::digits(&text),
        None => seconds::number(json.get()),
    }
}

/// Returns the text of a JSON object, or says what the body is instead, without showing it.
fn json_text(body: &[u8]) -> Result<&str, &'static str> {
    let body = body.strip_prefix(BOM).unwrap_or(body).trim_ascii();
    if body.starts_with(b"\xff\xfe")
        || body.starts_with(b"\xfe\xff")
        || body.iter().take(4).any(|byte| *byte == 0)
    {
        return Err("in UTF-16 or UTF-32 where JSON has to be UTF-8");
    }
    match body.first() {
        None => Err("an empty body"),
        Some(b'{') => std::str::from_utf8(body).map_err(|_| "a body that is not UTF-8"),
        Some(b'[') => Err("a JSON array where an object was expected"),
        Some(b'<') => Err("HTML where JSON was expected: is there a captive portal or a proxy?"),
        Some(_) if body.starts_with(b"access_token=") => {
            Err("a form-encoded body where JSON was expected")
        }
        Some(_) => Err("a body that is no JSON object"),
    }
}

#[cfg(test)]
mod tests;
