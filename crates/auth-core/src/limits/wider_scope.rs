//! What an application permits when the API wants more scope.

use std::{collections::BTreeSet, fmt, sync::Arc};

/// Permits an [`Authenticator`](crate::Authenticator) to ask for more scope when the API answers `insufficient_scope`
/// ([RFC 6750, section 3.1](https://datatracker.ietf.org/doc/html/rfc6750#section-3.1)); set by
/// [`AuthenticatorOptions::wider_scope`](crate::AuthenticatorOptions::wider_scope).
///
/// Without this option such an answer is passed on. With it, `auth_tower::AuthLayer` asks the
/// authorization server once for the union of the usual scope and the scopes that the API wants,
/// and sends the request once more with the token that comes. Use it where the scopes of an API are
/// not known beforehand, for example with servers of the Model Context Protocol, whose clients are
/// told by the challenge which scopes a call needs. Where they are known, set them at the source:
/// that costs no refused request.
///
/// # Rules
///
/// - The token stays valid, and all other requests go on with it while the vendor is asked.
/// - All requests that want more scope share one token request. It goes by the rules of each
///   renewal: back-off, quota (its reserve is not used) and lease.
/// - Nothing is asked for that the token was granted already, that the vendor has denied once, or
///   that is not [permitted](Self::only).
/// - At most [`max_scopes`](Self::max_scopes) scopes are asked for beyond the usual ones, in at
///   most [`max_requests`](Self::max_requests) token requests, for the life of the authenticator.
/// - Later renewals ask for the union, too. A new authenticator begins with the usual scope: after a
///   restart, and after an [`AuthenticatorMap`](crate::AuthenticatorMap) has evicted one.
/// - If the vendor rejects the union, the next token request asks for the usual scope, and the
///   cached token serves meanwhile. If the vendor grants a part, the token is used, and the rest is
///   not asked for again. A token that lacks a scope of the cached token is not taken.
///
/// # With a store
///
/// Processes that share a [store](crate::AuthenticatorOptions::store) share the token, so set this
/// option for all of them, or for none. A process that takes a token with more scope from the store
/// asks for as much from then on. A process without this option renews the token with the usual
/// scope; the others ask again, at most [`max_requests`](Self::max_requests) times.
///
/// # Which sources
///
/// Those that say what they ask for by [`TokenSource::own_scope`](crate::TokenSource::own_scope):
/// `Client::client_credentials` of `auth-oauth2`. With others, the API's answer is passed on.
///
/// # Security
///
/// The API chooses which scopes are asked for, so name those that you permit. With
/// [`any`](Self::any), an API that was taken over gets a token with all that the client may have,
/// which it can use at other APIs that accept the same token.
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
    /// `None` permits any.
    permitted: Option<Arc<BTreeSet<String>>>,
    pub(crate) most_scopes: usize,
    pub(crate) most_requests: u32,
}

impl WiderScope {
    /// Permits these scopes, and no others.
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

    /// Sets how many scopes may be asked for beyond the usual ones. Default: 16. The whole scope
    /// has at most 4,096 bytes.
    pub fn max_scopes(mut self, count: usize) -> Self {
        self.most_scopes = count;
        self
    }

    /// Sets how many token requests an authenticator may make because the API wants more scope.
    /// Default: 4.
    pub fn max_requests(mut self, count: u32) -> Self {
        self.most_requests = count;
        self
    }

    pub(crate) fn permits(&self, scope: &str) -> bool {
        let permitted = self.permitted.as_deref();
        permitted.is_none_or(|permitted| permitted.contains(scope))
    }
}

/// Why no token with more scope is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum NoWiderScope {
    /// [`AuthenticatorOptions::wider_scope`](crate::AuthenticatorOptions::wider_scope) is not set,
    /// or the source cannot ask for another scope.
    Off,
    /// The API did not say which scopes it wants.
    Unnamed,
    /// The token was granted all of them.
    AlreadyGranted,
    /// One of them is not among the permitted scopes, or no scope at all (RFC 6749 section 3.3).
    NotPermitted,
    /// The authorization server did not grant one of them before.
    Denied,
    /// Neither the source nor the authorization server said which scope the token has, so that the
    /// union is not known.
    Unknown,
    /// [`WiderScope::max_scopes`], [`WiderScope::max_requests`] or 4,096 bytes would be exceeded.
    TooMany,
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
