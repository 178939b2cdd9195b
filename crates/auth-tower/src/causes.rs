//! Why a request was not signed or not sent again.

use std::fmt;

use auth_core::{Error, NoWiderScope, Origins};
use http::Request;

/// Why a request was sent without a token.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Unsigned {
    /// The destination is not in the authenticator's [`Origins`](auth_core::Origins), or the URI
    /// has no scheme and host.
    OtherOrigin,
    /// The `Host` header names another host than the URI.
    OtherHost,
    /// The request has no [`Key`](auth_core::Key), and
    /// [`MissingToken::SendUnsigned`](crate::MissingToken::SendUnsigned) is set.
    NoKey,
    /// No token could be had, and [`MissingToken::SendUnsigned`](crate::MissingToken::SendUnsigned)
    /// is set; the error says why.
    NoToken(Error),
    /// The caller set the credential header, and
    /// [`ExistingCredential::Keep`](crate::ExistingCredential::Keep) is set.
    OwnCredentials,
    /// The request was sent with a token, and a layer below removed it before the request that the
    /// response answers: a redirect follower went to another origin and returned. A refusal then
    /// says nothing about the token. Set by [`OriginGuardLayer`](crate::OriginGuardLayer).
    RemovedBelow,
}

/// Why a refused request was not sent again.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum NotReplayed {
    /// Replay is off, for the layer or for this method.
    Off,
    /// The body could not be kept. The token is renewed in the background.
    Body,
    /// The body is longer than [`ReplayBodyLayer`](crate::ReplayBodyLayer) may keep. The token is
    /// renewed in the background.
    TooLarge,
    /// The refusal answers another request than the one that was sent, because a client or a layer
    /// below followed a redirect, and the method is not safe: the API may have carried out the
    /// request. The token is renewed in the background. See
    /// [`AnsweredRequest`](crate::AnsweredRequest) and [`auth_core::Redirected`].
    Redirected,
    /// A client or a layer below may have followed a redirect unnoticed, and the method is not
    /// idempotent (RFC 9110 section 9.2.2): the API may have carried out the request. The token is
    /// renewed in the background. See [`auth_core::RedirectsUnseen`], and
    /// [`AuthLayer`](crate::AuthLayer#redirect-followers-below) for how to change this.
    RedirectsUnseen,
    /// This refusal starts no token request: an earlier token request failed or brought a token
    /// that the API refused too, or the quota has no free slot. A later refusal starts a token
    /// request.
    RefusalBackOff,
    /// No other token could be had; the error says why.
    NoToken(Error),
    /// The credential does not expire, for example an API key, and its source has no other one.
    Unchanged,
    /// The API requires a token with a larger scope, and
    /// [`WiderScope`](auth_core::WiderScope) does not permit requesting one.
    Scope(NoWiderScope),
    /// The request was sent twice, and the renewed token was refused too.
    Twice,
}

impl Unsigned {
    /// Returns why a request whose destination is not permitted is not signed.
    pub(crate) fn elsewhere<B>(origins: &Origins, request: &Request<B>) -> Self {
        let (uri, headers) = (request.uri(), request.headers());
        if Origins::host_differs(uri, headers) && origins.permits(uri) {
            Self::OtherHost
        } else {
            Self::OtherOrigin
        }
    }

    /// Returns the cause as one lower-case word, for logs and metrics.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::OtherOrigin => "other_origin",
            Self::OtherHost => "other_host",
            Self::NoKey => "no_key",
            Self::NoToken(_) => "no_token",
            Self::OwnCredentials => "own_credentials",
            Self::RemovedBelow => "removed_below",
        }
    }
}

impl fmt::Display for Unsigned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OtherOrigin => "the destination is not in `origins`",
            Self::OtherHost => "the `Host` header names another host than the URI",
            Self::NoKey => "the request has no `auth_core::Key` in its extensions",
            Self::NoToken(error) => return write!(f, "no token could be had: {error}"),
            Self::OwnCredentials => "the caller set the credential header",
            Self::RemovedBelow => {
                "a layer below took the credential off, as redirect followers do on the way to \
                 another origin; put the follower above `AuthLayer`"
            }
        })
    }
}

impl NotReplayed {
    /// Returns the cause as one lower-case word, for logs and metrics.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Body => "body",
            Self::TooLarge => "too_large",
            Self::Redirected => "redirected",
            Self::RedirectsUnseen => "redirects_unseen",
            Self::RefusalBackOff => "refusal_back_off",
            Self::NoToken(_) => "no_token",
            Self::Unchanged => "unchanged",
            Self::Scope(_) => "scope",
            Self::Twice => "twice",
        }
    }
}

impl fmt::Display for NotReplayed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Off => "replay is off",
            Self::Body => "the body can be sent only once",
            Self::TooLarge => "the body is longer than `ReplayBodyLayer` may keep",
            Self::Redirected => "a redirect was followed, so the API may have carried out the request",
            Self::RedirectsUnseen => {
                "a redirect may have been followed unnoticed, so the API may have carried out the request; \
                 put `OriginGuardLayer` below the redirect follower, or make the reqwest client with \
                 `auth_reqwest::client_builder` or `ReqwestService::from_builder`"
            }
            Self::RefusalBackOff => {
                "token requests for refused tokens back off: an earlier one failed or brought a token \
                 that was refused too, or the quota has no slot for one"
            }
            Self::NoToken(error) => return write!(f, "no other token could be had: {error}"),
            Self::Unchanged => "the credential does not expire, and its source has no other one",
            Self::Scope(why) => {
                return write!(f, "the API wants more scope, and none is asked for: {why}");
            }
            Self::Twice => "the request was sent twice already",
        })
    }
}

#[cfg(test)]
mod tests;
