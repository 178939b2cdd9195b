//! Which states count as the same: errors and tokens are compared by what the rules see of them.

use std::hash::{Hash, Hasher};

use crate::{AccessToken, Error};

impl Hash for Error {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.kind().hash(state);
        self.outcome().hash(state);
        self.rejected_part().hash(state);
        self.status().hash(state);
        self.code().hash(state);
        self.retry_after().hash(state);
    }
}

impl Hash for AccessToken {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.secret().hash(state);
        self.lifetime().hash(state);
        self.refresh_hint().hash(state);
        self.kept_refresh_token().hash(state);
    }
}

/// The standard hasher would take half of the test's time.
#[derive(Clone, Default)]
pub(super) struct Mix(u64, u64);

impl Mix {
    /// Wide enough that no two of a million states have the same hash by accident.
    pub(super) fn both(&self) -> u128 {
        u128::from(mixed(self.0)) << 64 | u128::from(mixed(self.1))
    }
}

impl Hasher for Mix {
    fn finish(&self) -> u64 {
        mixed(self.0)
    }

    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let word = chunk
                .iter()
                .fold(1, |word, byte| word << 8 | u64::from(*byte));
            self.write_u64(word);
        }
    }

    fn write_u8(&mut self, word: u8) {
        self.write_u64(word.into());
    }

    fn write_u16(&mut self, word: u16) {
        self.write_u64(word.into());
    }

    fn write_u32(&mut self, word: u32) {
        self.write_u64(word.into());
    }

    fn write_u64(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(23) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.1 = (self.1.rotate_left(29) ^ word).wrapping_mul(0xc2b2_ae3d_27d4_eb4f);
    }

    fn write_usize(&mut self, word: usize) {
        self.write_u64(word as u64);
    }

    fn write_isize(&mut self, discriminant: isize) {
        self.write_u64(discriminant.unsigned_abs() as u64);
    }
}

fn mixed(lane: u64) -> u64 {
    let lane = (lane ^ (lane >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93);
    lane ^ (lane >> 32)
}
