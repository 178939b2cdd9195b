use proptest::prelude::*;

use super::*;

/// 1994-11-06 08:49:37, the date in the examples of the standard.
const NOW: Duration = Duration::from_secs(784_111_777);

fn read(values: &[&str], date: Option<&str>) -> Option<Duration> {
    let mut headers = HeaderMap::new();
    for value in values {
        headers.append(header::RETRY_AFTER, value.parse().unwrap());
    }
    if let Some(date) = date {
        headers.insert(header::DATE, date.parse().unwrap());
    }
    retry_after(&headers, Moment::new(Duration::ZERO, NOW))
}

fn seconds(count: u64) -> Option<Duration> {
    Some(Duration::from_secs(count))
}

#[test]
fn s28_seconds() {
    assert_eq!(read(&["120"], None), seconds(120));
    assert_eq!(read(&["0"], None), seconds(0));
    assert_eq!(read(&[" 7 "], None), seconds(7));
    assert_eq!(
        read(&["1000000000000000000000000000000"], None),
        seconds(u64::MAX)
    );
}

#[test]
fn s28_three_date_forms() {
    for date in [
        "Sun, 06 Nov 1994 08:50:37 GMT",
        "Sunday, 06-Nov-94 08:50:37 GMT",
        "Sun Nov  6 08:50:37 1994",
    ] {
        assert_eq!(read(&[date], None), seconds(60), "{date}");
    }
}

#[test]
fn s28_a_date_is_compared_with_the_date_of_the_reply() {
    let at = "Sun, 06 Nov 1994 08:50:37 GMT";
    assert_eq!(
        read(&[at], Some("Sun, 06 Nov 1994 08:50:07 GMT")),
        seconds(30)
    );
    assert_eq!(read(&[at], Some("yesterday")), seconds(60));
    // Seconds do not depend on a clock.
    assert_eq!(
        read(&["5"], Some("Sun, 06 Nov 1994 08:50:07 GMT")),
        seconds(5)
    );
}

#[test]
fn s28_a_past_date_is_zero_and_a_far_date_is_not_limited() {
    assert_eq!(read(&["Sun, 06 Nov 1994 08:49:36 GMT"], None), seconds(0));
    let far = read(&["Fri, 31 Dec 9999 23:59:59 GMT"], None).unwrap();
    assert!(far > Duration::from_secs(8_000 * 365 * 86_400));
}

#[test]
fn s28_an_unreadable_value_is_ignored() {
    for value in [
        "",
        "-1",
        "+1",
        "1.5",
        "1e3",
        "soon",
        "0x10",
        "Sun, 06 Nov 1994",
        "5, 7",
        "\u{663}",
    ] {
        assert_eq!(read(&[value], None), None, "{value}");
    }
    assert_eq!(read(&[], None), None);
}

#[test]
fn s28_the_longest_of_two_values_is_returned() {
    assert_eq!(read(&["5", "60"], None), seconds(60));
    assert_eq!(
        read(&["60", "Sun, 06 Nov 1994 08:49:40 GMT"], None),
        seconds(60)
    );
    assert_eq!(read(&["soon", "9"], None), seconds(9));
}

proptest! {
    #[test]
    fn s28_nothing_panics(value in "[\\x20-\\x7e]{0,40}", date in "[\\x20-\\x7e]{0,40}") {
        read(&[&value], Some(&date));
    }
}
