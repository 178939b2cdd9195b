//! A figure of a guide is the code's: each row names a definition and what a guide says of it.

use crate::read;

const CORE: &str = "crates/auth-core/src/";

/// Source, definition, guide, what the guide says. Paths are below `auth-core/src` unless they begin
/// with `crates`.
const FIGURES: &[[&str; 4]] = &[
    [
        "policy.rs",
        "refresh_at: 0.8,",
        "tokens_and_time",
        "// 80 % of the hour, less up to 5 %",
    ],
    [
        "policy.rs",
        "jitter: 0.05,",
        "tokens_and_time",
        "// 80 % of the hour, less up to 5 %",
    ],
    [
        "policy.rs",
        "const MARGIN: Duration = Duration::from_secs(60);",
        "tokens_and_time",
        "| 1 hour | 45 to 48 min | 59 min | 60 s |",
    ],
    [
        "policy.rs",
        "default_lifetime: Duration::from_secs(5 * 60),",
        "tokens_and_time",
        "| 5 minutes, also if the vendor states none |",
    ],
    [
        "policy.rs",
        "max_lifetime: Duration::from_secs(400 * 24 * 3600),",
        "tokens_and_time",
        "counts as 400 days",
    ],
    [
        "policy.rs",
        "deadline: Duration::from_secs(10),",
        "failures_and_back_off",
        "| one token request | 10 s |",
    ],
    [
        "policy.rs",
        "backoff: (Duration::from_secs(1), Duration::from_secs(60)),",
        "failures_and_back_off",
        "from 1 s to 60 s",
    ],
    [
        "policy.rs",
        "max_retry_after: Duration::from_secs(3600),",
        "failures_and_back_off",
        "what the vendor says, at most 1 hour",
    ],
    [
        "policy.rs",
        "probe_interval: Duration::from_secs(5 * 60),",
        "failures_and_back_off",
        "a probe every 5 minutes",
    ],
    [
        "policy.rs",
        "min_interval: Duration::from_secs(1),",
        "machine",
        "a floor of 1 s between two",
    ],
    [
        "secret/rejections.rs",
        "const ALLOWED: u32 = 2;",
        "failures_and_back_off",
        "| a user's password, twice |",
    ],
    [
        "secret/rejections.rs",
        "const FIRST_CODE_PAUSE: Duration = Duration::from_secs(10 * 60);",
        "failures_and_back_off",
        "10 minutes, doubled each time, at most one day",
    ],
    [
        "limits/concurrency.rs",
        "max_wait: Duration::from_secs(60),",
        "failures_and_back_off",
        "TokenRequestLimit) | 60 s |",
    ],
    [
        "store.rs",
        "Duration::from_millis(50)",
        "failures_and_back_off",
        "| the store, for all calls of a request | 50 ms |",
    ],
    [
        "store.rs",
        "LONGEST_LEASE: Duration = Duration::from_secs(600);",
        "fleets_and_stores",
        "at most 10 minutes",
    ],
    [
        "machine/orders.rs",
        "const SLACK: Duration = Duration::from_secs(2);",
        "fleets_and_stores",
        "the deadline and 2 s (Default: 12 s; 22 s",
    ],
    [
        "machine/flight.rs",
        "const FIRST_LOOK: Duration = Duration::from_millis(20);",
        "fleets_and_stores",
        "look again after 20 ms",
    ],
    [
        "machine/flight/looking.rs",
        "const LONGEST_LOOK: Duration = Duration::from_millis(600);",
        "fleets_and_stores",
        "up to every 600 ms",
    ],
    [
        "machine/record.rs",
        r#"b"auth-core record 5\n""#,
        "fleets_and_stores",
        r"`auth-core record 5\n`",
    ],
    [
        "machine/account.rs",
        r#"b"auth-core quota 1\n""#,
        "fleets_and_stores",
        r"`auth-core quota 1\n`",
    ],
    [
        "machine/account.rs",
        r#"b"auth-core logins 1\n""#,
        "fleets_and_stores",
        r"`auth-core logins 1\n`",
    ],
    [
        "machine/record.rs",
        "const LONGEST_SCOPE: usize = 4096;",
        "fleets_and_stores",
        "granted scope (up to 4096 bytes)",
    ],
    [
        "machine/record.rs",
        "const LATER: Duration = Duration::from_secs(120);",
        "fleets_and_stores",
        "forgotten two minutes after the back-off",
    ],
    [
        "machine/record.rs",
        "const ROW_LIVES: Duration = LONGEST_UNKNOWN;",
        "fleets_and_stores",
        "the last failures one hour longer",
    ],
    [
        "machine/backoff.rs",
        "const LONGEST_UNKNOWN: Duration = Duration::from_secs(3600);",
        "failures_and_back_off",
        "doubled each time, at most one hour",
    ],
    [
        "machine/record.rs",
        "const REFRESH_LIVES: Duration = Duration::from_secs(400 * 24 * 3600);",
        "fleets_and_stores",
        "a refresh token 400 days",
    ],
    [
        "machine/record.rs",
        "const REFUSED_LIVES: Duration = Duration::from_secs(24 * 3600);",
        "fleets_and_stores",
        "a refused token's fingerprint a day",
    ],
    [
        "machine/account.rs",
        "Duration::from_secs(30 * 24 * 3600)",
        "fleets_and_stores",
        "rejected logins 30 days",
    ],
    [
        "machine/prints.rs",
        "const MOST: usize = 4;",
        "fleets_and_stores",
        "fingerprints of up to 4 tokens",
    ],
    [
        "machine/memory.rs",
        "const FIRST_PAUSE: Duration = Duration::from_secs(1);",
        "fleets_and_stores",
        "does not ask the store again for 1 to 4 s",
    ],
    [
        "crates/auth-store-redis/src/entry.rs",
        r#"b"auth rd1""#,
        "fleets_and_stores",
        "The value is `auth rd1`",
    ],
    [
        "crates/auth-store-redis/src/entry.rs",
        "const MAX: usize = 1024 * 1024;",
        "fleets_and_stores",
        "at most 1 MiB",
    ],
    [
        "machine/serving/trial.rs",
        "Duration::from_secs(6),\n    Duration::from_secs(60),\n    Duration::from_secs(600),",
        "tokens_and_time",
        "on trial for 60 s, then 600 s",
    ],
    [
        "machine/serving/doubt.rs",
        "const DROP: u8 = 5;",
        "tokens_and_time",
        "Five refusals in a row",
    ],
    [
        "machine/serving/doubt.rs",
        "const DOUBT_WAIT: Duration = Duration::from_secs(2);",
        "tokens_and_time",
        "wait for 2 s at most",
    ],
    [
        "authenticator_map.rs",
        "max_entries: 10_000,",
        "many_tenants",
        "| 10 000 |",
    ],
    [
        "authenticator_map.rs",
        "idle_after: Duration::from_secs(60 * 60),",
        "many_tenants",
        "| 1 hour |",
    ],
    [
        "authenticator_map.rs",
        "const RESIDUES_PER_ENTRY: usize = 4;",
        "many_tenants",
        "| 4 for each of `max_entries` |",
    ],
    [
        "secret/source/file.rs",
        "const MAX: usize = 64 * 1024;",
        "limits",
        "| secret file | 64 KiB |",
    ],
    [
        "origin/warned.rs",
        "const MAX_WARNINGS: usize = 64;",
        "limits",
        "per authenticator | 64 |",
    ],
    [
        "machine/orders.rs",
        "const MOST_REQUESTS: u8 = 2;",
        "limits",
        "| token requests of one flight | 2:",
    ],
    [
        "crates/auth-oauth2/src/token_endpoint.rs",
        "const MAX_REPLY: usize = 64 * 1024;",
        "limits",
        "| token reply | 64 KiB; settable |",
    ],
    [
        "machine/explore.rs",
        "const MOST: u32 = 400_000;",
        "machine",
        "At most 400 000 states a world",
    ],
    [
        "crates/auth-reqwest/src/transport/builder.rs",
        "connect_timeout: Duration::from_secs(4),",
        "failures_and_back_off",
        "| connecting, in `ReqwestTransport` | 4 s |",
    ],
];

#[test]
fn each_figure_is_the_codes() {
    for [source, definition, guide, text] in FIGURES {
        let source = match source.strip_prefix("crates/") {
            Some(_) => (*source).to_owned(),
            None => format!("{CORE}{source}"),
        };
        let guide = format!("{CORE}_documentation/{guide}.md");
        // Lines are broken anywhere.
        let page = read(&guide).replace('\n', " ").replace("  ", " ");
        assert!(
            read(&source).contains(definition),
            "{source} has no `{definition}`: write its new figure into {guide}, and both here"
        );
        assert!(page.contains(text), "{guide} does not say `{text}`");
    }
}
