//! An authorization server and a protected API inside a test, for everything that signs its
//! outgoing calls.
//!
//! Unit tests of an HTTP client that authenticates need a vendor that misbehaves on request: one
//! that is slow, forgets tokens, hands out broken JSON, refuses what it has just issued. And they
//! need a witness: how many tokens were really asked for, what was really sent, and whether a
//! secret went astray. This crate is both.
//!
//! # Example
//!
//! A vendor that fails once and revokes a token, and the questions to ask afterwards:
//!
//! ```
//! use auth_testkit::{Reply, TestServer};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let server = TestServer::start().await;
//! server.token().then(Reply::status(503).header("retry-after", "1"));
//!
//! // Hand `server.token_url()`, `client_id()` and `client_secret()` to the client under test, let
//! // it call `server.api_url()`, then:
//! server.revoke_all();
//! // ... and call again.
//!
//! let seen = server.counters();
//! assert!(seen.token_requests <= 3 && seen.max_token_in_flight <= 1);
//! server.shutdown().await;
//! # }
//! ```
//!
//! # What is in it
//!
//! | for | take |
//! |---|---|
//! | the vendor: token endpoint and API, over sockets or in memory | [`TestServer`] |
//! | its refresh tokens: replaced, repeated, left out | [`RefreshTokens`], [`RefreshTokenUse`] |
//! | its faults | [`Reply`], queued in a [`Script`]; [`Gate`] holds one back without sleeping |
//! | what the server saw | [`Counters`], [`RecordedRequest`], [`TokenUse`]; as text [`TestServer::wire`] |
//! | the vendor with its own paths, replies and refusals | [`VendorRules`]; vendor crates have theirs behind the feature `fake` |
//! | another origin, to which nothing may leak | [`ForeignServer`] |
//! | time | [`VirtualClock`] |
//! | a paused clock, so no sockets | [`MemoryTransport`], [`MemoryService`] |
//! | a vendor under its own URLs, and what was sent there | [`Recorder`] |
//! | tests of the token machine without any HTTP | [`ScriptedSource`] |
//! | a [`TokenStore`](auth_core::TokenStore) of yours | [`store_contract!`] |
//! | searching logs and errors for secrets | [`LogCapture`], [`assert_no_secret`] |
//!
//! # Real time or paused time
//!
//! Sockets want real time: a paused tokio clock leaps forward whenever the runtime waits for one.
//! Under `#[tokio::test(start_paused = true)]` use [`TestServer::builder`] with
//! [`in_memory`](TestServerBuilder::in_memory). Either way tokens age by tokio's clock, so no
//! test needs to sleep. The crate turns on tokio's feature `test-util`: keep it among the
//! development dependencies.
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
