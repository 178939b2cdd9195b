//! An authorization server and a protected API for tests of clients that sign their requests.
//!
//! Tests of an HTTP client that authenticates need a vendor that fails on request: slow, without
//! memory of its tokens, with broken JSON, or refusing a new token. They also need to see what the
//! client did: the number of token requests, the bytes that were sent, and whether a secret leaked.
//! This crate is both.
//!
//! The terms of these pages are defined in the glossary of [`auth_core`](auth_core#glossary).
//!
//! All guides, in reading order: [Guides](https://docs.rs/auth-core/latest/auth_core/_documentation/).
//!
//! # Example
//!
//! A vendor that fails once and revokes a token, and the checks afterwards:
//!
//! ```
//! use auth_testkit::{Reply, TestServer};
//!
//! #[tokio::main(flavor = "current_thread")]
//! async fn main() {
//!     let server = TestServer::start().await;
//!     server.token().then(Reply::status(503).header("retry-after", "1"));
//!
//!     // Pass `server.token_url()`, `client_id()` and `client_secret()` to the client under test, let
//!     // the client call `server.api_url()`, then:
//!     server.revoke_all();
//!     // ... and call again.
//!
//!     let seen = server.counters();
//!     assert!(seen.token_requests <= 3 && seen.max_token_in_flight <= 1);
//!     server.shutdown().await;
//! }
//! ```
//!
//! # Overview
//!
//! | for | take |
//! |---|---|
//! | the vendor: token endpoint and API, over sockets or in memory | [`TestServer`] |
//! | its refresh tokens: replaced, repeated, omitted | [`RefreshTokens`], [`RefreshTokenUse`] |
//! | its faults | [`Reply`], queued in a [`Script`]; [`Gate`] delays one without a sleep |
//! | what the server saw | [`Counters`], [`RecordedRequest`], [`TokenUse`]; as text [`TestServer::wire`] |
//! | the vendor with its own paths, replies and refusals | [`VendorRules`]; vendor crates have theirs behind the feature `fake` |
//! | another origin, which must not receive a secret | [`ForeignServer`] |
//! | time | [`VirtualClock`] |
//! | a paused clock, without sockets | [`MemoryTransport`], [`MemoryService`] |
//! | a vendor under its own URLs, and the requests that were sent there | [`Recorder`] |
//! | tests of the token machine without any HTTP | [`ScriptedSource`] |
//! | a [`TokenStore`](auth_core::TokenStore) that you write | [`store_contract!`] |
//! | searching logs and errors for secrets | [`LogCapture`], [`assert_no_secret`] |
//!
//! # Real time or paused time
//!
//! Sockets need real time: a paused tokio clock jumps forward when the runtime waits for one. Under
//! `#[tokio::test(start_paused = true)]` use [`TestServer::builder`] with
//! [`in_memory`](TestServerBuilder::in_memory). In both cases tokens age by tokio's clock, so no
//! test needs to sleep. The crate enables tokio's feature `test-util`: use it only in
//! `[dev-dependencies]`.
//!
//! # Supported Rust
//!
//! 1.85.

mod answer;
mod api;
mod authenticator;
mod body;
mod builder;
#[doc(hidden)]
pub mod by_hand;
mod clock;
pub mod contract;
mod counters;
mod delivery;
mod foreign;
mod gate;
mod handler;
mod incoming;
mod leak;
mod ledger;
mod listen;
mod log;
mod memory;
mod observer;
mod place;
mod queue;
mod quota;
mod record;
mod recorder;
mod refresh;
mod reply;
mod script;
mod server;
mod settings;
mod source;
mod state;
pub mod store_contract;
#[cfg(test)]
mod testing;
mod token_endpoint;
mod upload;
mod vendor;
mod wire;

pub use answer::Answer;
pub use builder::TestServerBuilder;
pub use clock::VirtualClock;
pub use counters::{Counters, Side};
pub use foreign::ForeignServer;
pub use gate::Gate;
pub use leak::{Leak, assert_no_secret, find_secrets};
pub use ledger::TokenUse;
pub use log::LogCapture;
pub use memory::{MemoryBody, MemoryError, MemoryFuture, MemoryService, MemoryTransport};
pub use observer::RecordingObserver;
pub use record::RecordedRequest;
pub use recorder::{Recorder, SentRequest};
pub use refresh::{RefreshTokenUse, RefreshTokens};
pub use reply::Reply;
pub use script::Script;
pub use server::TestServer;
pub use settings::{BodyFormat, ClientAuth, RetryAfter};
pub use source::{Fetch, Outcome, ScriptedSource};
pub use token_endpoint::{IssuedToken, OAuthParams, OAuthRefusal};
pub use upload::body_hash;
pub use vendor::{VendorRequest, VendorRules};

/// The program of the README compiles.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
