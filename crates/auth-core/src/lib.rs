//! The token machine: fetches one access token for everybody, renews it ahead of its expiry,
//! replaces it when the API refuses it, and never asks the vendor more often than that takes.
//!
//! A program that calls an API has one token and many requests that want it. Written by hand, that
//! becomes a lock held across a network call, a refresh that dies with the request that began it, a
//! herd at every expiry, and a loop when the vendor is down. This crate is the part that gets those
//! right, without an HTTP client, a vendor or a runtime's thread of its own. Requests are signed by
//! `auth-tower`, tokens fetched by `auth-oauth2` or a vendor's crate.
//!
//! # Example
//!
//! ```
//! use std::time::Duration;
//!
//! use auth_core::{AccessToken, Authenticator, Error, TokenRequest, Origins, TokenSource};
//!
//! struct FromAgent;
//!
//! impl TokenSource for FromAgent {
//!     async fn fetch(&self, _: TokenRequest) -> Result<AccessToken, Error> {
//!         Ok(AccessToken::new("fake-token").expires_in(Duration::from_secs(600)))
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Error> {
//! let origins = Origins::new(["https://api.example.com"])?;
//! let authenticator = Authenticator::builder(FromAgent, origins).build()?;
//! // A thousand tasks may do this at once: one token request.
//! let token = authenticator.token().await?;
//! assert_eq!(token.generation().get(), 1);
//! # Ok(())
//! # }
//! ```
//!
//! # What is where
//!
//! | you want to | see |
//! |---|---|
//! | have a token at hand | [`Authenticator`] |
//! | be ready before the first request, and tell how it stands | [`Authenticator::warm_up`], [`Health`] |
//! | fetch tokens from somewhere new | [`TokenSource`], [`AccessToken`], [`Error`] |
//! | see what happens, in logs, metrics and traces | [`Observer`], and the page [Observability](_documentation::observability) |
//! | keep a token valid without traffic, or follow its renewals | [`Authenticator::keep_warm`], [`Authenticator::watch`] |
//! | renew or drop a token by hand, and end a process well | [`Authenticator::refresh_now`], [`Authenticator::invalidate`], [`Authenticator::shutdown`] |
//! | set when tokens are renewed and how failures are spaced | [`RefreshPolicy`] |
//! | keep within a vendor's token quota | [`Quota`] |
//! | use the same options for several authenticators and vendors | [`AuthenticatorOptions`] |
//! | have a token for each tenant, user or scope | [`AuthenticatorMap`], [`Key`] |
//! | share a token with other processes, or with the next start | [`TokenStore`], [`AuthenticatorOptions::store`] |
//! | keep many keys from storming one token endpoint | [`TokenRequestLimit`] |
//! | say where a token may go | [`Origins`] |
//! | put a token into other headers | [`Scheme`] |
//! | send token calls through your own client | [`Transport`] |
//! | send a key as it is, without any token request | [`ApiKey`] |
//! | keep and rotate long-lived secrets | [`Secret`], [`SecretSource`], [`SecretEnv`], [`SecretFile`], [`SecretFn`] |
//! | check what is promised, which demands of standards are met, and by which tests | the pages [Guarantees](_documentation::guarantees), [Standards](_documentation::standards), [Threats](_documentation::threats) |
//! | turn the clock in tests | [`Clock`], and `VirtualClock` in `auth-testkit` |
//!
//! # How it works
//!
//! Every decision about *when* is made by one pure function, which is explored exhaustively in the
//! tests. A token request runs in a tokio task that no caller owns: dropping any caller, or all of
//! them, neither cancels nor repeats it. It is started by the first request that needs it and gone
//! when it has published its result; nothing runs while nobody asks. The token at hand is swapped
//! atomically, so that a request takes it without a lock, a wait or an allocation.
//!
//! Each token has two deadlines, on a monotonic and on the wall clock, the earlier of which counts:
//! from the soft one on it is renewed beside the traffic, past the hard one it is not sent. Both
//! survive a machine that slept and a clock that was set.
//!
//! # Cargo features
//!
//! | feature | default | effect |
//! |---|---|---|
//! | `serde` | no | settings from files: options, policies, quotas, origins and references to secrets implement `Deserialize`; [`Health`] and [`MapHealth`] implement `Serialize` |
//!
//! Supported Rust: see `rust-version` in the manifest.

#![cfg_attr(docsrs, feature(doc_cfg))]
#![allow(clippy::match_bool, reason = "not rewritten yet")]

#[cfg(doc)]
pub mod _documentation;
mod authenticator;
mod authenticator_map;
mod clock;
mod error;
mod key;
mod limits;
mod machine;
mod marks;
mod observer;
mod origin;
mod policy;
mod secret;
#[cfg(feature = "serde")]
pub mod settings;
mod sharded;
mod store;
mod token;
mod transport;

pub use authenticator::acquire::Acquire;
pub use authenticator::health::{Health, HealthFailure, MapHealth};
pub use authenticator::options::AuthenticatorOptions;
pub use authenticator::warm::{KeepWarm, TokenWatch};
pub use authenticator::{Authenticator, AuthenticatorBuilder, Refusal, Signing};
pub use authenticator_map::{AuthenticatorMap, AuthenticatorMapBuilder};
pub use clock::{Clock, Moment, SharedClock, SystemClock};
pub use error::{Error, ErrorKind, RejectedPart, TokenRequestOutcome};
pub use key::{Key, KeyBuilder, KeyPart};
pub use limits::concurrency::TokenRequestLimit;
pub use limits::quota::Quota;
pub use marks::redirected::{Redirected, RedirectsUnseen};
pub use marks::refused::TokenRefused;
pub use observer::{Event, EventKind, Observer, QuotaUse};
pub use origin::{HttpHosts, Origins};
pub use policy::RefreshPolicy;
pub use secret::Secret;
pub use secret::credentials::{Credentials, CredentialsId};
pub use secret::source::{SecretEnv, SecretFile, SecretFn, SecretSource, SharedSecretSource};
#[doc(hidden)]
pub use sharded::{Local, Sharded};
pub use store::{
    EntryVersion, LONGEST_LEASE, MemoryStore, NewEntry, SharedTokenStore, StoredEntry, TokenStore,
};
pub use token::api_key::ApiKey;
pub use token::scheme::Scheme;
pub use token::source::{TokenRequest, TokenRequestReason, TokenSource};
pub use token::{AccessToken, Generation, Token};
#[doc(hidden)]
pub use transport::{ConnectFailure, TokenHost};
pub use transport::{SharedTransport, Transport};

/// The program of the README compiles.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
