//! The rules of the soak: what processes and vendors may have seen within a time.

use std::{collections::BTreeMap, time::Duration};

use auth_testkit::Counters;
use libtest_mimic::Trial;

use crate::{
    check,
    client::TRANSPORT,
    measure::Held,
    plan::Fault,
    vendors::{EARLIEST, KEYED},
    worker::{ACTIVE, Counts},
};

/// What became of the requests to one vendor, and what the vendor saw.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) requests: u64,
    /// Requests without a response, by kind of error.
    pub(crate) failed: BTreeMap<String, u64>,
    /// Responses with 401.
    pub(crate) refused: u64,
    /// Responses with another status from 400.
    pub(crate) errors: u64,
    /// Keyed requests: lifetimes of tokens.
    pub(crate) lifetimes: u64,
    pub(crate) token_requests: u64,
    /// Refresh tokens that were sent after they had been replaced.
    pub(crate) reuses: u64,
}

impl Seen {
    /// Adds what a process has seen.
    pub(crate) fn add(&mut self, counts: &Counts) {
        self.requests += counts.requests;
        for (kind, number) in &counts.failed {
            *self.failed.entry(kind.clone()).or_default() += number;
        }
        for (status, number) in &counts.statuses {
            match status {
                401 => self.refused += number,
                400.. => self.errors += number,
                _ => {}
            }
        }
        self.lifetimes += counts.lifetimes;
    }

    /// Adds what the vendor has seen.
    pub(crate) fn count(&mut self, counters: &Counters) {
        self.token_requests += counters.token_requests;
        self.reuses += counters.refresh_reuses;
    }

    pub(crate) fn since(&self, before: &Self) -> Self {
        let failed = self.failed.iter().map(|(kind, number)| {
            let before = before.failed.get(kind).copied().unwrap_or_default();
            (kind.clone(), number - before)
        });
        Self {
            requests: self.requests - before.requests,
            failed: failed.filter(|(_, number)| *number > 0).collect(),
            refused: self.refused - before.refused,
            errors: self.errors - before.errors,
            lifetimes: self.lifetimes - before.lifetimes,
            token_requests: self.token_requests - before.token_requests,
            reuses: self.reuses - before.reuses,
        }
    }

    fn failures(&self) -> u64 {
        self.failed.values().sum()
    }
}

/// A time in which vendors and store answer: every request succeeds, and a token costs one token
/// request for each lifetime.
pub(crate) fn calm(vendor: &str, lasted: Duration, seen: &Seen) -> Vec<String> {
    let mut faults = Vec::new();
    if seen.requests == 0 {
        faults.push(format!("{vendor}: no request ended"));
    }
    if seen.failures() + seen.refused + seen.errors > 0 {
        let Seen {
            failed,
            refused,
            errors,
            ..
        } = seen;
        faults.push(format!(
            "{vendor}: requests without a fault failed: {failed:?}, {refused} refused, {errors} errors"
        ));
    }
    let bound = lifetimes(vendor, lasted, seen);
    if seen.token_requests > bound {
        let number = seen.token_requests;
        faults.push(format!(
            "{vendor}: {number} token requests in {lasted:?} without a fault, at most {bound} are needed"
        ));
    }
    if seen.reuses > 0 {
        let number = seen.reuses;
        faults.push(format!("{vendor}: {number} refresh tokens were sent twice"));
    }
    faults
}

/// A calm time, a fault and the recovery.
pub(crate) struct Trouble<'a> {
    pub(crate) faults: &'a [Fault],
    /// The calm time, the fault and the recovery.
    pub(crate) whole: Duration,
    /// The fault and the recovery.
    pub(crate) fault: Duration,
    /// The number of prepared answers.
    pub(crate) prepared: u64,
    /// Processes that share the store.
    pub(crate) processes: u64,
    /// Tokens that were on trial when all were revoked.
    pub(crate) young: u64,
}

impl Trouble<'_> {
    /// Returns how many token requests are permitted.
    pub(crate) fn bound(&self, vendor: &str, seen: &Seen) -> u64 {
        let needed = lifetimes(vendor, self.whole, seen);
        let keys = if vendor == KEYED { 2 * ACTIVE } else { 1 };
        let more = self.faults.iter().map(|fault| match fault {
            // A second process asks when the first has waited for half of a deadline.
            Fault::SlowTokens(_) => lifetimes(vendor, self.fault, seen),
            // One attempt a second for each key, and one for each key that comes meanwhile.
            Fault::TokenErrors | Fault::TokenResets => keys * (2 + self.fault.as_secs()),
            Fault::Throttled { .. } => self.prepared + 1,
            // The reply is lost, and so may be the refresh token.
            Fault::LostReplies(_) => 2 * self.prepared + 1,
            Fault::Revoked => keys,
            // Each process for itself, until it asks the store again.
            Fault::RedisKilled | Fault::RedisHalted | Fault::RedisSilent if vendor != KEYED => {
                self.processes * lifetimes(vendor, self.fault + Duration::from_secs(4), seen)
            }
            _ => 0,
        });
        // A refresh token that is sent again ends its login.
        needed + more.sum::<u64>() + 2 * seen.reuses
    }

    pub(crate) fn judge(&self, vendor: &str, seen: &Seen) -> Vec<String> {
        let mut faults = Vec::new();
        let names: Vec<_> = self.faults.iter().map(|fault| fault.words()).collect();
        let names = names.join(" and ");
        let mut fault = |text: String| faults.push(format!("{vendor}, {names}: {text}"));
        let bound = self.bound(vendor, seen);
        if seen.token_requests > bound {
            let (number, whole) = (seen.token_requests, self.whole);
            fault(format!(
                "{number} token requests in {whole:?}, at most {bound} are permitted"
            ));
        }
        for (kind, number) in &seen.failed {
            let permitted = self.permits(kind);
            if *number > permitted {
                fault(format!(
                    "{number} requests failed ({kind}), at most {permitted} are permitted"
                ));
            }
        }
        if seen.errors > self.of_api(|fault| matches!(fault, Fault::ApiErrors(_))) {
            let number = seen.errors;
            fault(format!("{number} requests were answered with an error"));
        }
        let permitted = self.permitted_refusals(vendor, seen);
        if seen.refused > permitted {
            let number = seen.refused;
            fault(format!(
                "{number} answers 401 reached a caller, at most {permitted} are permitted"
            ));
        }
        let permitted = self.permitted_reuses();
        if seen.reuses > permitted {
            let number = seen.reuses;
            fault(format!(
                "{number} refresh tokens were sent twice, at most {permitted} are permitted"
            ));
        }
        faults
    }

    /// Requests that may fail with a kind of error. A token endpoint that fails for longer than a
    /// token has left is told to callers.
    fn permits(&self, kind: &str) -> u64 {
        let token_endpoint_fails = self.faults.iter().any(|fault| {
            matches!(
                fault,
                Fault::TokenErrors
                    | Fault::TokenResets
                    | Fault::Throttled { .. }
                    | Fault::LostReplies(_)
            )
        });
        match kind {
            TRANSPORT => self.of_api(|fault| matches!(fault, Fault::ApiResets(_))),
            "Unavailable" | "TimedOut" | "Throttled" | "Protocol" if token_endpoint_fails => {
                u64::MAX
            }
            _ => 0,
        }
    }

    fn of_api(&self, is: impl Fn(&Fault) -> bool) -> u64 {
        if self.faults.iter().any(is) {
            self.prepared
        } else {
            0
        }
    }

    /// A token on trial is not renewed at once when it is refused. A refresh token that is sent again
    /// ends its login and the tokens of that login; no other token can be had until the back-off
    /// after the lost reply is over.
    fn permitted_refusals(&self, vendor: &str, seen: &Seen) -> u64 {
        let on_trial = match vendor {
            KEYED if self.faults.contains(&Fault::Revoked) => REQUESTS_ON_TRIAL * self.young,
            _ => 0,
        };
        on_trial + REQUESTS_WITHOUT_A_TOKEN * self.processes * seen.reuses
    }

    /// A refresh token is sent once more if its reply was lost, or if the store has lost the note
    /// that it is spent.
    fn permitted_reuses(&self) -> u64 {
        let of = self.faults.iter().map(|fault| match fault {
            Fault::LostReplies(_) => self.prepared,
            fault if fault.is_of_store() => 1,
            _ => 0,
        });
        of.sum()
    }
}

/// Returns how many lifetimes of tokens fit into a time. Keyed traffic counts the lifetimes of each
/// key itself; at both ends of the time those of the keys in use may be counted a moment earlier or
/// later.
fn lifetimes(vendor: &str, lasted: Duration, seen: &Seen) -> u64 {
    if vendor == KEYED {
        return seen.lifetimes + 2 * ACTIVE;
    }
    1 + (lasted.as_millis() / EARLIEST.as_millis()) as u64
}

/// Compares what a process held in the first third after the start with what it held later.
pub(crate) fn growth(process: &str, held: &[Held], is_short: bool) -> Vec<String> {
    let Some((first, later)) = thirds(held) else {
        return Vec::new();
    };
    let limit = if is_short { SHORT } else { LONG };
    let measured = [
        ("KiB of memory", first.memory, later.memory, limit.memory),
        ("open files", first.files, later.files, limit.files),
        ("threads", first.threads, later.threads, limit.threads),
        ("tasks", first.tasks, later.tasks, limit.tasks),
    ];
    let grown = measured
        .into_iter()
        .filter(|(_, first, later, limit)| later.saturating_sub(*first) > *limit);
    let grown = grown.map(|(what, first, later, limit)| {
        format!("{process}: {what} grew from {first} to {later}, by more than {limit}")
    });
    grown.collect()
}

/// Returns the least that was held in the first third, and in the last: a leak raises the least, a
/// moment with many connections does not. The first tenth is warm-up.
pub(crate) fn thirds(held: &[Held]) -> Option<(Held, Held)> {
    let held = &held[held.len().div_ceil(10).min(held.len())..];
    let third = held.len().div_ceil(3);
    let (first, last) = (held.get(..third)?, held.get(held.len() - third..)?);
    Some((least(first)?, least(last)?))
}

fn least(held: &[Held]) -> Option<Held> {
    held.iter().copied().reduce(|least, held| Held {
        memory: least.memory.min(held.memory),
        files: least.files.min(held.files),
        threads: least.threads.min(held.threads),
        tasks: least.tasks.min(held.tasks),
    })
}

/// How much more a process may hold in the last third than in the first.
const LONG: Held = Held {
    memory: 1024,
    files: 6,
    // Of the pool for blocking calls, which keeps a thread for ten seconds.
    threads: 2,
    tasks: 6,
};
/// In a run of seconds, which is all warm-up: a fault of the API alone adds some connections.
const SHORT: Held = Held {
    memory: 8 * 1024,
    files: 40,
    threads: 8,
    tasks: 80,
};

/// The requests of one token within the time in which a refusal of it starts no token request.
const REQUESTS_ON_TRIAL: u64 = 10;
/// The requests of one process within the longest back-off and a token request.
const REQUESTS_WITHOUT_A_TOKEN: u64 = 60;

pub(crate) fn trials() -> Vec<Trial> {
    let seen = |token_requests| Seen {
        requests: 100,
        token_requests,
        ..Seen::default()
    };
    let trouble = |faults| Trouble {
        faults,
        whole: EARLIEST * 4,
        fault: EARLIEST,
        prepared: 2,
        processes: 4,
        young: 0,
    };
    vec![
        Trial::test(
            "judge::calm_permits_one_token_request_per_lifetime",
            move || {
                let lasted = EARLIEST * 2;
                assert_eq!(calm("plain", lasted, &seen(3)), [""; 0]);
                assert_eq!(calm("plain", lasted, &seen(4)).len(), 1);
                Ok(())
            },
        ),
        Trial::test("judge::calm_permits_no_failure", move || {
            for bad in [
                Seen {
                    refused: 1,
                    ..seen(1)
                },
                Seen {
                    errors: 1,
                    ..seen(1)
                },
                Seen {
                    reuses: 1,
                    ..seen(1)
                },
                Seen {
                    requests: 0,
                    ..seen(1)
                },
                Seen {
                    failed: [("TimedOut".into(), 1)].into(),
                    ..seen(1)
                },
            ] {
                assert_eq!(calm("plain", EARLIEST, &bad).len(), 1, "{bad:?}");
            }
            Ok(())
        }),
        Trial::test("judge::a_fault_permits_only_its_failures", move || {
            let failed = |kind: &str, number| Seen {
                failed: [(kind.into(), number)].into(),
                ..seen(1)
            };
            let errors = trouble(&[Fault::TokenErrors]);
            assert_eq!(errors.judge("plain", &failed("Unavailable", 50)), [""; 0]);
            for kind in ["Refused", "Rejected", "Closed", "stuck", TRANSPORT] {
                assert_eq!(errors.judge("plain", &failed(kind, 1)).len(), 1, "{kind}");
            }
            let resets = trouble(&[Fault::ApiResets(2)]);
            assert_eq!(resets.judge("plain", &failed(TRANSPORT, 2)), [""; 0]);
            assert_eq!(resets.judge("plain", &failed(TRANSPORT, 3)).len(), 1);
            let killed = trouble(&[Fault::RedisKilled]);
            assert_eq!(killed.judge("plain", &failed("Unavailable", 1)).len(), 1);
            Ok(())
        }),
        Trial::test(
            "judge::a_revocation_costs_one_token_request_and_no_401",
            move || {
                let revoked = trouble(&[Fault::Revoked]);
                assert_eq!(revoked.judge("plain", &seen(6)), [""; 0]);
                assert_eq!(revoked.judge("plain", &seen(7)).len(), 1);
                let refused = Seen {
                    refused: 1,
                    ..seen(6)
                };
                assert_eq!(revoked.judge("plain", &refused).len(), 1);
                Ok(())
            },
        ),
        Trial::test(
            "judge::a_refresh_token_is_sent_twice_only_if_a_reply_was_lost",
            move || {
                let reused = |reuses| Seen { reuses, ..seen(1) };
                assert_eq!(
                    trouble(&[Fault::LostReplies(2)]).judge("person", &reused(2)),
                    [""; 0]
                );
                assert_eq!(
                    trouble(&[Fault::LostReplies(2)])
                        .judge("person", &reused(3))
                        .len(),
                    1
                );
                assert_eq!(
                    trouble(&[Fault::TokenErrors])
                        .judge("person", &reused(1))
                        .len(),
                    1
                );
                Ok(())
            },
        ),
        check("judge::what_a_process_holds_may_not_grow", || {
            let held = |memory, tasks| Held {
                memory,
                files: 10,
                threads: 4,
                tasks,
            };
            let flat: Vec<_> = (0..30).map(|at| held(9_000 + at % 3, 20)).collect();
            assert_eq!(growth("a", &flat, false), [""; 0]);
            let leaks: Vec<_> = (0..30).map(|at| held(9_000 + at * 60, 20)).collect();
            assert_eq!(growth("a", &leaks, false).len(), 1);
            let tasks: Vec<_> = (0..30).map(|at| held(9_000, 20 + at)).collect();
            assert_eq!(growth("a", &tasks, false).len(), 1);
            // Only the first tenth is warm-up.
            let warm: Vec<_> = (0..30)
                .map(|at| held(if at < 3 { 1 } else { 9_000 }, 20))
                .collect();
            assert_eq!(growth("a", &warm, false), [""; 0]);
            assert_eq!(growth("a", &[], false), [""; 0]);
        }),
    ]
}
