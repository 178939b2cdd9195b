use std::{
    collections::{BTreeMap, HashMap},
    sync::PoisonError,
};

use crate::{
    Key, Moment,
    authenticator::residue::Residue,
    sync::{Mutex, MutexGuard},
};

/// The residues of evicted authenticators by key, at most `most`. Above `most`, the oldest is
/// dropped.
///
/// Called while a shard of the map is locked, so nothing here calls the map, logs or blocks.
#[derive(Debug)]
pub(super) struct Residues {
    most: usize,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    residues: HashMap<Key, Place>,
    /// The oldest first.
    order: BTreeMap<Number, Key>,
    last: Number,
    /// The number of residues dropped above `most` since the last report.
    lost: usize,
}

#[derive(Debug)]
struct Place {
    number: Number,
    /// Boxed because it is large, and a hash table reserves more places than it uses.
    residue: Box<Residue>,
}

/// Increases in the order of eviction.
type Number = u64;

impl Residues {
    pub(super) fn new(most: usize) -> Self {
        Self {
            most,
            kept: Mutex::new(Kept::default()),
        }
    }

    pub(super) fn keep(&self, key: &Key, residue: Residue) {
        let mut kept = self.kept();
        kept.remove(key);
        while kept.residues.len() >= self.most {
            let Some((_, oldest)) = kept.order.pop_first() else {
                return;
            };
            kept.residues.remove(&oldest);
            kept.lost += 1;
        }
        kept.last += 1;
        let number = kept.last;
        kept.order.insert(number, key.clone());
        let residue = Box::new(residue);
        kept.residues.insert(key.clone(), Place { number, residue });
    }

    pub(super) fn take(&self, key: &Key) -> Option<Residue> {
        self.kept().remove(key)
    }

    pub(super) fn drop_over(&self, now: Moment) {
        let mut kept = self.kept();
        let Kept {
            residues, order, ..
        } = &mut *kept;
        residues.retain(|_, place| {
            let over = place.residue.is_over(now);
            if over {
                order.remove(&place.number);
            }
            !over
        });
    }

    pub(super) fn take_lost(&self) -> usize {
        std::mem::take(&mut self.kept().lost)
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn remove(&mut self, key: &Key) -> Option<Residue> {
        let place = self.residues.remove(key)?;
        self.order.remove(&place.number);
        Some(*place.residue)
    }
}

#[cfg(test)]
impl Residues {
    pub(super) fn len(&self) -> usize {
        let kept = self.kept();
        assert_eq!(kept.residues.len(), kept.order.len());
        kept.residues.len()
    }
}
