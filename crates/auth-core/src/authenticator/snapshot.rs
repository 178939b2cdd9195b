use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use http::HeaderName;

use crate::{
    Generation, Secret, Sharded, Token,
    sharded::Local,
    token::headers::{Copies, Headers},
};

/// A token's finished headers in a few copies.
#[derive(Debug)]
pub(crate) struct Snapshot {
    /// No other snapshot of this process has it.
    number: u64,
    headers: Sharded<Headers>,
}

/// What is kept of a token that requests are signed with.
pub(crate) struct Carried {
    /// The header lines of the scheme, without the content type.
    pub(crate) lines: Vec<(HeaderName, Secret)>,
    /// The scope that the authorization server granted.
    pub(crate) scope: Option<Arc<str>>,
}

impl Snapshot {
    pub(crate) fn new(carried: &Carried, generation: Generation, shards: usize) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let Carried { lines, scope } = carried;
        Self {
            number: NEXT.fetch_add(1, Ordering::Relaxed),
            headers: Sharded::new(shards, || {
                Headers::new(generation, lines, scope.as_ref(), Copies::of(shards))
            }),
        }
    }

    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    pub(crate) fn generation(&self) -> Generation {
        self.headers().generation()
    }

    /// The copy for the current thread.
    pub(crate) fn headers(&self) -> &Local<Headers> {
        self.headers.local()
    }

    pub(crate) fn token(&self) -> Token {
        Token(self.headers().clone())
    }
}
