use super::*;

fn of(bits: impl IntoIterator<Item = u64>) -> Prints {
    let mut prints = Prints::default();
    bits.into_iter()
        .for_each(|bits| prints.add(Print::new(bits)));
    prints
}

fn bits(prints: &Prints) -> Vec<u64> {
    prints.iter().map(Print::get).collect()
}

#[test]
fn the_newest_four_are_kept() {
    assert_eq!(bits(&of(1..=6)), [6, 5, 4, 3]);
}

#[test]
fn a_known_one_becomes_the_newest_and_pushes_none_out() {
    assert_eq!(bits(&of([1, 2, 3, 4, 1])), [1, 4, 3, 2]);
    assert_eq!(bits(&of([1, 1, 1])), [1]);
}

#[test]
fn the_oldest_is_added_last_while_there_is_room() {
    let mut prints = of([1, 2]);
    for bits in [7, 7, 8, 9] {
        prints.add_last(Print::new(bits));
    }
    assert_eq!(bits(&prints), [2, 1, 7, 8]);
}

#[test]
fn a_removed_one_is_unknown() {
    let mut prints = of([1, 2]);
    prints.remove(Print::new(1));
    assert!(!prints.contains(Print::new(1)) && prints.contains(Print::new(2)));
    prints.remove(Print::new(2));
    assert!(prints.is_empty());
}

#[test]
fn a_fingerprint_goes_by_the_text() {
    assert_eq!(Print::of(&Secret::new("a")), Print::of_text("a"));
    assert_ne!(Print::of_text("a"), Print::of_text("b"));
}
