use proptest::prelude::*;

use super::{worlds::EARLIEST, *};

const HALF: Jitter = Jitter(1 << 31);

/// The default policy, and numbers as vendors send them.
fn world(quota: Option<(u32, u32)>) -> World {
    World {
        policy: RefreshPolicy::default(),
        quota,
        enough: 40,
        deadline: 10,
        tokens: &[
            (None, None, HALF),
            (Some(0), None, HALF),
            (Some(1), None, EARLIEST),
            (Some(2), None, HALF),
            (Some(30), None, HALF),
            (Some(1_799), None, HALF),
            (Some(3_600), None, EARLIEST),
            (Some(3_600), None, HALF),
            (Some(3_600), Some(5), HALF),
            (Some(u32::MAX), None, HALF),
        ],
        failures: &[
            (Failure::Transient, None, EARLIEST),
            (Failure::Transient, None, HALF),
            (Failure::Transient, Some(30), HALF),
            (Failure::Transient, Some(u32::MAX), HALF),
            (Failure::Terminal, None, HALF),
            (Failure::Quota, None, HALF),
        ],
        steps: &[-100_000, -600, 600, 100_000],
        jumps: 2,
        prolongs: true,
        shares: false,
    }
}

#[derive(Clone, Copy, Debug)]
enum Stride {
    /// The next move is that one of those that are possible.
    Do(prop::sample::Index),
    Pass(Duration),
    /// To the nanosecond before, at or after one of the moments where something changes.
    PassTo(prop::sample::Index, u64),
}

fn strides() -> impl Strategy<Value = Vec<Stride>> {
    let stride = prop_oneof![
        4 => any::<prop::sample::Index>().prop_map(Stride::Do),
        1 => (1_u64..2_000).prop_map(|millis| Stride::Pass(Duration::from_millis(millis))),
        1 => (1_u64..4_000).prop_map(|seconds| Stride::Pass(Duration::from_secs(seconds))),
        3 => (any::<prop::sample::Index>(), 0_u64..3).prop_map(|(at, nano)| Stride::PassTo(at, nano)),
    ];
    prop::collection::vec(stride, 1..200)
}

impl Stride {
    fn step(self, node: &Node, world: &World) -> Move {
        let duration = match self {
            Self::Do(index) => return *index.get(&node.moves(world)),
            Self::Pass(duration) => duration,
            Self::PassTo(index, nano) => {
                let landmark = *index.get(&node.history.landmarks());
                let before = START
                    .until(landmark)
                    .saturating_sub(Duration::from_nanos(1));
                before + Duration::from_nanos(nano)
            }
        };
        // An exchange does not last for longer than it may.
        let end = node.history.sent().map(|sent| sent + world.deadline * UNIT);
        Move::Pass(end.map_or(duration, |end| duration.min(START.wait_until(end))))
    }
}

proptest! {
    #[test]
    fn long_walks_with_the_default_policy_keep_the_promises(
        quota in prop_oneof![Just(None), Just(Some((3, 600))), Just(Some((20, 3_600)))],
        strides in strides(),
    ) {
        let world = world(quota);
        let mut node = Node::new(&world);
        for stride in strides {
            let step = stride.step(&node, &world);
            let next = node.after(&world, step);
            prop_assert!(next.is_ok(), "{next:?}\n{step:?} in {node:#?}");
            node = next.unwrap();
            let judged = node.judge(&world);
            prop_assert!(judged.is_ok(), "{judged:?} in {node:#?}");
        }
    }
}
