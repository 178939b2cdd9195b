//! Authentication for the Verdigris API (<https://verdigris.co>).
//!
//! The vendor issues tokens for an hour by the client credentials grant, at most 20 per hour and
//! client. A client that requests more gets no token for the rest of the hour. This crate knows the
//! endpoints, the audience, the quota and the vendor's answers when the quota is used up. One
//! [`Authenticator`](auth_core::Authenticator) keeps one token for all requests of a process. The
//! vendor's page: [authentication](https://docs.verdigris.co/reference/authentication).
//!
//! The terms of these pages are defined in the glossary of [`auth_core`](auth_core#glossary).
//!
//! All guides, in reading order: [Guides](https://docs.rs/auth-core/latest/auth_core/_documentation/).
//!
//! # Example
//!
//! ```
//! use auth_core::{Error, Secret, Transport};
//! use auth_tower::{Auth, AuthLayer};
//! use auth_verdigris::Verdigris;
//! use tower::ServiceBuilder;
//!
//! fn stack<S: Clone>(http: S, transport: impl Transport) -> Result<Auth<S>, Error> {
//!     let secret = Secret::new("fake-client-secret");
//!     let authenticator = Verdigris::builder("my-client-id", secret, transport).build()?;
//!     // Then GET https://api.verdigris.co/core/v1/buildings/ goes out signed.
//!     Ok(ServiceBuilder::new().layer(AuthLayer::new(authenticator)).service(http))
//! }
//! ```
//!
//! # Overview
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
//! - **Quota.** The quota belongs to the client, not to the process. A token is counted until it
//!   expires. The default keeps one process within the quota. Processes that share a
//!   [store](auth_core::AuthenticatorOptions::store) share the token and the quota. Without a
//!   store, divide the quota among the processes
//!   ([`AuthenticatorOptions::quota`](auth_core::AuthenticatorOptions::quota)). Each start of a
//!   process without a store requests a token; use a store for jobs that start often. The vendor's
//!   pages document 429 and 400 for a used-up quota. Both end as
//!   [`ErrorKind::Quota`](auth_core::ErrorKind::Quota), except a reply with a standard OAuth
//!   `error` code and an HTML page with 400. Without `Retry-After` the next token request is sent
//!   after 30 minutes.
//! - **Wrong secret.** A client secret that the vendor rejected is sent again once per probe
//!   interval of the policy (default: 5 minutes), or as soon as the secret changes.
//! - **Rate.** The API allows 5 requests per second and resource, and answers 429 to more. This
//!   does not concern tokens: the response is returned unchanged.
//! - **Scope.** A token reply lists its scopes on several lines.
//!   [`Token::granted_scope`](auth_core::Token::granted_scope) separates them by single spaces.
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
mod legacy;

pub use config::{Verdigris, VerdigrisBuilder};
#[cfg(feature = "serde")]
pub use from_file::VerdigrisSettings;
pub use legacy::{LegacyFuture, LegacyRefusal, LegacyRefusalLayer, PeekedBody};

/// The program of the README compiles.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
