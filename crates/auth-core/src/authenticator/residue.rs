//! What an authenticator leaves behind when the bounded map evicts it.

use crate::{
    Authenticator, CredentialsId, Error, Key, Moment, SharedTokenStore,
    machine::{memory::Memory, serving::State},
};

/// Knowledge of a key that survives an eviction: a rejection, a back-off, used quota slots, a
/// refresh token. The access token is not part of it.
#[derive(Clone, Debug)]
pub(crate) struct Residue {
    pub(crate) state: State,
    pub(crate) memory: Memory,
    pub(crate) last_error: Option<Error>,
    pub(crate) credentials: Option<CredentialsId>,
    /// Where the refresh tokens are, if no store is shared with other processes.
    pub(crate) refresh_tokens: Option<(SharedTokenStore, Key)>,
}

impl Residue {
    /// Returns whether no part of it matters any longer.
    pub(crate) fn is_over(&self, now: Moment) -> bool {
        let keeps = self.refresh_tokens.is_some() || self.memory.keeps_refresh_tokens();
        !keeps && self.state.is_at_rest(now) && self.memory.is_at_rest(now)
    }
}

impl Authenticator {
    /// Returns what must survive the eviction of this authenticator. `None` if nothing must.
    pub(crate) fn residue(&self) -> Option<Residue> {
        self.shared().residue()
    }

    /// Takes over what an earlier authenticator of the same key left behind. Called before the
    /// first use of this authenticator.
    pub(crate) fn restore(&self, residue: Residue) {
        self.shared().restore(residue);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{MemoryStore, machine::prints::Print};

    impl Residue {
        /// A residue that matters until `end`, identified by a number.
        pub(crate) fn example(number: u64, end: Moment) -> Self {
            let mut memory = Memory::new(None);
            memory.refused.add(Print::new(number));
            Self {
                state: State::backing_off_until(end),
                memory,
                last_error: None,
                credentials: None,
                refresh_tokens: None,
            }
        }

        pub(crate) fn number(&self) -> u64 {
            self.memory.refused.iter().next().unwrap().get()
        }
    }

    #[test]
    fn refresh_tokens_outlast_a_back_off() {
        let end = Moment::PAST + Duration::from_secs(60);
        let mut residue = Residue::example(1, end);
        assert!(!residue.is_over(Moment::PAST));
        assert!(residue.is_over(end));
        let key = Key::builder("example").build();
        residue.refresh_tokens = Some((SharedTokenStore::new(MemoryStore::new()), key));
        assert!(
            !residue.is_over(end),
            "the only store with the refresh token"
        );
    }
}
