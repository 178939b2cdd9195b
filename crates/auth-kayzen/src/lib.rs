//! Authentication for the Kayzen API (<https://kayzen.io>).
//!
//! Kayzen sells advertisements. Kaizen by CopperTree Analytics, one letter away, reads buildings
//! and is another vendor.
//!
//! The vendor issues tokens for 30 minutes. A login needs two pairs: an API key with its secret,
//! and the e-mail and password of a user of the Kayzen platform. This crate knows the endpoint, the
//! encoding of each pair, and the replies, which deviate from OAuth. One
//! [`Authenticator`](auth_core::Authenticator) keeps one token for all requests of a process. The
//! vendor's pages: [authentication](https://api.docs.kayzen.io/docs/authentication), with a form
//! body, and [access tokens](https://developers.kayzen.io/reference/create-authentication-token),
//! with a JSON body.
//!
//! The terms of these pages are defined in the glossary of [`auth_core`](auth_core#glossary).
//!
//! All guides, in reading order: [Guides](https://docs.rs/auth-core/latest/auth_core/_documentation/).
//!
//! # Example
//!
//! ```
//! use auth_core::{Error, SecretFile, Transport};
//! use auth_kayzen::Kayzen;
//! use auth_tower::{Auth, AuthLayer};
//! use tower::ServiceBuilder;
//!
//! fn stack<S: Clone>(http: S, transport: impl Transport) -> Result<Auth<S>, Error> {
//!     let authenticator = Kayzen::builder(
//!         "my-api-key",
//!         SecretFile::new("/run/secrets/kayzen-api-secret"),
//!         "api+reporting@example.com",
//!         SecretFile::new("/run/secrets/kayzen-password"),
//!         transport,
//!     )
//!     .build()?;
//!     // Then GET https://api.kayzen.io/v1/meta/campaigns?page=1&per_page=25 goes out signed.
//!     Ok(ServiceBuilder::new().layer(AuthLayer::new(authenticator)).service(http))
//! }
//! ```
//!
//! # Overview
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
//!   can do, and fails when the person leaves or changes the password. RFC 9700 section 2.4 forbids
//!   this grant for that reason. Kayzen has no other. Create an account for the program, with only
//!   the rights that it needs, and keep its password where it can be replaced without a restart: a
//!   [`SecretFile`](auth_core::SecretFile), or a vault behind a [`SecretFn`](auth_core::SecretFn).
//! - **Wrong login.** The vendor answers 401, "Authentication error" and a message, for example
//!   "Invalid login credentials" or "Invalid API Key". The error is
//!   [`Rejected`](auth_core::ErrorKind::Rejected), shows both texts, and names both pairs.
//! - **Lockout.** Vendors lock accounts after a few rejected logins. Rejected credentials are sent
//!   at most twice, then once a day, until a secret changes or
//!   [`Authenticator::clear_rejections`](auth_core::Authenticator::clear_rejections) is called. An
//!   accepted login clears the count. Rejected logins are counted per account (token endpoint, way
//!   of writing the API key, API key, e-mail), for all authenticators of a process and for all
//!   processes that share a store. Without a store, a restart clears the count. Corrected
//!   credentials are used within the policy's probe interval.
//! - **E-mail.** Pass it without encoding: `api+reporting@example.com` is form-encoded when it is
//!   sent, as the vendor requires. [`build`](KayzenBuilder::build) refuses an encoded e-mail.
//! - **Basic.** Key and secret are joined without encoding, as the vendor documents. RFC 6749
//!   section 2.3.1 form-encodes both first; for that, use [`KayzenBuilder::client_auth`].
//! - **Renewal.** The vendor has no refresh tokens. A token is renewed by the same login, before it
//!   expires.
//!
//! # Cargo features
//!
//! `fake`: the module `fake`, the vendor as a server inside a test. For `[dev-dependencies]` only.
//! Supported Rust: see `rust-version` in the manifest.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod config;
#[cfg(feature = "fake")]
pub mod fake;
#[cfg(feature = "serde")]
mod from_file;

pub use config::{Kayzen, KayzenBuilder};
#[cfg(feature = "serde")]
pub use from_file::KayzenSettings;

/// The program of the README compiles.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
