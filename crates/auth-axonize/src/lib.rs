//! Authentication for the Axonize API, now Planon IoT (<https://www.axonize.com>).
//!
//! The vendor has two methods; this crate supports both. [`Axonize::login`] logs in with an e-mail
//! address and a password, and signs requests with the returned token for ten hours.
//! [`Axonize::api_keys`] puts a client id and a client secret on each request, and requests no
//! token.
//!
//! The terms of these pages are defined in the glossary of [`auth_core`](auth_core#glossary).
//!
//! All guides, in reading order: [Guides](https://docs.rs/auth-core/latest/auth_core/_documentation/).
//!
//! # Example
//!
//! ```
//! use auth_axonize::Axonize;
//! use auth_core::{Error, SecretEnv, Transport};
//! use auth_tower::{Auth, AuthLayer};
//! use tower::ServiceBuilder;
//!
//! fn stack<S: Clone>(http: S, transport: impl Transport) -> Result<Auth<S>, Error> {
//!     let base_url = "https://api.axonize.com";
//!     let password = SecretEnv::new("AXONIZE_PASSWORD");
//!     let email = "robot@example.com";
//!     let authenticator =
//!         Axonize::login(base_url, "my-app-id", email, password, transport).build()?;
//!     // Then GET https://api.axonize.com/odata/devices/ goes out signed.
//!     Ok(ServiceBuilder::new().layer(AuthLayer::new(authenticator)).service(http))
//! }
//! ```
//!
//! # Overview
//!
//! | you want to | see |
//! |---|---|
//! | log in as a user | [`Axonize::login`], [`LoginBuilder`] |
//! | answer multi-factor authentication | [`LoginBuilder::mfa`] |
//! | another policy, a store, a clock | [`LoginBuilder::options`], [`ApiKeysBuilder::options`] |
//! | send API keys | [`Axonize::api_keys`], [`ApiKeysBuilder`] |
//! | get the API keys of a new application | [`ApiKeysBuilder`], `GetAppSecret` |
//!
//! # What to know about the vendor
//!
//! - **Headers.** Both methods use headers that only this vendor knows (`appId`; `clientId` and
//!   `clientSecret`). HTTP clients do not remove them when they follow a redirect to another
//!   origin. Put redirect followers *above* `AuthLayer`, which then checks each hop, or follow no
//!   redirects. A request that already carries one of these headers counts as signed by its caller
//!   and is not changed.
//! - **Lifetime.** A login's reply does not state it; the documentation says ten hours.
//! - **Lockout.** A password that the vendor rejected is sent at most twice, then once a day, until
//!   the password changes or
//!   [`Authenticator::clear_rejections`](auth_core::Authenticator::clear_rejections) is called.
//!   Rejected logins are counted per account (login URL, application, e-mail), for all
//!   authenticators of a process and for all processes that share a store. Without a store, a
//!   restart clears the count.
//! - **Multi-factor authentication.** Each login sends the user a code, so multi-factor
//!   authentication does not suit programs: switch it off for the program's account, or use API
//!   keys. A rejected code is not counted against the password; codes have their own count, see
//!   [`LoginBuilder::mfa`]. Without a callback, an authenticator sends one login a day.
//! - **Refusals.** API keys cannot be renewed: a 401 is returned to the caller, unless the source
//!   of the key returns another one by then.
//! - **Content type.** The API accepts `application/json` only, also from requests without a body.
//!   A signed request without a `Content-Type` gets this one; an existing `Content-Type` is kept.
//!
//! # Cargo features
//!
//! `fake`: the module `fake`, the vendor as a server inside a test. For `[dev-dependencies]` only.
//! Supported Rust: see `rust-version` in the manifest.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod api_keys;
mod base_url;
#[cfg(feature = "fake")]
pub mod fake;
#[cfg(feature = "serde")]
mod from_file;
mod login;
mod mfa;
mod settings;
mod source;
mod wire;

pub use api_keys::ApiKeysBuilder;
#[cfg(feature = "serde")]
pub use from_file::{ApiKeysSettings, LoginSettings};
pub use login::{Axonize, LoginBuilder};
pub use mfa::{MfaAnswer, MfaChallenge};

/// The vendor's name in errors and logs.
pub(crate) const VENDOR: &str = "axonize";

/// The program of the README compiles.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
