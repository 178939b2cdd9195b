use super::*;

/// The present of every [`Node`], far from both ends of time.
pub(super) const START: Moment =
    Moment::from_parts(1_000_000_000_000_000_000, 1_000_000_000_000_000_000);

/// The same node as seen from `now`, with everything that makes no difference made equal: how long
/// a deadline is over, how many failures came after the longest back-off, how old a world is.
pub(super) fn canonical(world: &World, node: &Node, now: Moment) -> Node {
    let Node { state, history } = node;
    let steady = history.jumps() == world.jumps;
    let enough = world.enough;
    let view = View {
        now,
        steady,
        enough,
    };
    let mut known: Vec<_> = state.last.into_iter().collect();
    known.extend(state.held.map(|held| held.generation));
    known.extend(history.generations());
    known.sort_unstable();
    known.dedup();
    let number = |generation: Generation| {
        let place = known.iter().position(|known| *known == generation).unwrap();
        // The first number is left for all that are older.
        (0..=place).fold(Generation::after(None), |number, _| {
            Generation::after(Some(number))
        })
    };
    let state = State {
        last: state.last.map(number),
        held: state.held.map(|held| Held {
            generation: number(held.generation),
            lifetime: held.lifetime,
            refresh_at: view.deadline(held.refresh_at),
            usable_until: view.deadline(held.usable_until),
        }),
        flight: state.flight,
        gate: state
            .gate
            .filter(|gate| !now.waited_for(gate.until))
            .map(|gate| Gate {
                until: view.wait(gate.until),
                ..gate
            }),
        failures: state.failures.min(enough),
        damping: Damping {
            streak: state.damping.streak.min(enough),
            until: view.wait(state.damping.until),
            pending: state.damping.pending,
        },
        ledger: state.ledger.map(|frees| view.wait(frees)),
    };
    Node {
        state,
        history: history.seen(view, number),
    }
}

/// How moments look from a certain present.
#[derive(Clone, Copy)]
pub(super) struct View {
    now: Moment,
    /// The clocks will not jump any more.
    steady: bool,
    /// So many failures make the longest back-off.
    pub(super) enough: u32,
}

impl View {
    /// Those that are over are all the same.
    pub(super) fn deadline(self, deadline: Moment) -> Moment {
        let seen = self.moment(deadline).later(START);
        if self.steady && START.reached(seen) {
            START
        } else {
            seen
        }
    }

    /// Waits go by the monotonic clock alone.
    pub(super) fn wait(self, end: Moment) -> Moment {
        let (mono, _) = self.moment(end).parts();
        let (start_mono, start_wall) = START.parts();
        Moment::from_parts(mono.max(start_mono), start_wall)
    }

    /// The same distance from [`START`] as from now.
    pub(super) fn moment(self, moment: Moment) -> Moment {
        let seen = |reading: u64, now: u64, start: u64| {
            let distance = i128::from(reading) - i128::from(now);
            let never = reading == u64::MAX;
            let seen = u64::try_from(i128::from(start) + distance).unwrap_or(0);
            if never { reading } else { seen }
        };
        let (mono, wall) = moment.parts();
        let (now_mono, now_wall) = self.now.parts();
        let (start_mono, start_wall) = START.parts();
        Moment::from_parts(
            seen(mono, now_mono, start_mono),
            seen(wall, now_wall, start_wall),
        )
    }
}
