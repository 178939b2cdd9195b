//! The contract of every vendor's authenticator, as tests that a vendor crate runs against the
//! vendor's fake.
//!
//! Describe the vendor by a [`Vendor`], and let [`contract!`](crate::contract!) create a test for
//! each clause. All tests run in memory and under a paused clock, so a day of retries takes no
//! time.
//!
//! # Example
//!
//! ```
//! use auth_core::{
//!     Authenticator, AuthenticatorOptions, Error, Key, Origins, SharedSecretSource,
//! };
//! use auth_testkit::{TestServer, TestServerBuilder, contract::Vendor};
//! # fn source(_: &TestServer, _: SharedSecretSource) -> impl auth_core::TokenSource {
//! #     auth_testkit::ScriptedSource::new()
//! # }
//!
//! struct Example;
//!
//! impl Vendor for Example {
//!     fn server() -> TestServerBuilder {
//!         TestServer::builder().name("example").two_origins()
//!     }
//!
//!     fn authenticator(
//!         server: &TestServer,
//!         secret: SharedSecretSource,
//!         options: AuthenticatorOptions,
//!     ) -> Result<Authenticator, Error> {
//!         Authenticator::builder(source(server, secret), Origins::new([server.api_url()])?)
//!             .key(Key::builder("example").client(server.client_id()).build())
//!             .options(options)
//!             .build()
//!     }
//! }
//!
//! // In `tests/contract.rs`:
//! auth_testkit::contract!(Example);
//! ```

use std::{future::Future, time::Duration};

use auth_core::{Authenticator, AuthenticatorOptions, Error, SharedSecretSource};

use crate::{TestServer, TestServerBuilder};

mod cancel;
mod failure;
mod odd;
mod options;
mod places;
mod redaction;
mod refusal;
mod secret;
mod serving;
mod stand;

pub use cancel::cancelled_callers_change_nothing;
pub use failure::{a_throttle_is_kept_to, a_wrong_secret_is_a_terminal_error};
pub use odd::odd_replies_do_no_lasting_harm;
pub use options::{a_store_in_the_options_is_shared, the_other_options_are_kept};
pub use places::{a_callers_own_header_is_kept, nothing_leaves_for_other_places};
pub use redaction::nothing_that_is_shown_holds_a_secret;
pub use refusal::{a_refusal_is_answered_by_one_renewal, an_endless_refusal_is_passed_on};
pub use secret::{
    a_failing_secret_source_is_asked_again, a_secret_that_has_changed_is_used,
    an_empty_secret_is_a_config_error,
};
pub use serving::{
    cold_callers_share_one_token_request, nothing_is_sent_past_its_end, requests_share_a_credential,
};

/// The facts about a vendor that the contract's clauses need.
pub trait Vendor {
    /// Whether tokens are requested; `false` for static credentials (API keys).
    const FETCHES: bool = true;

    /// The number of HTTP requests of one token request.
    const HTTP_REQUESTS_PER_TOKEN_REQUEST: u64 = 1;

    /// Whether wrong credentials lock an account, so that the same credentials are sent at most
    /// twice, then once a day until they change.
    const LOCKOUT: bool = false;

    /// Creates the vendor's fake, a [`TestServer`] with its [`VendorRules`](crate::VendorRules).
    /// The clauses start it with [`in_memory`](TestServerBuilder::in_memory).
    fn server() -> TestServerBuilder;

    /// Creates an authenticator as a user would, but with the server's
    /// [`transport`](TestServer::transport) and URLs, with this source of the secret, and with
    /// these options unchanged. The options contain the server's [`clock`](TestServer::clock).
    ///
    /// # Errors
    ///
    /// The error of the crate under test for invalid settings.
    fn authenticator(
        server: &TestServer,
        secret: SharedSecretSource,
        options: AuthenticatorOptions,
    ) -> Result<Authenticator, Error>;

    /// Returns the secret that the server accepts. Default: the client's.
    fn right_secret(server: &TestServer) -> String {
        server.client_secret()
    }

    /// Makes the server accept another secret. Default: the client's.
    fn change_secret(server: &TestServer, new: &str) {
        server.change_client_secret(new);
    }

    /// Returns a path of the API that answers 200 to a valid credential.
    fn path() -> &'static str {
        "/"
    }
}

/// Runs a clause on its own runtime, with its clock paused.
///
/// # Panics
///
/// If the clause fails, or does not end.
pub fn run(clause: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build();
    let in_time = async { tokio::time::timeout(TOO_LONG, clause).await };
    let ended = runtime.map(|runtime| runtime.block_on(in_time));
    assert!(
        matches!(ended, Ok(Ok(()))),
        "the clause did not end: {ended:?}"
    );
}

/// Creates a test for each clause of the [`contract`](mod@crate::contract) for a
/// [`Vendor`](crate::contract::Vendor).
///
/// The tests are placed where the macro is called: use one module for each vendor.
#[macro_export]
macro_rules! contract {
    ($vendor:ty) => {
        $crate::contract! { @clauses $vendor:
            requests_share_a_credential,
            cold_callers_share_one_token_request,
            nothing_is_sent_past_its_end,
            a_refusal_is_answered_by_one_renewal,
            an_endless_refusal_is_passed_on,
            a_wrong_secret_is_a_terminal_error,
            a_throttle_is_kept_to,
            odd_replies_do_no_lasting_harm,
            nothing_leaves_for_other_places,
            a_callers_own_header_is_kept,
            nothing_that_is_shown_holds_a_secret,
            cancelled_callers_change_nothing,
            a_secret_that_has_changed_is_used,
            a_failing_secret_source_is_asked_again,
            an_empty_secret_is_a_config_error,
            a_store_in_the_options_is_shared,
            the_other_options_are_kept,
        }
    };
    (@clauses $vendor:ty: $($clause:ident,)*) => {
        $(
            #[test]
            fn $clause() {
                $crate::contract::run($crate::contract::$clause::<$vendor>());
            }
        )*
    };
}

/// Ten years of virtual time: a longer wait counts as endless.
const TOO_LONG: Duration = Duration::from_secs(10 * 365 * 24 * 3600);
