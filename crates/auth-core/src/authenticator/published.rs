//! The cached token, and a short way to it for threads that sign with it again and again.

use std::{
    cell::RefCell,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use arc_swap::ArcSwapOption;

use crate::{
    Moment,
    authenticator::snapshot::Snapshot,
    sharded::{Local, WeakLocal},
    token::headers::Headers,
};

/// The cached token of one key. Written only under the key's lock.
#[derive(Debug)]
pub(crate) struct Published {
    snapshot: ArcSwapOption<Snapshot>,
    /// The number of the snapshot; zero while there is none, or while it is replaced.
    number: AtomicU64,
    /// A hint when to ask the machine, moved while the token is published; the machine decides
    /// when it is reached.
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

    /// Publishes a token, or takes it back. Until [`set_check_at`](Self::set_check_at) is called,
    /// everybody asks the machine.
    pub(crate) fn store(&self, snapshot: Option<Arc<Snapshot>>) {
        // In this order: whoever sees the new check sees no old number any more.
        self.number.store(0, Ordering::Release);
        self.set_check_at(Moment::PAST);
        let number = snapshot.as_ref().map_or(0, |snapshot| snapshot.number());
        self.snapshot.store(snapshot);
        self.number.store(number, Ordering::Release);
    }

    /// A reader that sees only one half of this asks the machine too early, which is harmless.
    pub(crate) fn set_check_at(&self, check_at: Moment) {
        let (mono, wall) = check_at.parts();
        self.check_mono.store(mono, Ordering::Release);
        self.check_wall.store(wall, Ordering::Release);
    }

    /// The current thread's copy of the token, unless it is time to ask the machine.
    #[inline(always)]
    pub(crate) fn fresh(&self, now: Moment) -> Option<Local<Headers>> {
        // Before the number: a check that belongs to the next token never goes with this one.
        let check_at = Moment::from_parts(
            self.check_mono.load(Ordering::Acquire),
            self.check_wall.load(Ordering::Acquire),
        );
        if now.reached(check_at) {
            return None;
        }
        let number = self.number.load(Ordering::Acquire);
        let recent = RECENT.try_with(|recent| {
            let recent = recent.try_borrow().ok()?;
            let last = &recent[place(number)];
            (last.number == number)
                .then(|| last.headers.upgrade())
                .flatten()
        });
        match recent {
            Ok(Some(headers)) => Some(headers),
            _ => self.look_up(),
        }
    }

    #[cold]
    fn look_up(&self) -> Option<Local<Headers>> {
        let snapshot = self.snapshot.load();
        let snapshot = snapshot.as_ref()?;
        snapshot.note_use();
        let headers = snapshot.headers().clone();
        // On a thread that ends there is nothing to remember it in.
        let _ = RECENT.try_with(|recent| {
            if let Ok(mut recent) = recent.try_borrow_mut() {
                let number = snapshot.number();
                recent[place(number)] = Recent {
                    number,
                    headers: headers.downgrade(),
                };
            }
        });
        Some(headers)
    }
}

/// A token that a thread signed with. Keeps no token alive, and so no secret.
struct Recent {
    number: u64,
    headers: WeakLocal<Headers>,
}

impl Recent {
    const NONE: Self = Self {
        number: 0,
        headers: WeakLocal::NONE,
    };
}

/// How many a thread remembers: about as many as it has authenticators to alternate between.
const PLACES: usize = 8;

const fn place(number: u64) -> usize {
    number as usize % PLACES
}

thread_local! {
    static RECENT: RefCell<[Recent; PLACES]> = const {
        RefCell::new([const { Recent::NONE }; PLACES])
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Generation, Scheme, Secret, authenticator::snapshot::Carried};

    fn snapshot(text: &str) -> Arc<Snapshot> {
        let lines = Scheme::bearer().lines("example", &Secret::new(text));
        let carried = Carried {
            lines: lines.unwrap(),
            scope: None,
            prefix: "",
        };
        Arc::new(Snapshot::new(
            &carried,
            Generation::after(None),
            Moment::NEVER,
            2,
        ))
    }

    /// What a request gets.
    fn signed(published: &Published) -> Option<String> {
        let headers = published.fresh(Moment::PAST)?;
        let mut map = http::HeaderMap::new();
        assert!(headers.sign_vacant(&mut map));
        Some(map["authorization"].to_str().unwrap().to_owned())
    }

    #[test]
    fn a_token_serves_only_while_it_is_published() {
        let published = Published::nothing();
        assert_eq!(signed(&published), None);
        // More often than there are places.
        for round in 0..3 * PLACES {
            let token = format!("fake-token-{round}");
            published.store(Some(snapshot(&token)));
            assert_eq!(signed(&published), None, "nobody said until when");
            published.set_check_at(Moment::NEVER);
            for _ in 0..3 {
                assert_eq!(signed(&published), Some(format!("Bearer {token}")));
            }
            if round % 2 == 0 {
                published.store(None);
                published.set_check_at(Moment::NEVER);
                assert_eq!(signed(&published), None, "taken back");
            }
        }
    }

    #[test]
    fn each_key_gets_its_own_token_however_a_thread_alternates() {
        let keys: Vec<_> = (0..3 * PLACES).map(|_| Published::nothing()).collect();
        for round in 0..3 {
            for (number, key) in keys.iter().enumerate() {
                if number % 3 == round {
                    key.store(Some(snapshot(&format!("fake-{number}"))));
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
    fn g18_what_a_thread_remembers_keeps_no_token() {
        let published = Published::nothing();
        published.store(Some(snapshot("fake-token")));
        published.set_check_at(Moment::NEVER);
        assert!(signed(&published).is_some());
        let held = published.fresh(Moment::PAST).unwrap().downgrade();
        assert!(held.upgrade().is_some());
        published.store(None);
        assert!(held.upgrade().is_none());
    }
}
