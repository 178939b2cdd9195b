//! Authentication for the Verdigris API (<https://verdigris.co>).
//!
//! The vendor hands out tokens for an hour by the client credentials grant, at most 20 in any hour
//! for each client, and a program that asks more often is locked out for the rest of it. This crate
//! knows the endpoints, the audience, the quota and how the vendor says that it is used up; one
//! [`Authenticator`](auth_core::Authenticator) then keeps a token for all requests of a process.
//! See the vendor's page on [authentication](https://docs.verdigris.co/reference/authentication).
//!
//! # Example
//!
//! ```
//! # use auth_core::{Error, Transport};
//! use auth_core::Secret;
//! use auth_tower::AuthLayer;
//! use auth_verdigris::Verdigris;
//! use tower::ServiceBuilder;
//!
//! # fn stack<S>(http: S, transport: impl Transport) -> Result<(), Error> {
//! let secret = Secret::new("fake-client-secret");
//! let authenticator = Verdigris::builder("my-client-id", secret, transport).build()?;
//! let client = ServiceBuilder::new().layer(AuthLayer::new(authenticator)).service(http);
//! // GET https://api.verdigris.co/core/v1/buildings/ now goes out signed.
//! # Ok(())
//! # }
//! ```
//!
//! # What is where
//!
//! | you want to | see |
//! |---|---|
//! | sign requests to Verdigris | [`Verdigris::builder`] |
//! | another endpoint, audience, a JSON body | [`VerdigrisBuilder`] |
//! | another quota or policy, a store, a clock | [`VerdigrisBuilder::options`] |
//! | use the older data API, which refuses tokens by a 404 | [`LegacyRefusalLayer`] |
//!
//! # What to know about the vendor
//!
//! - **Quota.** The quota belongs to the client, not to the process, and tokens count until they
//!   expire. The default keeps one process within the quota. Processes that share a
//!   [store](auth_core::AuthenticatorOptions::store) share the token and the quota. Without a
//!   store, divide the quota among the processes
//!   ([`AuthenticatorOptions::quota`](auth_core::AuthenticatorOptions::quota)); each start of a
//!   process takes a token, which short-lived jobs should not. Over quota is answered 429 or 400,
//!   depending on the page one reads; both are taken for it unless the reply has a standard OAuth
//!   `error` code or is an HTML page with 400, and end up as
//!   [`ErrorKind::Quota`](auth_core::ErrorKind::Quota). Without `Retry-After` the next token
//!   request comes after 30 minutes.
//! - **Wrong secret.** A client secret that the vendor rejected is sent again once per probe
//!   interval of the policy (default: 5 minutes), or as soon as the secret changes.
//! - **Rate.** The API allows 5 requests per second and resource, and answers 429 beyond. That has
//!   nothing to do with tokens, and is returned as it is.
//! - **Scope.** A token reply lists its scopes over several lines; they end up separated by single
//!   spaces.
//!
//! # Cargo features
//!
//! `fake`: the module `fake`, the vendor as a server inside a test; for `[dev-dependencies]` only.
//! Supported Rust: see `rust-version` in the manifest.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod config;
#[cfg(feature = "fake")]
pub mod fake;
mod legacy;

pub use config::{Verdigris, VerdigrisBuilder};
pub use legacy::{LegacyFuture, LegacyRefusal, LegacyRefusalLayer, PeekedBody};

/// The program of the README compiles.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
