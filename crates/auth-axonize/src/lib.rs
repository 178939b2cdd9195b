//! Authentication for the Axonize API, now Planon IoT (<https://www.axonize.com>).
//!
//! The vendor has two methods, and this crate both. [`Axonize::login`] logs in with an e-mail
//! address and a password, and signs requests with the token that comes back, for ten hours.
//! [`Axonize::api_keys`] puts a client id and a client secret on each request, and fetches nothing.
//!
//! # Example
//!
//! ```
//! # use auth_core::{Error, Transport};
//! use auth_axonize::Axonize;
//! use auth_core::SecretEnv;
//! use auth_tower::AuthLayer;
//! use tower::ServiceBuilder;
//!
//! # fn stack<S: Clone>(http: S, transport: impl Transport) -> Result<(), Error> {
//! let base_url = "https://api.axonize.com";
//! let password = SecretEnv::new("AXONIZE_PASSWORD");
//! let email = "robot@example.com";
//! let authenticator =
//!     Axonize::login(base_url, "my-app-id", email, password, transport).build()?;
//! let client = ServiceBuilder::new().layer(AuthLayer::new(authenticator)).service(http);
//! // GET https://api.axonize.com/odata/devices/ now goes out signed.
//! # Ok(())
//! # }
//! ```
//!
//! # What is where
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
//! - **Headers.** Both methods use headers of the vendor's own (`appId`; `clientId` and
//!   `clientSecret`), which HTTP clients do not take off a request that is redirected elsewhere.
//!   Put redirect followers *above* `AuthLayer`, where each hop is judged anew, or have none. A
//!   request that already carries one of these headers counts as signed by its caller, and is left
//!   alone.
//! - **Lifetime.** A login says nothing about it; the documentation says ten hours.
//! - **Lockout.** A password that the vendor rejected is sent at most twice, then once a day, until
//!   the password changes or
//!   [`Authenticator::clear_rejections`](auth_core::Authenticator::clear_rejections) is called. The
//!   count belongs to the account (login URL, application, e-mail), for all authenticators of a
//!   process and for all processes that share a store. Without a store, a restart begins again.
//! - **Multi-factor authentication.** Where it is on, each login sends its user a code, so it is
//!   not for programs: have it switched off for the program's account, or use API keys. A rejected
//!   code does not count against the password; it has a count of its own, see
//!   [`LoginBuilder::mfa`]. Without a callback, an authenticator sends one login a day.
//! - **Refusals.** With API keys there is nothing to renew: a 401 is passed on, unless the key's
//!   source has another one by then.
//! - **Content type.** The API takes `application/json` only, also from requests without a body. A
//!   signed request without a `Content-Type` gets that one; any other that it has is kept.
//!
//! # Cargo features
//!
//! `fake`: the module `fake`, the vendor as a server inside a test; for `[dev-dependencies]` only.
//! Supported Rust: see `rust-version` in the manifest.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod api_keys;
mod base_url;
#[cfg(feature = "fake")]
pub mod fake;
mod login;
mod mfa;
mod settings;
mod source;
mod wire;

pub use api_keys::ApiKeysBuilder;
pub use login::{Axonize, LoginBuilder};
pub use mfa::{MfaAnswer, MfaChallenge};

/// As it stands in errors and logs.
pub(crate) const VENDOR: &str = "axonize";

/// The program of the README compiles.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
