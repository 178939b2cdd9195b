use http::request::Parts;

use crate::{
    reply::{Edit, Mint},
    state::State,
    upload::Upload,
};

/// A request that is being answered: the request and the script's plan for its answer.
#[derive(Clone, Copy)]
pub(crate) struct Incoming<'a> {
    pub(crate) state: &'a State,
    pub(crate) parts: &'a Parts,
    pub(crate) upload: &'a Upload,
    pub(crate) mint: &'a Mint,
    pub(crate) edits: &'a [Edit],
    /// The slot of the quota that a token request took.
    pub(crate) slot: Option<u64>,
    /// The path below which the API is.
    pub(crate) api_path: &'a str,
}

impl<'a> Incoming<'a> {
    pub(crate) fn path(&self) -> &'a str {
        self.parts.uri.path()
    }

    pub(crate) fn query(&self) -> &'a str {
        self.parts.uri.query().unwrap_or_default()
    }

    /// Looks a token up, counts its use, and returns its number if it is valid now.
    pub(crate) fn accept(&self, token: &str) -> Option<u64> {
        let now = self.state.now();
        self.state.ledger(|ledger| ledger.check(token, now))
    }
}
