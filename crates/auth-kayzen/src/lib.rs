//! Authentication for the Kayzen API (<https://kayzen.io>).
//!
//! Kayzen sells advertisements; Kaizen by CopperTree Analytics, one letter away, reads buildings
//! and is another vendor.
//!
//! The vendor hands out tokens for 30 minutes against two pairs at once: an API key with its
//! secret, and the e-mail and password of somebody who may log in to the Kayzen platform. This
//! crate knows the endpoint, how each pair is written, and the replies, which are not quite OAuth;
//! one [`Authenticator`](auth_core::Authenticator) then keeps a token for all requests of a
//! process. See the vendor's pages on
//! [authentication](https://api.docs.kayzen.io/docs/authentication), with a form body, and on
//! [access tokens](https://developers.kayzen.io/reference/create-authentication-token), with a JSON
//! one.
//!
//! # Example
//!
//! ```
//! # use auth_core::{Error, Transport};
//! use auth_core::SecretFile;
//! use auth_kayzen::Kayzen;
//! use auth_tower::AuthLayer;
//! use tower::ServiceBuilder;
//!
//! # fn stack<S>(http: S, transport: impl Transport) -> Result<(), Error> {
//! let authenticator = Kayzen::builder(
//!     "my-api-key",
//!     SecretFile::new("/run/secrets/kayzen-api-secret"),
//!     "api+reporting@example.com",
//!     SecretFile::new("/run/secrets/kayzen-password"),
//!     transport,
//! )
//! .build()?;
//! let client = ServiceBuilder::new().layer(AuthLayer::new(authenticator)).service(http);
//! // GET https://api.kayzen.io/v1/meta/campaigns?page=1&per_page=25 now goes out signed.
//! # Ok(())
//! # }
//! ```
//!
//! # What is where
//!
//! | you want to | see |
//! |---|---|
//! | sign requests to Kayzen | [`Kayzen::builder`] |
//! | another endpoint, a JSON body, form-encoded Basic | [`KayzenBuilder`] |
//! | another policy, a store, a clock | [`KayzenBuilder::options`] |
//!
//! # What to know about the vendor
//!
//! - **Password grant.** A program that logs in with a person's password can do all that the person
//!   can, and stops when the person leaves or changes the password, which is why RFC 9700 section
//!   2.4 forbids this grant. Kayzen has no other. So make an account of the program's own, with no
//!   more rights than it needs, and keep its password where it can be replaced without a restart: a
//!   [`SecretFile`](auth_core::SecretFile), a vault behind a [`SecretFn`](auth_core::SecretFn).
//! - **Wrong login.** The vendor answers 401, "Authentication error" and a message, for example
//!   "Invalid login credentials" or "Invalid API Key". The error is
//!   [`Rejected`](auth_core::ErrorKind::Rejected), shows both texts, and names both pairs.
//! - **Lockout.** Vendors lock accounts after a few rejected logins. Credentials that the vendor
//!   rejected are sent at most twice, then once a day, until a secret changes or
//!   [`Authenticator::clear_rejections`](auth_core::Authenticator::clear_rejections) is called. An
//!   accepted login clears the count. The count belongs to the account (token endpoint, way of
//!   writing the API key, API key, e-mail), for all authenticators of a process and for all
//!   processes that share a store. Without a store, a restart begins again. Corrected credentials
//!   are used within the policy's probe interval.
//! - **E-mail.** Give it as it is: `api+reporting@example.com` is form-encoded on its way, as the
//!   vendor asks, and one that was encoded before is refused by
//!   [`build`](KayzenBuilder::build).
//! - **Basic.** Key and secret are joined as they are, as the vendor says. RFC 6749 section 2.3.1
//!   would form-encode both first: [`KayzenBuilder::client_auth`].
//! - **Renewal.** There are no refresh tokens: a token is renewed by the same login, before it
//!   expires.
//!
//! # Cargo features
//!
//! `fake`: the module `fake`, the vendor as a server inside a test; for `[dev-dependencies]` only.
//! Supported Rust: see `rust-version` in the manifest.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod config;
#[cfg(feature = "fake")]
pub mod fake;

pub use config::{Kayzen, KayzenBuilder};

/// The program of the README compiles.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
