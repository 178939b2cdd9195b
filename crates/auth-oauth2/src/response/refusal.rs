use std::time::Duration;

use auth_core::{Error, ErrorKind, RejectedPart, TokenRequestOutcome};
use http::{Response, StatusCode};

use super::{
    Reading,
    body::{BodyKind, CHECK, Seen, trimmed},
    members::{Members, code, string},
    rules::ReplyRules,
};
use crate::retry_after::retry_after;

/// The code and the description of an error reply (RFC 6749 section 5.2), not scrubbed.
pub(super) struct ErrorReply {
    pub(super) code: Option<String>,
    description: Option<String>,
}

impl ErrorReply {
    /// Reads the members before the first fault, from a body that may be cut or broken.
    pub(super) fn parse(body: &[u8], rules: &ReplyRules) -> Self {
        let body = body.get(..MAX_LOOK).unwrap_or(body);
        let chunk = trimmed(body).utf8_chunks().next();
        let text = chunk.map_or("", |chunk| chunk.valid());
        let members = Members::of_beginning(rules, text);
        Self::of(&members, members.vendor_code.and_then(code))
    }

    /// The members of the standard take precedence over the vendor's own.
    pub(super) fn of(members: &Members<'_>, vendor_code: Option<String>) -> Self {
        let descriptions = [members.description, members.vendor_description];
        Self {
            code: members.code.and_then(string).or(vendor_code),
            description: descriptions.into_iter().flatten().find_map(string),
        }
    }
}

/// How much of an error reply is read, in bytes.
const MAX_LOOK: usize = 8 * 1024;
/// How much of an error's code is kept, in bytes.
const MAX_CODE: usize = 64;
const MAX_DESCRIPTION: usize = 256;

/// Makes the error for a reply without a token. Only the code and the description, scrubbed, get
/// from the body into the error.
pub(super) fn refusal<B: AsRef<[u8]>>(
    reading: &Reading<'_>,
    reply: &Response<B>,
    said: &ErrorReply,
) -> Error {
    let Reading {
        vendor,
        rules,
        scrubber,
        now,
    } = *reading;
    let status = reply.status();
    let facts = Facts {
        status,
        code: said.code.as_deref(),
        pause: retry_after(reply.headers(), now),
        seen: Seen::of(reply),
        rules,
    };
    let verdict = facts.verdict();
    let clean = |text: &Option<String>, max| {
        text.as_deref()
            .map(|text| scrubber.clean(text, max))
            .filter(|text| !text.is_empty())
    };
    let code = clean(&said.code, MAX_CODE);
    let description = clean(&said.description, MAX_DESCRIPTION);
    let mut message = format!("token endpoint answered {}", status.as_u16());
    match &code {
        Some(code) => message.push_str(&format!(" with `{code}`")),
        None if description.is_none() => {
            message.push_str(&format!(" with {}", facts.seen.describe()));
        }
        None => {}
    }
    if let Some(description) = &description {
        message.push_str(&format!(": {description}"));
    }
    if let Some(hint) = facts.hint(&verdict) {
        message.push_str(&format!("; {hint}"));
    }
    let mut error = Error::new(verdict.kind, message)
        .with_vendor(vendor.to_owned())
        .with_status(status)
        .with_outcome(verdict.outcome);
    if let Some(part) = verdict.rejected {
        error = error.with_rejected_part(part);
    }
    if let Some(code) = code {
        error = error.with_code(code);
    }
    let wait = facts.pause.or_else(|| {
        let throttled = verdict.outcome == TokenRequestOutcome::Throttled;
        rules.throttle_wait.filter(|_| throttled)
    });
    match wait {
        Some(wait) if error.is_transient() => error.with_retry_after(wait),
        _ => error,
    }
}

/// The facts that decide the kind and outcome.
struct Facts<'a> {
    status: StatusCode,
    code: Option<&'a str>,
    pause: Option<Duration>,
    seen: Seen,
    rules: &'a ReplyRules,
}

#[derive(Debug, PartialEq, Eq)]
struct Verdict {
    kind: ErrorKind,
    outcome: TokenRequestOutcome,
    rejected: Option<RejectedPart>,
}

impl Verdict {
    const THROTTLED: Self = Self {
        kind: ErrorKind::Throttled,
        outcome: TokenRequestOutcome::Throttled,
        rejected: None,
    };
    const QUOTA: Self = Self {
        kind: ErrorKind::Quota,
        ..Self::THROTTLED
    };

    const fn rejected(part: RejectedPart) -> Self {
        Self {
            kind: ErrorKind::Rejected,
            outcome: TokenRequestOutcome::Rejected,
            rejected: Some(part),
        }
    }

    const fn not_understood(kind: ErrorKind) -> Self {
        Self {
            kind,
            outcome: TokenRequestOutcome::NotUnderstood,
            rejected: None,
        }
    }
}

impl Facts<'_> {
    /// The table of [`parse_reply`](crate::parse_reply), row by row.
    fn verdict(&self) -> Verdict {
        let status = self.status;
        if status.is_redirection() {
            return Verdict::not_understood(ErrorKind::Unavailable);
        }
        if let Some(verdict) = self.code.and_then(|code| self.known(code)) {
            return verdict;
        }
        let is_page = self.seen.is_page() && status != StatusCode::TOO_MANY_REQUESTS;
        let means = |statuses: &[StatusCode]| statuses.contains(&status) && !is_page;
        if means(&self.rules.quota_statuses) {
            return Verdict::QUOTA;
        }
        if self.asks_for_less() || means(&self.rules.throttle_statuses) {
            return Verdict::THROTTLED;
        }
        match (status, self.code) {
            (StatusCode::UNAUTHORIZED, _) => Verdict::rejected(RejectedPart::Credentials),
            (StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY, _) => {
                Verdict::not_understood(ErrorKind::Unavailable)
            }
            _ if status.is_server_error() => Verdict::not_understood(ErrorKind::Unavailable),
            // An unknown code with a success status is an error too.
            (_, Some(_)) if status.is_client_error() || status.is_success() => {
                Verdict::rejected(RejectedPart::Request)
            }
            _ if self.may_be_wordless() => Verdict::not_understood(ErrorKind::Protocol),
            _ if status.is_client_error() => Verdict::not_understood(ErrorKind::Unavailable),
            _ => Verdict::not_understood(ErrorKind::Protocol),
        }
    }

    /// Knows the vendor's codes, and the codes of RFC 6749 sections 4.1.2.1 and 5.2, RFC 8628
    /// section 3.5 and RFC 8707 section 2.
    fn known(&self, code: &str) -> Option<Verdict> {
        let is_one_of = |codes: &[String]| codes.iter().any(|known| known == code);
        if is_one_of(&self.rules.credential_codes) {
            return Some(Verdict::rejected(RejectedPart::Credentials));
        }
        if is_one_of(&self.rules.throttle_codes) {
            return Some(Verdict::THROTTLED);
        }
        Some(match code {
            "invalid_client" => Verdict::rejected(RejectedPart::Credentials),
            "invalid_grant" if self.rules.spends_refresh_token => {
                Verdict::rejected(RejectedPart::RefreshToken)
            }
            "invalid_grant" => Verdict::rejected(RejectedPart::Credentials),
            // RFC 6749 section 5.2 uses 401 only for failed client authentication.
            "access_denied" | "unauthorized_client" if self.status == StatusCode::UNAUTHORIZED => {
                Verdict::rejected(RejectedPart::Credentials)
            }
            "access_denied"
            | "invalid_request"
            | "invalid_scope"
            | "invalid_target"
            | "unauthorized_client"
            | "unsupported_grant_type" => Verdict::rejected(RejectedPart::Request),
            "slow_down" => Verdict::THROTTLED,
            "server_error" | "temporarily_unavailable" if self.asks_for_less() => Verdict {
                kind: ErrorKind::Unavailable,
                ..Verdict::THROTTLED
            },
            "server_error" | "temporarily_unavailable" => {
                Verdict::not_understood(ErrorKind::Unavailable)
            }
            _ => return None,
        })
    }

    fn asks_for_less(&self) -> bool {
        match self.status {
            StatusCode::TOO_MANY_REQUESTS => true,
            StatusCode::SERVICE_UNAVAILABLE => self.pause.is_some(),
            _ => false,
        }
    }

    /// Returns whether the reply may be a rejection by the authorization server without a code.
    fn may_be_wordless(&self) -> bool {
        let is_verdict = matches!(
            self.status,
            StatusCode::BAD_REQUEST | StatusCode::FORBIDDEN | StatusCode::UNPROCESSABLE_ENTITY
        );
        is_verdict && matches!(self.seen.body, BodyKind::Empty | BodyKind::Object)
    }

    /// Returns the likely cause, or what to check, if the vendor does not say.
    fn hint(&self, verdict: &Verdict) -> Option<String> {
        if self.status.is_redirection() {
            return Some(format!(
                "redirects are not followed, because they would carry the credentials elsewhere; \
                 {CHECK}"
            ));
        }
        if verdict.kind == ErrorKind::Quota {
            return Some("the quota of token requests is used up".into());
        }
        if self.code.is_some() || self.status.is_server_error() {
            return None;
        }
        let refresh = self.rules.spends_refresh_token;
        let wordless = verdict.kind == ErrorKind::Protocol && self.status.is_client_error();
        let rejected = verdict.kind == ErrorKind::Rejected;
        let hint = match self.status {
            StatusCode::UNAUTHORIZED if rejected && self.seen.is_page() => format!(
                "the client secret may be wrong, or another of the credentials; if a proxy answers \
                 in between, the page is the proxy's: {CHECK}"
            ),
            StatusCode::UNAUTHORIZED if rejected => {
                "the client secret may be wrong, or another of the credentials".into()
            }
            StatusCode::FORBIDDEN if wordless && refresh => {
                "the client secret may be wrong, or the refresh token may have expired or been \
                 revoked: log in again"
                    .into()
            }
            StatusCode::FORBIDDEN if wordless => {
                "the client secret may be wrong, or the client may not have this grant".into()
            }
            _ if wordless && refresh => {
                "the refresh token may have expired or been revoked: log in again".into()
            }
            _ if wordless => {
                "a parameter of the request may be wrong, or one of the credentials".into()
            }
            _ if verdict.outcome == TokenRequestOutcome::NotUnderstood => {
                format!("the credentials are not rejected; {CHECK}")
            }
            _ => return None,
        };
        Some(hint)
    }
}

#[cfg(test)]
mod tests;
