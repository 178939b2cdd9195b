//! Tests against an authorization server that is not part of this project.
//!
//! `cargo xtask test` installs the server's dependencies and runs these tests. All numbers are
//! counted by the server. Time is real here: a test sends requests for a limited time instead of
//! advancing a clock.

#![allow(clippy::unwrap_used, reason = "a panic fails the test")]

mod assertions;
mod bearer;
mod discovery;
mod faults;
mod fleet;
mod limits;
mod logins;
mod renewal;
mod server;
mod stack;
mod users;

use std::{env, future::Future, process::ExitCode, time::Duration};

use libtest_mimic::{Arguments, Trial};
use tokio::{runtime, time};

#[expect(clippy::print_stdout, reason = "no output must not look like success")]
fn main() -> ExitCode {
    if fleet::is_worker() {
        fleet::work();
        return ExitCode::SUCCESS;
    }
    let arguments = Arguments::from_args();
    let asked = env::var_os("AUTH_INTEROP").is_some_and(|value| value == "1");
    if !asked && !arguments.list {
        println!("not run: interop (cargo xtask test runs it)");
        return ExitCode::SUCCESS;
    }
    let trials = if asked { trials() } else { Vec::new() };
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn trials() -> Vec<Trial> {
    vec![
        trial("short_lifetimes", renewal::short_lifetimes),
        trial(
            "all_tokens_revoked_under_traffic",
            renewal::all_tokens_revoked_under_traffic,
        ),
        trial(
            "an_outage_while_the_token_is_usable",
            renewal::an_outage_while_the_token_is_usable,
        ),
        trial("retry_after_in_seconds", limits::retry_after_in_seconds),
        trial("retry_after_as_a_date", limits::retry_after_as_a_date),
        trial("server_error", faults::server_error),
        trial("connection_reset", faults::connection_reset),
        trial("html_in_place_of_json", faults::html_in_place_of_json),
        trial(
            "html_with_an_error_status",
            faults::html_with_an_error_status,
        ),
        trial(
            "an_answer_after_the_deadline",
            faults::an_answer_after_the_deadline,
        ),
        trial("wrong_secret", faults::wrong_secret),
        trial(
            "scope_that_the_client_may_not_have",
            faults::scope_that_the_client_may_not_have,
        ),
        trial("unknown_resource", faults::unknown_resource),
        trial("basic", logins::basic),
        trial(
            "basic_with_odd_characters",
            logins::basic_with_odd_characters,
        ),
        trial("post", logins::post),
        trial("scope_and_resource", logins::scope_and_resource),
        trial(
            "one_token_request_for_a_crowd",
            logins::one_token_request_for_a_crowd,
        ),
        trial("private_key_jwt", assertions::private_key_jwt),
        trial("client_secret_jwt", assertions::client_secret_jwt),
        trial(
            "one_assertion_for_a_crowd",
            assertions::one_assertion_for_a_crowd,
        ),
        trial(
            "one_assertion_for_twenty_processes",
            fleet::one_assertion_for_twenty_processes,
        ),
        trial("replayed_assertion", assertions::replayed_assertion),
        trial("wrong_audience", assertions::wrong_audience),
        trial("clock_an_hour_off", assertions::clock_an_hour_off),
        trial("retired_key", assertions::retired_key),
        trial(
            "key_rotated_under_traffic",
            assertions::key_rotated_under_traffic,
        ),
        trial(
            "assertion_file_replaced_under_traffic",
            assertions::assertion_file_replaced_under_traffic,
        ),
        trial("jwt_bearer", bearer::jwt_bearer),
        trial("jwt_bearer_under_traffic", bearer::jwt_bearer_under_traffic),
        trial("jwt_bearer_refused", bearer::jwt_bearer_refused),
        trial(
            "jwt_bearer_expired_assertion_is_not_sent",
            bearer::jwt_bearer_expired_assertion_is_not_sent,
        ),
        trial("discovery_openid_form", discovery::openid_form),
        trial("discovery_rfc_8414_form", discovery::rfc_8414_form),
        trial(
            "discovery_of_another_spelling_of_the_issuer",
            discovery::another_spelling_of_the_issuer,
        ),
        trial("discovery_at_start", discovery::metadata_at_start),
        trial(
            "discovery_of_an_issuer_that_starts_later",
            discovery::an_issuer_that_starts_later,
        ),
        trial("password", users::password),
        trial("wrong_password", users::wrong_password),
        trial("refresh_tokens", users::refresh_tokens),
        trial(
            "refresh_tokens_of_a_person",
            users::refresh_tokens_of_a_person,
        ),
        trial("token_exchange", users::token_exchange),
        trial(
            "token_exchange_for_a_revoked_token",
            users::token_exchange_for_a_revoked_token,
        ),
        trial(
            "token_exchange_ends_with_the_subject_token",
            users::token_exchange_ends_with_the_subject_token,
        ),
    ]
}

/// Runs one test in its own runtime.
fn trial<F>(name: &str, story: fn() -> F) -> Trial
where
    F: Future<Output = ()> + 'static,
{
    Trial::test(name, move || {
        let runtime = runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()?;
        let story = async { time::timeout(STORY, story()).await };
        runtime
            .block_on(story)
            .map_err(|_| format!("not done after {STORY:?}").into())
    })
}

/// Longer than any test takes, including the server's start.
const STORY: Duration = Duration::from_secs(90);
