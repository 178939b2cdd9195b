use super::{canonical::View, *};

/// The exchanges as the vendor counts them, at worst.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Count {
    /// So many in a window of so many units.
    quota: Option<(u32, u32)>,
    /// When each will be forgotten.
    ends: Vec<Moment>,
}

impl Count {
    pub(super) fn new(quota: Option<(u32, u32)>) -> Self {
        let ends = Vec::new();
        Self { quota, ends }
    }

    /// One ended, and may have been counted this late. Tokens count while they live, if they ever
    /// did, by the lifetime that the vendor stated.
    pub(super) fn add(&mut self, now: Moment, stated: Option<Duration>) {
        if let Some((_, units)) = self.quota {
            let window = units * UNIT;
            let counts = stated.filter(|stated| !stated.is_zero()).unwrap_or(window);
            self.ends.push(now + counts.min(window));
        }
    }

    pub(super) fn used(&self, at: Moment) -> u32 {
        let ends = self.ends.iter().filter(|end| !at.waited_for(**end));
        u32::try_from(ends.count()).unwrap()
    }

    pub(super) fn allowed(&self, slots: Slots) -> u32 {
        match (self.quota, slots) {
            (None, _) => u32::MAX,
            (Some((limit, _)), Slots::All) => limit,
            (Some((limit, _)), Slots::ButReserve) => limit * 8 / 10,
            (Some((limit, _)), Slots::Doubtful) => (limit * 8 / 10).max(1),
        }
    }

    pub(super) fn spacing(&self) -> Option<Duration> {
        self.quota.map(|(limit, units)| units * UNIT / limit)
    }

    pub(super) fn ends(&self) -> impl Iterator<Item = Moment> {
        self.ends.iter().copied()
    }

    pub(super) fn seen(&self, view: View) -> Self {
        let mut ends: Vec<_> = self.ends().map(|end| view.wait(end)).collect();
        ends.retain(|end| !START.waited_for(*end));
        ends.sort_unstable_by_key(|end| end.parts());
        let quota = self.quota;
        Self { quota, ends }
    }
}
