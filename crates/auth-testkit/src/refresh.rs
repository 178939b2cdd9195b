use std::collections::HashMap;

use crate::ledger::scramble;

/// How a server treats refresh tokens (RFC 6749 section 6); see
/// [`TestServerBuilder::refresh_tokens`](crate::TestServerBuilder::refresh_tokens).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RefreshTokens {
    /// Each is valid for one use, and the reply contains the next. A second use counts as theft:
    /// all tokens of its login are revoked, access tokens too (RFC 9700 section 4.14.2).
    Rotated,
    /// Each is valid until it is revoked, and every reply repeats it.
    Repeated,
    /// Each is valid until it is revoked, and replies to a refresh omit it.
    Omitted,
}

/// How often the token endpoint received one refresh token, accepted or refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RefreshTokenUse {
    /// The number of the refresh token, in the order of issue; the first has 1.
    pub number: u64,
    /// The login that issued it; the first has 1.
    pub family: u64,
    /// Requests that it got a token for.
    pub accepted: u64,
    /// Requests with it after it had been replaced or revoked.
    pub refused: u64,
}

/// The refresh tokens that a server issued.
#[derive(Debug, Default)]
pub(crate) struct Refreshes {
    salt: u64,
    issued: HashMap<String, Issued>,
    order: Vec<String>,
    families: Vec<Family>,
}

#[derive(Debug)]
struct Issued {
    seen: RefreshTokenUse,
    replaced: bool,
}

/// All tokens of one login.
#[derive(Debug)]
struct Family {
    scope: String,
    access_tokens: Vec<String>,
    revoked: bool,
}

/// The result of using a refresh token.
pub(crate) enum Shown {
    Good {
        family: u64,
        scope: String,
        /// The reply's `refresh_token`.
        next: Option<String>,
    },
    /// The request's scope was not granted by its login; the refresh token stays valid.
    TooWide,
    Worthless,
    /// A second use: these access tokens are revoked with it, if this is the first repeated use.
    Again(Option<Vec<String>>),
}

/// What a login brings.
pub(crate) struct LoggedIn {
    /// The number of the family of refresh tokens.
    pub(crate) family: u64,
    /// The family's first refresh token.
    pub(crate) token: String,
}

impl Refreshes {
    pub(crate) fn new(salt: u64) -> Self {
        Self {
            salt,
            ..Self::default()
        }
    }

    /// Starts a family: a person has logged in.
    pub(crate) fn log_in(&mut self, scope: &str) -> LoggedIn {
        self.families.push(Family {
            scope: scope.to_owned(),
            access_tokens: Vec::new(),
            revoked: false,
        });
        let family = self.families.len() as u64;
        let token = self.issue(family);
        LoggedIn { family, token }
    }

    /// Records what is revoked with a family.
    pub(crate) fn brought(&mut self, family: u64, access_token: &str) {
        if let Some(family) = self.family(family) {
            family.access_tokens.push(access_token.to_owned());
        }
    }

    pub(crate) fn show(&mut self, token: &str, scope: Option<&str>, rule: RefreshTokens) -> Shown {
        let Some(issued) = self.issued.get_mut(token) else {
            return Shown::Worthless;
        };
        let number = issued.seen.family;
        let family = self.families.get_mut(number as usize - 1);
        let (Some(family), false) = (family, issued.replaced) else {
            issued.seen.refused += 1;
            return Shown::Again(self.revoke(number));
        };
        if family.revoked {
            issued.seen.refused += 1;
            return Shown::Worthless;
        }
        let granted = |value| family.scope.split(' ').any(|own| own == value);
        if !scope.is_none_or(|scope| scope.split(' ').all(granted)) {
            return Shown::TooWide;
        }
        issued.seen.accepted += 1;
        issued.replaced = rule == RefreshTokens::Rotated;
        Shown::Good {
            family: number,
            scope: scope.unwrap_or(&family.scope).to_owned(),
            next: match rule {
                RefreshTokens::Rotated => Some(self.issue(number)),
                RefreshTokens::Repeated => Some(token.to_owned()),
                RefreshTokens::Omitted => None,
            },
        }
    }

    pub(crate) fn revoke_all(&mut self) {
        for family in &mut self.families {
            family.revoked = true;
        }
    }

    /// Returns the refresh tokens in the order of issue.
    pub(crate) fn tokens(&self) -> Vec<String> {
        self.order.clone()
    }

    pub(crate) fn uses(&self) -> Vec<RefreshTokenUse> {
        let issued = self.order.iter().filter_map(|token| self.issued.get(token));
        issued.map(|issued| issued.seen).collect()
    }

    fn issue(&mut self, family: u64) -> String {
        let number = self.order.len() as u64 + 1;
        let noise = scramble(!self.salt ^ scramble(number));
        let token = format!("fake-refresh-{number}-{noise:016x}");
        let seen = RefreshTokenUse {
            number,
            family,
            accepted: 0,
            refused: 0,
        };
        let issued = Issued {
            seen,
            replaced: false,
        };
        self.issued.insert(token.clone(), issued);
        self.order.push(token.clone());
        token
    }

    fn revoke(&mut self, family: u64) -> Option<Vec<String>> {
        let family = self.family(family)?;
        let first = !std::mem::replace(&mut family.revoked, true);
        first.then(|| std::mem::take(&mut family.access_tokens))
    }

    fn family(&mut self, number: u64) -> Option<&mut Family> {
        self.families.get_mut(number as usize - 1)
    }
}
