//! Random bodies that are refused at random points: a second send is equal to the first, or does
//! not follow.

use std::ops::Range;

use auth_tower::NotReplayed;
use http_body::Body;
use proptest::{collection::vec, prelude::*};

use super::{
    feed::{Feed, Given, Item, Oops, bare, data, step, steps, trailers},
    kept::Upload,
};

#[derive(Clone, Debug)]
struct Plan {
    frames: Vec<Shape>,
    says_length: bool,
    knows_end: bool,
    max_bytes: usize,
    /// Polls of the first send before the refusal, and after it.
    polls: (usize, usize),
    keeps_first: bool,
}

#[derive(Clone, Debug)]
enum Shape {
    Data(usize),
    Trailers,
    Error,
}

const LENGTHS: Range<usize> = 0..10_000;

fn shape() -> impl Strategy<Value = Shape> {
    prop_oneof![
        6 => LENGTHS.prop_map(Shape::Data),
        3 => (0..8_usize).prop_map(Shape::Data),
        1 => Just(Shape::Trailers),
        1 => Just(Shape::Error),
    ]
}

fn plan() -> impl Strategy<Value = Plan> {
    let polls = (0..12_usize, 0..4_usize);
    let flags = (any::<bool>(), any::<bool>(), any::<bool>());
    (vec(shape(), 0..10), flags, 0..40_000_usize, polls).prop_map(
        |(frames, (says_length, knows_end, keeps_first), max_bytes, polls)| Plan {
            frames,
            says_length,
            knows_end,
            max_bytes,
            polls,
            keeps_first,
        },
    )
}

impl Plan {
    fn feed(&self) -> Feed {
        let items = self.frames.iter().enumerate();
        let items = items.map(|(number, shape)| -> Item {
            match shape {
                Shape::Data(length) => data(vec![number as u8; *length]),
                Shape::Trailers => trailers("x-checksum", "42"),
                Shape::Error => Err(Oops(number as u32)),
            }
        });
        Feed::whole(
            items,
            self.says_length.then(|| self.length()),
            self.knows_end,
        )
    }

    fn length(&self) -> u64 {
        let lengths = self.frames.iter().map(|shape| match shape {
            Shape::Data(length) => *length as u64,
            _ => 0,
        });
        lengths.sum()
    }
}

async fn check(plan: Plan) {
    let mut upload = Upload::start(plan.max_bytes, plan.feed()).await;
    // Up to the first error, as a client reads.
    let all = bare(plan.feed());
    let mut sent = 0;
    let mut first = Vec::new();
    while first.len() < plan.polls.0.min(all.len()) {
        first.push(step(&mut upload.first));
    }
    assert_eq!(first, all[..first.len()], "the first send");
    for step in &first {
        sent += match &step.given {
            Given::Data(data) => data.len(),
            Given::Trailers(_) => "x-checksum42".len(),
            _ => 0,
        };
    }
    let has_failed = first
        .iter()
        .any(|step| matches!(step.given, Given::Error(_)));
    let is_over =
        first.last().is_some_and(|step| step.given == Given::End) || upload.first.is_end_stream();
    let is_too_large =
        sent > plan.max_bytes || (plan.says_length && plan.length() > plan.max_bytes as u64);

    upload.refuse();
    if is_too_large || has_failed {
        // A client stops at an error.
        if !has_failed && first != all {
            assert_eq!(steps(&mut upload.first), all[first.len()..]);
        }
        let why = upload.not_replayed().await;
        match why {
            NotReplayed::TooLarge => assert!(is_too_large),
            NotReplayed::Body => assert!(has_failed),
            why => panic!("{why:?}"),
        }
        return;
    }
    let mut second = upload.second().await;
    if !plan.keeps_first {
        upload.first = auth_tower::ReplayBody::new(Feed::of([]), 0);
    }
    let mut again = Vec::new();
    loop {
        if plan.keeps_first && again.len() < plan.polls.1 {
            let late = step(&mut upload.first).given;
            match late {
                Given::End => assert!(is_over),
                Given::Error(_) => assert!(!is_over),
                late => panic!("{late:?}"),
            }
        }
        let step = step(&mut second);
        let is_end = matches!(step.given, Given::End | Given::Error(_));
        again.push(step);
        if is_end {
            break;
        }
    }
    assert_eq!(again, all, "the second send");
}

proptest! {
    #[test]
    fn a_second_send_equals_the_first_one_or_does_not_happen(plan in plan()) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(check(plan));
    }
}
