use super::*;
use crate::ErrorKind;

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// The state before the first token request.
fn new() -> Health {
    Health {
        vendor: "example".to_owned(),
        label: None,
        valid_for: None,
        is_refused: false,
        is_renewing: false,
        last_error: None,
        last_success: None,
        last_failure: None,
        next_try: None,
        renewal_due: None,
        is_store_failing: false,
        unsigned: None,
        not_replayed: None,
    }
}

fn valid() -> Health {
    Health {
        valid_for: Some(seconds(60)),
        ..new()
    }
}

fn with_error(health: Health) -> Health {
    let error = Error::new(ErrorKind::Unavailable, "no reply").with_vendor("example");
    Health {
        last_error: Some(error),
        ..health
    }
}

fn refused(health: Health) -> Health {
    Health {
        is_refused: true,
        ..health
    }
}

fn renewing(health: Health) -> Health {
    Health {
        is_renewing: true,
        ..health
    }
}

fn named(vendor: &str, health: Health) -> Health {
    Health {
        vendor: vendor.to_owned(),
        ..health
    }
}

fn lost(count: u64, cause: &'static str) -> Option<RequestsLost> {
    Some(RequestsLost {
        count,
        cause,
        host: "api.example.com".into(),
        ago: seconds(9),
    })
}

#[test]
fn each_state_has_its_own_line_and_says_whether_requests_fail() {
    for (health, line, is_usable, is_failing) in [
        (new(), "example: no token yet", false, false),
        (with_error(new()), "example: no reply", false, true),
        (
            refused(new()),
            "example: the API refused the token",
            false,
            true,
        ),
        (refused(with_error(new())), "example: no reply", false, true),
        (valid(), "example: token valid for 60 s", true, false),
        (
            with_error(valid()),
            "example: token valid for 60 s; example: no reply",
            true,
            false,
        ),
        (
            refused(valid()),
            "example: the API refuses the token",
            false,
            true,
        ),
        (
            refused(with_error(valid())),
            "example: the API refuses the token; example: no reply",
            false,
            true,
        ),
        (
            renewing(new()),
            "example: no token yet; a token request is in progress",
            false,
            false,
        ),
    ] {
        assert_eq!(health.to_string(), line);
        assert_eq!(health.is_usable(), is_usable, "{line}");
        assert_eq!(health.is_failing(), is_failing, "{line}");
    }
}

#[test]
fn lost_requests_are_part_of_the_line() {
    let health = Health {
        unsigned: lost(2, "other_origin"),
        not_replayed: lost(3, "body"),
        ..valid()
    };
    assert_eq!(
        health.to_string(),
        "example: token valid for 60 s; \
         2 requests sent unsigned, the last to api.example.com (other_origin) 9 s ago; \
         3 requests refused and not sent again, the last to api.example.com (body) 9 s ago"
    );
}

#[test]
fn map_counts_each_state_and_lists_the_worst_first() {
    let all = || {
        [
            named("a", valid()),
            named("b", new()),
            named("c", renewing(with_error(valid()))),
            named("d", renewing(with_error(new()))),
            named("e", refused(valid())),
            named("f", renewing(refused(with_error(valid())))),
            named("g", valid()),
            named("h", valid()),
            named("i", refused(new())),
        ]
    };
    for (worst, names) in [
        (0, ""),
        (1, "d"),
        (2, "de"),
        (4, "defi"),
        (5, "defic"),
        (6, "deficb"),
        (7, "deficb"),
        (usize::MAX, "deficb"),
    ] {
        let health = MapHealth::of(all().into_iter(), worst);
        let counts = (health.total, health.usable, health.failing);
        assert_eq!(counts, (9, 4, 4));
        assert_eq!((health.refused, health.renewing), (3, 3));
        let listed: String = health.worst.iter().map(Health::vendor).collect();
        assert_eq!(listed, names, "the worst {worst}");
    }
}

#[cfg(feature = "serde")]
#[test]
fn durations_are_serialized_in_seconds() {
    let error = Error::new(ErrorKind::Unavailable, "no reply").with_host("auth.example.com");
    let health = Health {
        label: Some("tenant-1".into()),
        last_success: Some(Duration::from_millis(1500)),
        last_failure: Some(HealthFailure {
            error,
            ago: seconds(7),
        }),
        next_try: Some(seconds(3)),
        renewal_due: Some(seconds(50)),
        is_store_failing: true,
        not_replayed: lost(3, "body"),
        ..renewing(valid())
    };
    let expected = serde_json::json!({
        "vendor": "example",
        "label": "tenant-1",
        "usable": true,
        "usable_for": 60.0,
        "refused": false,
        "renewing": true,
        "renewal_due": 50.0,
        "last_success": 1.5,
        "last_failure": {
            "ago": 7.0,
            "kind": "unavailable",
            "host": "auth.example.com",
            "cause": "no reply",
        },
        "next_try": 3.0,
        "store_failing": true,
        "unsigned": null,
        "not_replayed": {
            "count": 3,
            "cause": "body",
            "host": "api.example.com",
            "ago": 9.0,
        },
        "summary": health.to_string(),
    });
    assert_eq!(serde_json::to_value(&health).unwrap(), expected);
}
