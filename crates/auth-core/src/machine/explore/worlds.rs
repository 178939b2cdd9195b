use super::*;

#[test]
fn one_process_without_a_store_survives_failures() {
    explore(&World {
        horizon: 7,
        shares: false,
        may: May {
            not_sent: true,
            reply_lost: true,
            page: true,
            throttle: Some(2),
            prolong: true,
            ..May::default()
        },
        ..World::one("one process, a vendor that fails")
    });
}

#[test]
fn one_process_without_a_store_survives_refusals() {
    explore(&World {
        horizon: 6,
        shares: false,
        may: May {
            page: true,
            accept: true,
            revoke: true,
            refuse_falsely: true,
            ..May::default()
        },
        ..World::one("one process, refusals")
    });
}

#[test]
fn g20_one_process_survives_clocks_that_are_set() {
    explore(&World {
        horizon: 6,
        faults: 1,
        may: May {
            set_clock: true,
            page: true,
            ..May::default()
        },
        ..World::one("one process, a clock that is set")
    });
}

#[test]
fn g10_one_process_survives_tokens_that_have_expired_on_arrival() {
    explore(&World {
        horizon: 8,
        shares: false,
        vendor: Kind {
            expired: true,
            ..Kind::default()
        },
        may: May {
            page: true,
            ..May::default()
        },
        ..World::one("one process, expired tokens")
    });
}

#[test]
fn t16_one_process_leaves_no_trace_of_what_was_not_sent() {
    explore(&World {
        vendor: Kind {
            rotates: true,
            ..Kind::default()
        },
        may: May {
            not_sent: true,
            page: true,
            ..May::default()
        },
        ..World::one("one process with a store, requests that are not sent")
    });
}

#[test]
fn g03_two_processes_survive_a_vendor_that_fails() {
    explore(&World {
        horizon: 3,
        may: May {
            not_sent: true,
            reply_lost: true,
            page: true,
            ..May::default()
        },
        ..World::two("two processes, a vendor that fails")
    });
}

#[test]
fn s28_two_processes_obey_a_vendor_that_throttles() {
    explore(&World {
        horizon: 3,
        policy: World::policy().max_retry_after(secs(10)),
        may: May {
            throttle: Some(3),
            store_fails: true,
            ..May::default()
        },
        ..World::two("two processes, a vendor that throttles, a store that fails")
    });
}

#[test]
fn g16_two_processes_survive_a_store_that_denies() {
    explore(&World {
        horizon: 3,
        may: May {
            store_denies: true,
            store_fails: true,
            ..May::default()
        },
        ..World::two("two processes, a store that denies")
    });
}

#[test]
fn g16_two_processes_survive_a_store_that_lies() {
    explore(&World {
        horizon: 3,
        may: May {
            wipe: true,
            roll_back: true,
            rubbish: true,
            revoke: true,
            ..May::default()
        },
        ..World::two("two processes, a store that lies")
    });
}

#[test]
fn g17_two_processes_survive_crashes_and_stops() {
    explore(&World {
        may: May {
            crash: true,
            stop: true,
            give_up: true,
            ..May::default()
        },
        ..World::two("two processes that crash and stop")
    });
}

#[test]
fn g17_no_refresh_token_is_sent_twice() {
    for needs_refresh_token in [false, true] {
        explore(&World {
            lifetime: 2,
            horizon: 1,
            vendor: Kind {
                rotates: true,
                needs_refresh_token,
                ..Kind::default()
            },
            may: May {
                crash: true,
                stop: true,
                give_up: true,
                reply_lost: true,
                ..May::default()
            },
            ..World::two("two processes, refresh tokens that rotate")
        });
    }
}

#[test]
fn g06_rejected_credentials_are_sent_twice() {
    explore(&World {
        horizon: 1,
        faults: 0,
        policy: World::policy().probe_interval(secs(1)).unwrap(),
        vendor: Kind {
            lockable: true,
            ..Kind::default()
        },
        ..World::two("two processes, a wrong secret")
    });
}

#[test]
fn g11_two_processes_keep_within_the_quota() {
    explore(&World {
        quota: Some((3, 4)),
        may: May {
            page: true,
            revoke: true,
            accept: true,
            ..May::default()
        },
        ..World::two("two processes, a quota")
    });
}

#[test]
fn g07_two_processes_replace_a_refused_token_once() {
    explore(&World {
        vendor: Kind {
            one_live: true,
            ..Kind::default()
        },
        may: May {
            revoke: true,
            refuse_falsely: true,
            accept: true,
            ..May::default()
        },
        ..World::two("two processes, refusals, one live token")
    });
}

#[test]
fn g03_three_processes_make_one_token_request() {
    explore(&World {
        processes: 3,
        lifetime: 4,
        horizon: 1,
        may: May {
            not_sent: true,
            page: true,
            crash: true,
            ..May::default()
        },
        ..World::two("three processes")
    });
}

#[test]
fn g03_two_processes_send_a_second_token_request_if_the_first_has_no_answer() {
    explore(&World {
        policy: World::policy().deadline(secs(4)).unwrap(),
        horizon: 4,
        lifetime: 20,
        faults: 2,
        may: May {
            reply_lost: true,
            page: true,
            ..May::default()
        },
        ..World::two("two processes, a token request without an answer")
    });
}

#[test]
fn g07_one_process_tells_a_store_that_failed_of_refused_tokens() {
    explore(&World {
        lifetime: 6,
        faults: 2,
        may: May {
            store_fails: true,
            revoke: true,
            accept: true,
            ..May::default()
        },
        ..World::one("one process, refusals while the store fails")
    });
}

#[test]
fn g17_a_refresh_token_is_sent_once_more_when_its_reply_was_lost() {
    explore(&World {
        lifetime: 2,
        faults: 3,
        vendor: Kind {
            rotates: true,
            ..Kind::default()
        },
        may: May {
            reply_lost: true,
            not_sent: true,
            ..May::default()
        },
        ..World::one("one process, refresh tokens whose replies are lost")
    });
}

#[test]
fn g07_refused_token_whose_renewal_fails_is_taken_by_no_process() {
    explore(&World {
        horizon: 1,
        faults: 2,
        may: May {
            revoke: true,
            accept: true,
            page: true,
            ..May::default()
        },
        ..World::two("two processes, a refusal and a renewal that fails")
    });
}

#[test]
fn g04_one_process_survives_renewals_that_an_operator_asks_for() {
    explore(&World {
        shares: false,
        may: May {
            renew: true,
            invalidate: true,
            page: true,
            throttle: Some(2),
            revoke: true,
            ..May::default()
        },
        ..World::one("one process, an operator who renews and invalidates")
    });
}

#[test]
fn g11_renewals_that_an_operator_asks_for_keep_within_the_quota() {
    explore(&World {
        quota: Some((2, 4)),
        horizon: 4,
        may: May {
            renew: true,
            invalidate: true,
            page: true,
            ..May::default()
        },
        ..World::one("one process with a store and a quota, an operator who renews and invalidates")
    });
}

#[test]
fn g07_two_processes_survive_an_operator_who_renews_and_invalidates() {
    explore(&World {
        horizon: 2,
        may: May {
            renew: true,
            invalidate: true,
            ..May::default()
        },
        ..World::two("two processes, an operator who renews and invalidates")
    });
}

#[test]
fn g20f_one_process_survives_a_store_whose_clock_is_set_back() {
    for seconds in [1, 3] {
        explore(&World {
            quota: Some((2, 4)),
            horizon: 7,
            faults: 1,
            may: May {
                set_store_back: Some(seconds),
                ..May::default()
            },
            ..World::one("one process, a store whose clock is set back")
        });
    }
}
