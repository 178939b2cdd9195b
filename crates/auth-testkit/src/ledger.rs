use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};

/// How often the API received one token, accepted or refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TokenUse {
    /// The number of the token, in the order of issue; the first has 1.
    pub number: u64,
    /// Requests that were accepted with it.
    pub accepted: u64,
    /// Requests with it after it had expired or been revoked.
    pub refused: u64,
}

/// The tokens that a server issued, by the server's time.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    /// Tokens differ between servers, so that a confusion of tenants is visible.
    salt: u64,
    issued: HashMap<String, Issued>,
    order: VecDeque<String>,
    count: u64,
    refuse_all: bool,
}

#[derive(Debug)]
struct Issued {
    number: u64,
    until: Duration,
    revoked: bool,
    accepted: u64,
    refused: u64,
}

impl Ledger {
    pub(crate) fn new(salt: u64) -> Self {
        Self {
            salt,
            ..Self::default()
        }
    }

    /// Issues a new token that the API accepts until the given time.
    pub(crate) fn issue(&mut self, until: Duration) -> String {
        if self.order.len() == KEEP {
            self.order
                .pop_front()
                .and_then(|oldest| self.issued.remove(&oldest));
        }
        self.count += 1;
        let number = self.count;
        let noise = scramble(self.salt ^ scramble(number));
        let token = format!("fake-token-{number}-{noise:016x}");
        let issued = Issued {
            number,
            until,
            revoked: false,
            accepted: 0,
            refused: 0,
        };
        self.issued.insert(token.clone(), issued);
        self.order.push_back(token.clone());
        token
    }

    /// Returns the newest token and its expiry.
    pub(crate) fn newest(&self) -> Option<(String, Duration)> {
        let token = self.order.back()?;
        self.issued
            .get(token)
            .map(|issued| (token.clone(), issued.until))
    }

    /// Returns the number of a token that is valid now.
    pub(crate) fn check(&mut self, token: &str, now: Duration) -> Option<u64> {
        let issued = self.issued.get_mut(token)?;
        if self.refuse_all || issued.revoked || now >= issued.until {
            issued.refused += 1;
            return None;
        }
        issued.accepted += 1;
        Some(issued.number)
    }

    pub(crate) fn revoke(&mut self, token: &str) -> bool {
        self.issued
            .get_mut(token)
            .is_some_and(|issued| !std::mem::replace(&mut issued.revoked, true))
    }

    pub(crate) fn revoke_all(&mut self) {
        self.issued
            .values_mut()
            .for_each(|issued| issued.revoked = true);
    }

    pub(crate) fn refuse_all(&mut self, on: bool) {
        self.refuse_all = on;
    }

    pub(crate) fn refuses_all(&self) -> bool {
        self.refuse_all
    }

    /// Returns the tokens in the order of issue.
    pub(crate) fn tokens(&self) -> Vec<String> {
        self.order.iter().cloned().collect()
    }

    pub(crate) fn uses(&self) -> Vec<TokenUse> {
        let issued = self.order.iter().filter_map(|token| self.issued.get(token));
        issued
            .map(
                |&Issued {
                     number,
                     accepted,
                     refused,
                     ..
                 }| TokenUse {
                    number,
                    accepted,
                    refused,
                },
            )
            .collect()
    }
}

/// The number of tokens that are remembered; older ones are refused like unknown ones.
const KEEP: usize = 65_536;

/// Spreads a number over all bits (the finalizer of SplitMix64): looks random, and is repeatable.
pub(crate) fn scramble(number: u64) -> u64 {
    let mut x = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}
