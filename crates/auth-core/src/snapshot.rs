use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use http::HeaderName;

use crate::{Generation, Moment, Secret, Sharded, Token, headers::Headers, sharded::Local};

/// A published token: finished headers in a few copies, and until when nobody has to ask.
#[derive(Debug)]
pub(crate) struct Snapshot {
    headers: Sharded<Headers>,
    /// A hint, moved while the token is published; the machine decides when it is reached.
    check_mono: AtomicU64,
    check_wall: AtomicU64,
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
        let Carried { lines, scope } = carried;
        Self {
            headers: Sharded::new(shards, || Headers::new(generation, lines, scope.as_ref())),
            check_mono: AtomicU64::new(0),
            check_wall: AtomicU64::new(0),
        }
    }

    pub(crate) fn generation(&self) -> Generation {
        self.headers().generation()
    }

    /// The copy for the current thread.
    #[inline]
    pub(crate) fn headers(&self) -> &Local<Headers> {
        self.headers.local()
    }

    pub(crate) fn token(&self) -> Token {
        Token(self.headers().clone())
    }

    #[inline]
    pub(crate) fn check_at(&self) -> Moment {
        Moment::from_parts(
            self.check_mono.load(Ordering::Relaxed),
            self.check_wall.load(Ordering::Relaxed),
        )
    }

    /// A reader that sees only one half of this asks the machine too early, which is harmless.
    pub(crate) fn set_check_at(&self, check_at: Moment) {
        let (mono, wall) = check_at.parts();
        self.check_mono.store(mono, Ordering::Relaxed);
        self.check_wall.store(wall, Ordering::Relaxed);
    }
}
