//! The cached token, with a fast path for threads that sign with it repeatedly.

use std::{
    cell::RefCell,
    sync::{
        Arc, Weak,
        atomic::{AtomicU64, Ordering},
    },
};

use arc_swap::ArcSwapOption;

use http::HeaderMap;

use crate::{
    Generation, Moment,
    authenticator::snapshot::{Snapshot, has_one_copy},
    sharded::{Local, OneCopy, WeakLocal},
    token::headers::Headers,
};

/// The cached token of one key. Written only under the key's lock.
#[derive(Debug)]
pub(crate) struct Published {
    snapshot: ArcSwapOption<Snapshot>,
    /// The number of the snapshot. Zero if there is no snapshot, or while it is replaced.
    number: AtomicU64,
    /// A hint when to ask the machine, changed while the token is published. The machine decides
    /// when the time is reached.
    check_mono: AtomicU64,
    check_wall: AtomicU64,
}

impl Published {
    pub(crate) fn nothing() -> Self {
        Self {
            snapshot: ArcSwapOption::empty(),
            number: AtomicU64::new(0),
            check_mono: AtomicU64::new(0),
            check_wall: AtomicU64::new(0),
        }
    }

    pub(crate) fn load(&self) -> Option<Arc<Snapshot>> {
        self.snapshot.load_full()
    }

    /// Publishes a token, or removes it. Until [`set_check_at`](Self::set_check_at) is called, all
    /// callers ask the machine.
    pub(crate) fn store(&self, snapshot: Option<Arc<Snapshot>>) {
        // In this order: a thread that reads the new check does not read the old number any longer.
        self.number.store(0, Ordering::Release);
        self.set_check_at(Moment::PAST);
        let number = snapshot.as_ref().map_or(0, |snapshot| snapshot.number());
        self.snapshot.store(snapshot);
        self.number.store(number, Ordering::Release);
    }

    /// A reader that sees one half of the write asks the machine too early, which is harmless.
    pub(crate) fn set_check_at(&self, check_at: Moment) {
        let (mono, wall) = check_at.parts();
        self.check_mono.store(mono, Ordering::Release);
        self.check_wall.store(wall, Ordering::Release);
    }

    /// Signs with the current thread's copy of the token, unless it is time to ask the machine, or a
    /// credential header is set already.
    #[inline(always)]
    pub(crate) fn sign(&self, headers: &mut HeaderMap, now: Moment) -> Option<Generation> {
        let number = self.number_at(now)?;
        if has_one_copy(number) {
            return self.sign_with_only(number, headers);
        }
        match recent(number) {
            Some(local) => local.sign_vacant(headers),
            None => self.look_up()?.sign_vacant(headers),
        }
    }

    /// Apart, so that the path of tokens with several copies is short.
    #[inline(never)]
    fn sign_with_only(&self, number: u64, headers: &mut HeaderMap) -> Option<Generation> {
        match recent_only(number) {
            Some(only) => only.sign_vacant(headers),
            None => self.look_up()?.sign_vacant(headers),
        }
    }

    /// Returns the current thread's copy of the token, unless it is time to ask the machine.
    pub(crate) fn fresh(&self, now: Moment) -> Option<OneCopy<Headers>> {
        let number = self.number_at(now)?;
        let recent = if has_one_copy(number) {
            recent_only(number).map(OneCopy::Only)
        } else {
            recent(number).map(OneCopy::Local)
        };
        recent.or_else(|| self.look_up())
    }

    #[cold]
    fn look_up(&self) -> Option<OneCopy<Headers>> {
        let snapshot = self.snapshot.load();
        let snapshot = snapshot.as_ref()?;
        snapshot.note_use();
        let headers = snapshot.local();
        remember(snapshot.number(), &headers);
        Some(headers)
    }

    /// Returns the number of the token, unless it is time to ask the machine.
    #[inline(always)]
    fn number_at(&self, now: Moment) -> Option<u64> {
        // Read before the number, so that the check of the next token is never used with this
        // token.
        let check_mono = self.check_mono.load(Ordering::Acquire);
        let check_wall = self.check_wall.load(Ordering::Acquire);
        if now.reached_parts(check_mono, check_wall) {
            return None;
        }
        Some(self.number.load(Ordering::Acquire))
    }
}

/// Returns the current thread's copy of a token that the thread remembers.
#[inline(always)]
fn recent(number: u64) -> Option<Local<Headers>> {
    let recent = RECENT.try_with(|recent| Recent::find(recent, number, WeakLocal::upgrade));
    recent.ok().flatten()
}

/// Returns the only copy of a token that the thread remembers.
#[inline]
fn recent_only(number: u64) -> Option<Arc<Headers>> {
    let recent = RECENT_ONLY.try_with(|recent| Recent::find(recent, number, Weak::upgrade));
    recent.ok().flatten()
}

/// Makes the thread remember its copy of a token.
fn remember(number: u64, headers: &OneCopy<Headers>) {
    // A thread that ends has no thread-local memory any longer.
    let _ = match headers {
        OneCopy::Local(local) => {
            RECENT.try_with(|recent| Recent::keep(recent, number, local.downgrade()))
        }
        OneCopy::Only(only) => {
            RECENT_ONLY.try_with(|recent| Recent::keep(recent, number, Arc::downgrade(only)))
        }
    };
}

/// A token that a thread signed with. Does not keep the token alive, so it keeps no secret.
struct Recent<W> {
    number: u64,
    headers: W,
}

impl<W> Recent<W> {
    #[inline(always)]
    fn find<H>(
        places: &RefCell<[Self; PLACES]>,
        number: u64,
        upgrade: impl FnOnce(&W) -> Option<H>,
    ) -> Option<H> {
        let places = places.try_borrow().ok()?;
        let last = &places[place(number)];
        (last.number == number)
            .then(|| upgrade(&last.headers))
            .flatten()
    }

    fn keep(places: &RefCell<[Self; PLACES]>, number: u64, headers: W) {
        if let Ok(mut places) = places.try_borrow_mut() {
            places[place(number)] = Self { number, headers };
        }
    }
}

impl Recent<WeakLocal<Headers>> {
    const NONE: Self = Self {
        number: 0,
        headers: WeakLocal::NONE,
    };
}

impl Recent<Weak<Headers>> {
    const NO_ONLY: Self = Self {
        number: 0,
        headers: Weak::new(),
    };
}

/// The number of tokens that a thread remembers: about the number of authenticators that it
/// alternates between.
const PLACES: usize = 8;

const fn place(number: u64) -> usize {
    number as usize % PLACES
}

thread_local! {
    /// Of tokens with several copies.
    static RECENT: RefCell<[Recent<WeakLocal<Headers>>; PLACES]> = const {
        RefCell::new([const { Recent::NONE }; PLACES])
    };
    /// Of tokens with one copy.
    static RECENT_ONLY: RefCell<[Recent<Weak<Headers>>; PLACES]> = const {
        RefCell::new([const { Recent::NO_ONLY }; PLACES])
    };
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;
    use crate::{Scheme, Secret, authenticator::snapshot::Carried};

    fn snapshot(text: &str, copies: usize) -> Arc<Snapshot> {
        let lines = Scheme::bearer().lines("example", &Secret::new(text));
        let carried = Carried {
            lines: lines.unwrap(),
            scope: None,
            prefix: 0,
        };
        Arc::new(Snapshot::new(
            carried,
            Generation::after(None),
            Moment::NEVER,
            copies,
        ))
    }

    /// Returns what a request is signed with.
    fn signed(published: &Published) -> Option<String> {
        let mut map = HeaderMap::new();
        let signed = published.sign(&mut map, Moment::PAST);
        let token = published.fresh(Moment::PAST);
        assert_eq!(signed, token.map(|headers| headers.generation()));
        signed?;
        Some(map["authorization"].to_str().unwrap().to_owned())
    }

    #[test]
    fn token_is_used_only_while_it_is_published() {
        let published = Published::nothing();
        assert_eq!(signed(&published), None);
        // More rounds than a thread remembers tokens.
        for round in 0..6 * PLACES {
            let token = format!("fake-token-{round}");
            published.store(Some(snapshot(&token, 1 + round % 3)));
            assert_eq!(signed(&published), None, "no check time is set");
            published.set_check_at(Moment::NEVER);
            for _ in 0..3 {
                assert_eq!(signed(&published), Some(format!("Bearer {token}")));
            }
            if round % 2 == 0 {
                published.store(None);
                published.set_check_at(Moment::NEVER);
                assert_eq!(signed(&published), None, "removed");
            }
        }
    }

    #[test]
    fn thread_finds_its_copy_of_a_token_without_a_look_up() {
        for copies in [1, 2] {
            let published = Published::nothing();
            let snapshot = snapshot("fake-token", copies);
            let number = snapshot.number();
            published.store(Some(snapshot));
            published.set_check_at(Moment::NEVER);
            let known = || recent(number).is_some() || recent_only(number).is_some();
            assert!(!known(), "the thread has not used the token");
            assert!(signed(&published).is_some());
            assert!(known(), "{copies} copies");
            assert!(
                !thread::spawn(move || {
                    recent(number).is_some() || recent_only(number).is_some()
                })
                .join()
                .unwrap(),
                "another thread"
            );
        }
    }

    #[test]
    fn only_a_caller_marks_a_token_as_used() {
        let unused = || snapshot("fake-token", 2);
        let published = Published::nothing();
        let signing = unused();
        published.store(Some(Arc::clone(&signing)));
        published.set_check_at(Moment::NEVER);
        assert!(published.load().is_some_and(|held| held.is_unused()));
        assert!(signed(&published).is_some());
        assert!(!signing.is_unused());

        let taken = unused();
        assert!(taken.is_unused());
        drop(taken.token());
        assert!(!taken.is_unused());
        taken.note_use();
        assert!(!taken.is_unused(), "used twice");
    }

    #[test]
    fn each_key_gets_its_own_token_when_a_thread_alternates() {
        let keys: Vec<_> = (0..3 * PLACES).map(|_| Published::nothing()).collect();
        for round in 0..3 {
            for (number, key) in keys.iter().enumerate() {
                if number % 3 == round {
                    key.store(Some(snapshot(&format!("fake-{number}"), 1 + number % 2)));
                    key.set_check_at(Moment::NEVER);
                }
            }
            for (number, key) in keys.iter().enumerate() {
                let own = (number % 3 <= round).then(|| format!("Bearer fake-{number}"));
                assert_eq!(signed(key), own);
            }
        }
    }

    #[test]
    fn g18_the_memory_of_a_thread_keeps_no_token() {
        let published = Published::nothing();
        published.store(Some(snapshot("fake-token", 2)));
        published.set_check_at(Moment::NEVER);
        assert!(signed(&published).is_some());
        let held = match published.fresh(Moment::PAST).unwrap() {
            OneCopy::Local(local) => local.downgrade(),
            OneCopy::Only(_) => panic!("the token has two copies"),
        };
        assert!(held.upgrade().is_some());
        published.store(None);
        assert!(held.upgrade().is_none());
    }
}
