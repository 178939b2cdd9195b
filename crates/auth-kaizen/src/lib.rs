//! Authentication for the Kaizen API of CopperTree Analytics
//! (<https://www.coppertreeanalytics.com>).
//!
//! Kaizen reads buildings. Kayzen, one letter away, sells advertisements and is another vendor.
//!
//! The vendor runs two servers, [`Central`] and [`East`]. Each has its own client ids, secrets and
//! tokens, and issues tokens for 30 days by the client credentials grant. This crate knows the
//! endpoints of both. The server is part of the type: a token is sent only to its own server, and
//! settings of one server are refused by the other. Client id and secret come from the vendor's
//! customer service.
//!
//! The terms of these pages are defined in the glossary of [`auth_core`](auth_core#glossary).
//!
//! All guides, in reading order: [Guides](https://docs.rs/auth-core/latest/auth_core/_documentation/).
//!
//! # Example
//!
//! ```
//! use auth_core::{Error, Secret, Transport};
//! use auth_kaizen::{Central, Kaizen};
//! use auth_tower::{Auth, AuthLayer};
//! use tower::ServiceBuilder;
//!
//! fn stack<S: Clone>(http: S, transport: impl Transport) -> Result<Auth<S>, Error> {
//!     let secret = Secret::new("fake-client-secret");
//!     let kaizen = Kaizen::<Central>::builder("my-client-id", secret, transport).build()?;
//!     // Then GET https://kaizen.coppertreeanalytics.com/api/v3/buildings goes out signed.
//!     Ok(ServiceBuilder::new().layer(AuthLayer::new(kaizen)).service(http))
//! }
//! ```
//!
//! # Overview
//!
//! | you want to | see |
//! |---|---|
//! | sign requests to Kaizen | [`Kaizen::builder`] |
//! | another endpoint | [`KaizenBuilder`] |
//! | another policy, a store, a clock | [`KaizenBuilder::options`] |
//! | read the scope that was granted | [`Kaizen::granted_scope`] |
//! | the endpoints of the two servers | [`Region`], [`Central`], [`East`] |
//! | read the server's name from a configuration | [`RegionName`] |
//! | ask a token endpoint from before July 2023 | [`LegacyEndpoint`] |
//!
//! # What to know about the vendor
//!
//! - **Two servers.** Errors and logs name them `kaizen central` and `kaizen east`.
//! - **Lifetime.** A token is valid for 30 days, so a process that keeps running renews the token
//!   every three to four weeks. Without a [store](auth_core::AuthenticatorOptions::store), each
//!   start of a process requests a token.
//! - **Wrong secret.** A client secret that the vendor rejected is sent again once per probe
//!   interval of the policy (default: 5 minutes), or as soon as the secret changes.
//! - **Audience.** `audience=organize` is deprecated since July 2023. It is sent only to a
//!   [`LegacyEndpoint`].
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
mod kaizen;
mod legacy;
mod region;

pub use config::KaizenBuilder;
#[cfg(feature = "serde")]
pub use from_file::KaizenSettings;
pub use kaizen::Kaizen;
pub use legacy::LegacyEndpoint;
pub use region::{Central, East, Region, RegionName};

/// The program of the README compiles.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
