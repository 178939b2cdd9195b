//! Settings that the layer, its services and their futures share.

use std::ops::Deref;

use auth_core::Authenticator;

use crate::verdict::Rules;

/// What happens to a request that already carries the credential header. Set with
/// [`AuthLayer::existing`](crate::AuthLayer::existing).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ExistingCredential {
    /// The request is sent unchanged, once. No token is requested for it, and its response carries
    /// [`Unsigned::OwnCredentials`](crate::Unsigned::OwnCredentials). The default.
    #[default]
    Keep,
    /// The header is replaced.
    Replace,
    /// The request is not sent, and the error says so.
    Reject,
}

/// What happens to a request if no token can be had. Set with
/// [`AuthLayer::without_token`](crate::AuthLayer::without_token).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum MissingToken {
    /// The request is not sent, and the error says why. The default.
    #[default]
    Fail,
    /// The request is sent without credentials, for APIs that answer anonymous requests. Its
    /// response carries [`Unsigned::NoToken`](crate::Unsigned::NoToken) or
    /// [`Unsigned::NoKey`](crate::Unsigned::NoKey).
    SendUnsigned,
}

/// The settings that do not depend on the key.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Options {
    pub(crate) rules: Rules,
    pub(crate) existing: ExistingCredential,
    pub(crate) without_token: MissingToken,
}

impl Options {
    /// Returns whether a rule needs the head of every response, with any status.
    #[inline]
    pub(crate) fn heads_matter(&self, asks_for_scope: bool) -> bool {
        self.rules.refused_when.is_some() || self.rules.grpc || asks_for_scope
    }

    pub(crate) fn with<A>(self, authenticator: A) -> Settings<A>
    where
        A: Deref<Target = Authenticator>,
    {
        let asks_for_scope = authenticator.asks_for_wider_scope();
        Settings {
            authenticator,
            heads_matter: self.heads_matter(asks_for_scope),
            asks_for_scope,
            rules: self.rules,
            existing: self.existing,
            without_token: self.without_token,
        }
    }
}

/// An authenticator that belongs to no map.
#[derive(Clone, Debug)]
#[allow(unnameable_types, reason = "inside the future")]
pub struct Own(pub(crate) Authenticator);

impl Deref for Own {
    type Target = Authenticator;

    #[inline(always)]
    fn deref(&self) -> &Authenticator {
        &self.0
    }
}

/// The settings of one authenticator's requests.
#[derive(Clone, Debug)]
#[allow(unnameable_types, reason = "inside the future")]
pub struct Settings<A = Own> {
    pub(crate) authenticator: A,
    /// Whether a rule needs the head of every response, with any status.
    pub(crate) heads_matter: bool,
    /// The authenticator asks for more scope when the API wants it.
    pub(crate) asks_for_scope: bool,
    pub(crate) rules: Rules,
    pub(crate) existing: ExistingCredential,
    pub(crate) without_token: MissingToken,
}
