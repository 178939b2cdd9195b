use std::time::Duration;

use auth_core::{AccessToken, Error, ErrorKind, Moment, RejectedPart, Secret, TokenRequestOutcome};
use bytes::Bytes;
use http::{Response, StatusCode};
use serde::Deserialize;
use serde_json::{error::Category, value::RawValue};
use zeroize::Zeroize as _;

use crate::{Scrubber, seconds};

mod body;
mod members;
mod refusal;
mod rules;

pub(crate) use body::{BodyKind, Seen, trimmed};
pub use rules::ReplyRules;

use body::CHECK;
use members::{Members, code, string};
use refusal::{ErrorReply, refusal};

/// Reads a token endpoint's reply: returns a token or a typed error.
///
/// For sources that send their token requests themselves. The sources of a
/// [`Client`](crate::Client) call it. `vendor` is the name in errors. `scrubber` knows the secrets
/// that the request carried. `now` is the time from which a `Retry-After` date counts if the reply
/// has no `Date`.
///
/// - The body is read as JSON with any `Content-Type`, with or without a byte order mark. Unknown
///   members are ignored. A member that is read must not occur twice. `null` counts as missing. The
///   rules can give members other names.
/// - `expires_in`: a number, or a string of digits, in seconds. Fractions are rounded down, a
///   negative number is zero, a number that is too large saturates. An empty string counts as
///   missing if there is a [`default_lifetime`](ReplyRules::default_lifetime). Any other value is
///   an error, because a guessed lifetime would hide it.
/// - A lifetime under another name (`expiresIn`, `expires`, `expires_at`, `ttl`, ...) is an error
///   if no rule reads it, there is no `expires_in`, and there is no
///   [`default_lifetime`](ReplyRules::default_lifetime). Its unit is unknown, and without a
///   lifetime the token would be used for the default lifetime of the policy. If the unit is
///   seconds, set [`lifetime_member`](ReplyRules::lifetime_member).
/// - `refresh_in`, the vendor's hint when to renew, is used if it is a number above zero.
/// - `scope`: a string or an array of strings. The values are joined by single spaces. A comma
///   separates values too, unless a requested or required scope contains a comma.
/// - `token_type` must be `Bearer`, in any letter case, or one of the
///   [`token_types`](ReplyRules::token_types). The token is not parsed.
/// - `refresh_token` is ignored unless [`ReplyRules::refresh_token`] is set. If it is set, the
///   member must be a string. An empty string counts as missing, and any other value is an error,
///   because the next renewal needs the refresh token.
/// - A compressed reply is an error that names the compression: requests of this crate send
///   `Accept-Encoding: identity`.
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
/// Each error says [how far the request got](Error::outcome). The first row that matches decides.
/// The `error` code (RFC 6749 section 5.2) is read with any media type.
///
/// | reply | [`ErrorKind`] | [`TokenRequestOutcome`] |
/// |---|---|---|
/// | a redirect, with any body | `Unavailable` | `NotUnderstood` |
/// | a code of [`credential_codes`](ReplyRules::credential_codes) | `Rejected` | `Rejected`, the credentials |
/// | a code of [`throttle_codes`](ReplyRules::throttle_codes), `slow_down` | `Throttled` | `Throttled` |
/// | `invalid_client` | `Rejected` | `Rejected`, the credentials |
/// | `invalid_grant` | `Rejected` | `Rejected`, the credentials, or the refresh token if [one was spent](ReplyRules::spends_refresh_token) |
/// | any other standard code that is final | `Rejected` | `Rejected`, the request |
/// | `temporarily_unavailable`, `server_error` | `Unavailable` | `NotUnderstood`; `Throttled` with 429 or with 503 and `Retry-After` |
/// | a status of [`quota_statuses`](ReplyRules::quota_statuses) | `Quota` | `Throttled` |
/// | 429, 503 with `Retry-After`, a status of [`throttle_statuses`](ReplyRules::throttle_statuses) | `Throttled` | `Throttled` |
/// | 401 | `Rejected` | `Rejected`, the credentials |
/// | 408, 425, 5xx | `Unavailable` | `NotUnderstood` |
/// | 4xx or 2xx with an unknown code | `Rejected` | `Rejected`, the request |
/// | 400, 403 or 422 with an empty body, or with a JSON object without a code | `Protocol` | `NotUnderstood` |
/// | any other 4xx: a page of a firewall, a proxy or an ingress | `Unavailable` | `NotUnderstood` |
/// | 2xx with JSON that has no valid token | `Protocol` | `Unknown`: the refresh token may be spent |
/// | 2xx with a page, an empty body | `Protocol` | `NotUnderstood` |
/// | a required scope was not granted | `Rejected` | `Rejected`, the request |
/// | any other status | `Protocol` | `NotUnderstood` |
///
/// **An HTML page rejects nothing.** Firewalls, proxies and captive portals answer in place of the
/// authorization server. Their pages do not reject credentials, and another try follows. A 401 with
/// an HTML page is an exception, because servlet containers and web servers answer wrong HTTP Basic
/// credentials that way. The error then names both causes.
///
/// **Rejections without a code.** Some servers answer a wrong client secret with 403, or a rejected
/// refresh token with 400, and an empty body. One such answer proves nothing; several equal ones
/// do. They differ from pages by their kind: outcome `NotUnderstood`, a [status](Error::status), no
/// [code](Error::code), and kind `Protocol` in place of `Unavailable`.
///
/// # Security
///
/// Of the body, only the error's code and description get into an error, after [`Scrubber::clean`].
/// Of the headers, an error shows only media types and content codings that this crate knows by
/// name. The body is wiped unless other code holds a clone of it.
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

/// Everything that is needed to read a reply.
#[derive(Clone, Copy)]
struct Reading<'a> {
    vendor: &'a str,
    rules: &'a ReplyRules,
    scrubber: &'a Scrubber,
    now: Moment,
}

impl Reading<'_> {
    fn read(&self, reply: &Response<Bytes>) -> Result<AccessToken, Error> {
        if !reply.status().is_success() {
            let said = ErrorReply::parse(reply.body(), self.rules);
            return Err(refusal(self, reply, &said));
        }
        let seen = Seen::of(reply);
        let unfit = |problem: &str| self.unfit(reply.status(), seen, problem);
        if seen.body != BodyKind::Object {
            let problem = if seen.is_json_like() {
                seen.describe()
            } else {
                format!("{}: {CHECK}", seen.describe())
            };
            return Err(unfit(&problem));
        }
        let text = std::str::from_utf8(body::trimmed(reply.body()));
        let text = text.map_err(|_| unfit("a body that is not UTF-8"))?;
        let members = Members::of_whole(self.rules, text).map_err(|error| {
            let (line, column) = (error.line(), error.column());
            let problem = match error.classify() {
                // Members are taken in any form: the only possible data error is a repeated member.
                Category::Data => "a member that occurs twice",
                Category::Eof => "a body that ends too early",
                Category::Syntax | Category::Io => "a body that is not JSON",
            };
            unfit(&format!("{problem} (line {line}, column {column})"))
        })?;
        let secret = members.token.and_then(string);
        // Some vendors send their own code with each success.
        let vendor_code = members.vendor_code.filter(|_| secret.is_none());
        let said = ErrorReply::of(&members, vendor_code.and_then(code));
        if said.code.is_some() {
            return Err(refusal(self, reply, &said));
        }
        self.token(&members, secret, unfit)
    }

    fn token(
        &self,
        members: &Members<'_>,
        secret: Option<String>,
        unfit: impl Fn(&str) -> Error,
    ) -> Result<AccessToken, Error> {
        let missing = || {
            let name = self.rules.token_name();
            format!(
                "and the reply has no valid `{name}`; if the vendor gives the token another name, \
                 set `token_member` in the reply rules"
            )
        };
        let secret = secret.ok_or_else(|| unfit(&missing()))?;
        self.check_token_type(members.token_type).map_err(&unfit)?;
        let mut token = AccessToken::new(Secret::new(secret));
        if let Some(lifetime) = self.lifetime(members).map_err(|problem| unfit(&problem))? {
            token = token.expires_in(lifetime);
        }
        if let Some(json) = members.refresh_token {
            let text: Option<String> = serde_json::from_str(json.get()).ok();
            let text = text.ok_or_else(|| unfit("`refresh_token` is not a string"))?;
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
                .ok_or_else(|| unfit("`scope` is not a string"))?,
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

    fn lifetime(&self, members: &Members<'_>) -> Result<Option<Duration>, String> {
        let default = self.rules.default_lifetime;
        let is_stated = |json: &&RawValue| default.is_none() || json.get() != "\"\"";
        let stated = [
            ("expires_in", members.lifetime),
            (self.rules.lifetime_name(), members.vendor_lifetime),
        ];
        for (name, json) in stated {
            let Some(json) = json.filter(is_stated) else {
                continue;
            };
            let problem = || format!("`{name}` is neither a number nor a string of digits");
            return lifetime(json).map(Some).ok_or_else(problem);
        }
        match &members.unread_lifetime {
            Some(name) if default.is_none() => Err(format!(
                "says `{name}` and not `expires_in`: set the lifetime's member, or a default \
                 lifetime, in the reply rules"
            )),
            _ => Ok(default),
        }
    }

    /// RFC 6749 section 7.1: a token of an unknown type must not be used.
    fn check_token_type(&self, json: Option<&RawValue>) -> Result<(), &'static str> {
        let is_bearer = |name: &str| {
            let types = self.rules.token_types.iter().map(String::as_str);
            types
                .chain(["bearer"])
                .any(|known| known.eq_ignore_ascii_case(name))
        };
        match json.map(string) {
            None if self.rules.allow_missing_token_type => Ok(()),
            None => Err(
                "`token_type` is missing; if the vendor omits it, set `allow_missing_token_type` in \
                 the reply rules",
            ),
            Some(Some(name)) if is_bearer(&name) => Ok(()),
            Some(_) => Err(
                "`token_type` is not Bearer; if the vendor gives it another name, set `token_types` \
                 in the reply rules",
            ),
        }
    }

    /// Returns the values with single spaces between them, scrubbed because the scope is logged.
    fn scope(&self, json: &RawValue) -> Option<String> {
        let values = match serde_json::from_str(json.get()).ok()? {
            Scope::Text(text) => vec![text],
            Scope::List(texts) => texts,
        };
        let asked = self.rules.requested_scope.iter();
        let commas = asked
            .chain(&self.rules.require_scopes)
            .any(|scope| scope.contains(','));
        let separates = |char: char| char.is_whitespace() || (char == ',' && !commas);
        let values: Vec<_> = values
            .iter()
            .flat_map(|text| text.split(separates))
            .filter(|value| !value.is_empty())
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
                let message = format!("scope `{scope}` was not granted");
                Err(Error::new(ErrorKind::Rejected, message)
                    .with_vendor(self.vendor.to_owned())
                    .with_outcome(TokenRequestOutcome::Rejected)
                    .with_rejected_part(RejectedPart::Request))
            }
        }
    }

    fn unfit(&self, status: StatusCode, seen: Seen, problem: &str) -> Error {
        let message = format!("token endpoint answered {}, {problem}", status.as_u16());
        let outcome = if seen.is_json_like() {
            TokenRequestOutcome::Unknown
        } else {
            TokenRequestOutcome::NotUnderstood
        };
        Error::new(ErrorKind::Protocol, message)
            .with_vendor(self.vendor.to_owned())
            .with_status(status)
            .with_outcome(outcome)
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

#[cfg(test)]
mod tests;
