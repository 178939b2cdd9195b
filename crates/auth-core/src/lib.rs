//! Holds one access token for all callers, renews it ahead of its expiry, and replaces it when the
//! API refuses it.
//!
//! A program that calls an API has one token and many requests. A token behind a hand-written lock
//! has known faults: the lock is held during a network call, a cancelled request cancels the
//! renewal, all requests renew at each expiry, and failures repeat in a loop. This crate does this
//! part without an HTTP client and without a vendor. `auth-tower` signs requests; `auth-oauth2` and
//! the vendors' crates request tokens.
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
//! #[tokio::main(flavor = "current_thread")]
//! async fn main() -> Result<(), Error> {
//!     let origins = Origins::new(["https://api.example.com"])?;
//!     let authenticator = Authenticator::builder(FromAgent, origins).build()?;
//!     // A thousand tasks may do this at once: one token request.
//!     let token = authenticator.token().await?;
//!     assert_eq!(token.generation().get(), 1);
//!     Ok(())
//! }
//! ```
//!
//! # Where to find what
//!
//! | you want to | see |
//! |---|---|
//! | hold and renew a token | [`Authenticator`] |
//! | be ready before the first request, and report the state | [`Authenticator::warm_up`], [`Health`] |
//! | fetch tokens from somewhere new | [`TokenSource`], [`AccessToken`], [`Error`] |
//! | see what happens, in logs, metrics and traces | [`Observer`], and the page [Observability](_documentation::observability) |
//! | keep a token valid without traffic, or follow its renewals | [`Authenticator::keep_warm`], [`Authenticator::watch`] |
//! | renew or drop a token by hand, and end a process well | [`Authenticator::refresh_now`], [`Authenticator::invalidate`], [`Authenticator::shutdown`] |
//! | ask for more scope when the API wants it | [`WiderScope`] |
//! | set when tokens are renewed and how failures are spaced | [`RefreshPolicy`] |
//! | keep within a vendor's token quota | [`Quota`] |
//! | use the same options for several authenticators and vendors | [`AuthenticatorOptions`] |
//! | have a token for each tenant, user or scope | [`AuthenticatorMap`], [`Key`] |
//! | share a token with other processes, or with the next start | [`TokenStore`], [`AuthenticatorOptions::store`] |
//! | limit the token requests of many keys to one token endpoint | [`TokenRequestLimit`] |
//! | say where a token may go | [`Origins`] |
//! | put a token into other headers | [`Scheme`] |
//! | send token requests through your own client | [`Transport`] |
//! | send a key as it is, without any token request | [`ApiKey`] |
//! | keep and rotate long-lived secrets | [`Secret`], [`SecretSource`], [`SecretEnv`], [`SecretFile`], [`SecretFn`] |
//! | check what is promised, which demands of standards are met, and by which tests | the pages [Guarantees](_documentation::guarantees), [Standards](_documentation::standards), [Threats](_documentation::threats) |
//! | read all guides, in reading order | [Guides](_documentation) |
//! | control the time in tests | [`Clock`], and `VirtualClock` in `auth-testkit` |
//!
//! # How it works
//!
//! Pure functions decide when a token is requested; tests explore them completely for small worlds.
//! A token request runs in a tokio task that no caller owns: a caller that is dropped neither
//! cancels nor repeats it. The first caller that needs a token starts the task, and the task ends
//! when it has published its result. Without callers nothing runs. The cached token is replaced
//! atomically: signing takes no lock, no wait and no allocation.
//!
//! Each token has two deadlines, each on a monotonic clock and on the wall clock. After
//! `refresh_at` (Default: 80 % of the lifetime) the next token is requested in the background.
//! After `valid_until` (the expiry minus a margin) the token is not sent. Both hold for a machine
//! that slept and for a wall clock that was set.
//!
//! # Glossary
//!
//! | term | meaning |
//! |---|---|
//! | credentials | what proves the client or the user to the token endpoint: client secret, password, key, assertion |
//! | access token, refresh token | as in RFC 6749 sections 1.4 and 1.5 |
//! | authorization server, token endpoint | the server that issues tokens, and its URL for token requests (RFC 6749) |
//! | API | the resource server of RFC 6749: the server that the signed requests are for |
//! | vendor | the company whose API is called |
//! | issuer | the `iss` URL of an authorization server (RFC 8414) |
//! | token request | one call of the token endpoint (RFC 6749 section 4), or of a vendor's own login |
//! | sign | put the cached token on a request |
//! | valid, expired | a token is valid until its expiry minus a margin, see [`RefreshPolicy::margin`] |
//! | renewal, ahead of expiry | the next token is requested while the current one is valid |
//! | single flight | one token request for all callers that wait |
//! | **rejected** | the authorization server does not accept credentials or a grant: no token request succeeds until they change |
//! | **refused** | the API does not accept an access token (401): a new token may help |
//! | **replayed** | a refused request was sent once more with a new token |
//! | doubted | a token that the API refused once; other requests use it while no better one can be had |
//! | on trial | a new token that the API has not accepted yet |
//! | back-off | the time after a failed token request in which none is made |
//! | refusal back-off | the time in which refusals by the API start no token request |
//! | quota | how many token requests a vendor allows in a window of time, see [`Quota`] |
//! | generation | the number of a token in its authenticator, see [`Generation`] |
//! | entry, lease, compare-and-set, time to live | what processes share in a [`TokenStore`]: the record of a key, the right to request its token, the write that fails if another process wrote first, and how long an entry is kept |
//! | probe | one token request after rejected credentials, to learn whether they are accepted again |
//!
//! # Cargo features
//!
//! | feature | default | effect |
//! |---|---|---|
//! | `serde` | no | settings from files: options, policies, quotas, origins and references to secrets implement `Deserialize`; [`Health`] and [`MapHealth`] implement `Serialize` |
//!
//! Supported Rust: see `rust-version` in the manifest.

#![cfg_attr(docsrs, feature(doc_cfg))]

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
mod sync;
mod token;
mod transport;

pub use authenticator::acquire::Acquire;
pub use authenticator::health::{Health, HealthFailure, MapHealth, RequestsLost};
pub use authenticator::options::AuthenticatorOptions;
pub use authenticator::warm::{KeepWarm, TokenWatch};
pub use authenticator::wider_scope::ScopeAnswer;
pub use authenticator::{Authenticator, AuthenticatorBuilder, Refusal, Signing};
#[doc(hidden)]
pub use authenticator_map::LocalAuthenticator;
pub use authenticator_map::{AuthenticatorMap, AuthenticatorMapBuilder};
pub use clock::{Clock, Moment, SharedClock, SystemClock};
pub use error::{Error, ErrorKind, RejectedPart, TokenRequestOutcome};
pub use key::{Key, KeyBuilder, KeyPart};
pub use limits::concurrency::TokenRequestLimit;
pub use limits::quota::Quota;
pub use limits::wider_scope::{NoWiderScope, WiderScope};
pub use marks::redirected::{Redirected, RedirectsUnseen};
pub use marks::refused::TokenRefused;
#[doc(hidden)]
pub use observer::measure;
pub use observer::{Event, EventKind, Observer, QuotaUse};
#[doc(hidden)]
pub use origin::Destination;
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
