use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use http::HeaderName;

use crate::{
    Generation, Moment, Secret, Sharded, Token,
    sharded::{Copies, OneCopy},
    token::headers::{self, About, Headers},
};

/// A token's finished headers, in several copies for different threads.
#[derive(Debug)]
pub(crate) struct Snapshot {
    /// Unique in this process. Says whether there is one copy only, see [`has_one_copy`].
    number: u64,
    headers: Copies<Headers>,
    /// Whether a caller was given the token.
    used: AtomicBool,
}

/// The part of a token that signing needs.
pub(crate) struct Carried {
    /// The header lines of the scheme, without the content type.
    pub(crate) lines: Vec<(HeaderName, Secret)>,
    /// The scope that the authorization server granted.
    pub(crate) scope: Option<Arc<str>>,
    /// The length of the text before the token in the first line.
    pub(crate) prefix: usize,
}

impl Snapshot {
    pub(crate) fn new(
        carried: Carried,
        generation: Generation,
        valid_until: Moment,
        shards: usize,
    ) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let Carried {
            lines,
            scope,
            prefix,
        } = carried;
        let about = About {
            generation,
            prefix,
            valid_until,
        };
        let copies = headers::Copies::of(shards);
        let headers = |lines| Headers::new(about, lines, scope.clone(), copies);
        let kind = if shards > 1 { 0 } else { ONE_COPY };
        Self {
            number: NEXT.fetch_add(1, Ordering::Relaxed) | kind,
            headers: if shards > 1 {
                Copies::Several(Sharded::new(shards, || headers(lines.clone())))
            } else {
                Copies::One(Arc::new(headers(lines)))
            },
            used: AtomicBool::new(false),
        }
    }

    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    pub(crate) fn generation(&self) -> Generation {
        self.headers().generation()
    }

    pub(crate) fn headers(&self) -> &Headers {
        self.headers.any()
    }

    /// The copy for the current thread.
    pub(crate) fn local(&self) -> OneCopy<Headers> {
        self.headers.local()
    }

    /// Records that a caller was given the token. Not on the hot path: each thread calls it once
    /// for each token.
    pub(crate) fn note_use(&self) {
        if !self.used.load(Ordering::Relaxed) {
            self.used.store(true, Ordering::Relaxed);
        }
    }

    pub(crate) fn is_unused(&self) -> bool {
        !self.used.load(Ordering::Relaxed)
    }

    pub(crate) fn token(&self) -> Token {
        self.note_use();
        Token(self.local())
    }
}

/// Returns whether the token with this number has one copy only.
#[inline(always)]
pub(crate) const fn has_one_copy(number: u64) -> bool {
    number & ONE_COPY != 0
}

const ONE_COPY: u64 = 1 << 63;
