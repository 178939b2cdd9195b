use std::sync::atomic::{AtomicU64, Ordering};

use http::HeaderName;

use crate::{Generation, Secret, Sharded, Token, headers::Headers, sharded::Local};

/// A token's finished headers in a few copies.
#[derive(Debug)]
pub(crate) struct Snapshot {
    /// No other snapshot of this process has it.
    number: u64,
    headers: Sharded<Headers>,
}

impl Snapshot {
    pub(crate) fn new(
        lines: &[(HeaderName, Secret)],
        generation: Generation,
        shards: usize,
    ) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Self {
            number: NEXT.fetch_add(1, Ordering::Relaxed),
            headers: Sharded::new(shards, || Headers::new(generation, lines)),
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
