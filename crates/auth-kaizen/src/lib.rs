//! Authentication for the Kaizen API of CopperTree Analytics
//! (<https://www.coppertreeanalytics.com>).
//!
//! Kaizen reads buildings; Kayzen, one letter away, sells advertisements and is another vendor.
//!
//! The vendor runs two servers, [`Central`] and [`East`], each with its own client ids, secrets and
//! tokens, and hands out tokens for 30 days by the client credentials grant. This crate knows the
//! endpoints of both, and keeps the two apart: the server is part of the type, a token goes to its
//! own server alone, and no setting of one leads to the other. Client id and secret come from the
//! vendor's customer service.
//!
//! # Example
//!
//! ```
//! # use auth_core::{Error, Transport};
//! use auth_core::Secret;
//! use auth_kaizen::{Central, Kaizen};
//! use auth_tower::AuthLayer;
//! use tower::ServiceBuilder;
//!
//! # fn stack<S>(http: S, transport: impl Transport) -> Result<(), Error> {
//! let secret = Secret::new("fake-client-secret");
//! let kaizen = Kaizen::<Central>::builder("my-client-id", secret, transport).build()?;
//! let client = ServiceBuilder::new().layer(AuthLayer::new(kaizen.into())).service(http);
//! // GET https://kaizen.coppertreeanalytics.com/api/v3/buildings now goes out signed.
//! # Ok(())
//! # }
//! ```
//!
//! # What is where
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
//! - **Two servers.** In errors and logs they are `kaizen central` and `kaizen east`.
//! - **Lifetime.** A token lives for 30 days, so a process that runs on renews the token every
//!   three to four weeks. Without a [store](auth_core::AuthenticatorOptions::store), each start of
//!   a process takes a token of its own.
//! - **Wrong secret.** A client secret that the vendor rejected is sent again once per probe
//!   interval of the policy (default: 5 minutes), or as soon as the secret changes.
//! - **Audience.** `audience=organize` is deprecated since July 2023. It goes to a
//!   [`LegacyEndpoint`] alone.
//!
//! # Cargo features
//!
//! `fake`: the module `fake`, the vendor as a server inside a test; for `[dev-dependencies]` only.
//! Supported Rust: see `rust-version` in the manifest.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod config;
#[cfg(feature = "fake")]
pub mod fake;
mod kaizen;
mod legacy;
mod region;

pub use config::KaizenBuilder;
pub use kaizen::Kaizen;
pub use legacy::LegacyEndpoint;
pub use region::{Central, East, Region, RegionName};

/// The program of the README compiles.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
