//! The option for larger scopes that an API requires.

use std::{collections::BTreeSet, fmt, sync::Arc};

/// Permits an [`Authenticator`](crate::Authenticator) to request a token with a larger scope when
/// the API answers `insufficient_scope`
/// ([RFC 6750, section 3.1](https://datatracker.ietf.org/doc/html/rfc6750#section-3.1)). Set it by
/// [`AuthenticatorOptions::wider_scope`](crate::AuthenticatorOptions::wider_scope).
///
/// Without this option the API's answer is returned. With it, `auth_tower::AuthLayer` requests once
/// a token for the union of the source's scope and the scopes that the API requires, and sends the
/// request once more with that token. Use it if the scopes of an API are not known beforehand. For
/// example, servers of the Model Context Protocol name the scopes of a call in the challenge. If you
/// know the scopes, set them at the token source: that costs no refused request.
///
/// # Rules
///
/// - The cached token stays valid. Other requests are signed with it during the token request.
/// - All requests that require a larger scope share one token request. Back-off, quota (without its
///   reserve) and lease apply as to every renewal.
/// - A scope is not requested if the token has it, if the vendor denied it before, or if it is not
///   [permitted](Self::only).
/// - The number of additional scopes is limited by [`max_scopes`](Self::max_scopes), the number of
///   token requests by [`max_requests`](Self::max_requests). Both limits, and what the vendor
///   denied, hold for the life of the authenticator.
/// - Later renewals request the union too. An authenticator that is new after a restart, or after an
///   [`AuthenticatorMap`](crate::AuthenticatorMap) evicted it, requests the source's scope.
/// - If the vendor rejects the union, its new scopes are not requested again, and the cached token
///   stays in use. If the vendor grants a part, the token is used, and the other scopes are not
///   requested again. A token that lacks a scope of the cached token is not used.
///
/// # With a store
///
/// Processes that share a [store](crate::AuthenticatorOptions::store) share the token. Set this
/// option in all of them or in none. A process that reads a token with a larger scope from the store
/// requests the same scope from then on. A process without this option renews the token with the
/// source's scope; the other processes then request the larger one again, at most
/// [`max_requests`](Self::max_requests) times.
///
/// # Which sources
///
/// Sources that return a scope from [`TokenSource::own_scope`](crate::TokenSource::own_scope):
/// `Client::client_credentials` of `auth-oauth2`. With other sources the API's answer is returned.
///
/// # Security
///
/// The API chooses the scopes, so name the scopes that you permit. With [`any`](Self::any), an API
/// under an attacker's control gets a token with every scope that the client may have. The attacker
/// can use that token at other APIs that accept it.
///
/// # Example
///
/// ```
/// use auth_core::{AuthenticatorOptions, WiderScope};
///
/// let options = AuthenticatorOptions::new()
///     .wider_scope(WiderScope::only(["things:write", "things:delete"]).max_requests(2));
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct WiderScope {
    /// `None` permits any scope.
    permitted: Option<Arc<BTreeSet<String>>>,
    pub(crate) most_scopes: usize,
    pub(crate) most_requests: u32,
}

impl WiderScope {
    /// Permits these scopes and no others.
    pub fn only<T: Into<String>>(scopes: impl IntoIterator<Item = T>) -> Self {
        let scopes = scopes.into_iter().map(Into::into).collect();
        Self {
            permitted: Some(Arc::new(scopes)),
            ..Self::any()
        }
    }

    /// Permits any scope that the API names. See [Security](Self#security).
    pub fn any() -> Self {
        Self {
            permitted: None,
            most_scopes: 16,
            most_requests: 4,
        }
    }

    /// Sets how many scopes may be requested in addition to the usual ones. Default: 16. The whole
    /// scope has at most 4,096 bytes.
    pub fn max_scopes(mut self, count: usize) -> Self {
        self.most_scopes = count;
        self
    }

    /// Sets how many token requests for more scope an authenticator may send. Default: 4.
    pub fn max_requests(mut self, count: u32) -> Self {
        self.most_requests = count;
        self
    }

    pub(crate) fn permits(&self, scope: &str) -> bool {
        let permitted = self.permitted.as_deref();
        permitted.is_none_or(|permitted| permitted.contains(scope))
    }
}

/// Why no token request for more scope is sent. Part of [`ScopeAnswer::Declined`](crate::ScopeAnswer).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum NoWiderScope {
    /// [`AuthenticatorOptions::wider_scope`](crate::AuthenticatorOptions::wider_scope) is not set,
    /// or the source cannot request another scope.
    Off,
    /// The API did not state the scopes that it requires.
    Unnamed,
    /// The token already has all scopes that the API requires.
    AlreadyGranted,
    /// One of the scopes is not permitted, or is not a valid scope (RFC 6749 section 3.3).
    NotPermitted,
    /// The authorization server did not grant one of the scopes earlier.
    Denied,
    /// The scope of the token is not known, because neither the source nor the authorization server
    /// stated it. So the union is not known either.
    Unknown,
    /// [`WiderScope::max_scopes`], [`WiderScope::max_requests`] or 4,096 bytes would be exceeded.
    TooMany,
}

impl NoWiderScope {
    /// Returns the cause as one lower-case word, for logs and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Unnamed => "unnamed",
            Self::AlreadyGranted => "already_granted",
            Self::NotPermitted => "not_permitted",
            Self::Denied => "denied_before",
            Self::Unknown => "unknown",
            Self::TooMany => "too_many",
        }
    }
}

impl fmt::Display for NoWiderScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Off => "`wider_scope` is not set, or the token source cannot ask for a scope",
            Self::Unnamed => "the API did not say which scopes it wants",
            Self::AlreadyGranted => "the token was granted these scopes already",
            Self::NotPermitted => "`WiderScope` does not permit one of the scopes",
            Self::Denied => "the authorization server did not grant one of the scopes before",
            Self::Unknown => {
                "the scope of the token is not known; set the scope at the token source"
            }
            Self::TooMany => "the limits of `WiderScope` are reached",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_cause_says_what_to_look_at() {
        for (cause, text) in [
            (NoWiderScope::Off, "`wider_scope` is not set"),
            (NoWiderScope::Unnamed, "did not say which scopes"),
            (NoWiderScope::AlreadyGranted, "granted these scopes already"),
            (NoWiderScope::NotPermitted, "`WiderScope` does not permit"),
            (NoWiderScope::Denied, "authorization server did not grant"),
            (NoWiderScope::Unknown, "set the scope at the token source"),
            (NoWiderScope::TooMany, "limits of `WiderScope`"),
        ] {
            assert!(cause.to_string().contains(text), "{cause}");
        }
    }
}
