//! The scopes that an application permits in addition to the usual ones.

use std::{collections::BTreeSet, fmt, sync::Arc};

/// Permits an [`Authenticator`](crate::Authenticator) to request more scope when the API answers
/// `insufficient_scope` ([RFC 6750, section
/// 3.1](https://datatracker.ietf.org/doc/html/rfc6750#section-3.1)). Set by
/// [`AuthenticatorOptions::wider_scope`](crate::AuthenticatorOptions::wider_scope).
///
/// Without this option the caller gets the API's answer. With it, `auth_tower::AuthLayer` sends one
/// token request for the union of the usual scope and the scopes that the API requires, and replays
/// the request with the new token. Use it if the scopes of an API are not known beforehand, for
/// example for servers of the Model Context Protocol, whose challenges state the scopes of a call.
/// If the scopes are known, set them at the source: then no request is refused.
///
/// # Rules
///
/// - The token stays valid. All other requests use it while the token request is in progress.
/// - All requests that need more scope share one token request. The rules of every renewal apply:
///   back-off, quota (its reserve is not used) and lease.
/// - A scope is not requested if the token has it, if the vendor has denied it once, or if it is
///   not [permitted](Self::only).
/// - During the life of an authenticator, at most [`max_scopes`](Self::max_scopes) scopes are
///   requested in addition to the usual ones, in at most [`max_requests`](Self::max_requests) token
///   requests.
/// - Later renewals request the union too. A new authenticator starts with the usual scope: after a
///   restart, and after an [`AuthenticatorMap`](crate::AuthenticatorMap) has evicted the old one.
/// - If the vendor rejects the union, the next token request asks for the usual scope, and the
///   cached token stays in use until then. If the vendor grants a part of the union, the token is
///   used and the rest is not requested again. A token that lacks a scope of the cached token is
///   not used.
///
/// # With a store
///
/// Processes that share a [store](crate::AuthenticatorOptions::store) share the token, so set this
/// option for all of them or for none. A process that takes a token with more scope from the store
/// requests the same scope from then on. A process without this option renews the token with the
/// usual scope; the other processes then request the union again, at most
/// [`max_requests`](Self::max_requests) times.
///
/// # Which sources
///
/// Sources that return a scope from [`TokenSource::own_scope`](crate::TokenSource::own_scope), for
/// example `Client::client_credentials` of `auth-oauth2`. With other sources, the caller gets the
/// API's answer.
///
/// # Security
///
/// The API chooses the scopes, so list the scopes that you permit. With [`any`](Self::any), an
/// attacker who controls the API gets a token with every scope that the client may have, and can
/// use the token at other APIs that accept it.
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
