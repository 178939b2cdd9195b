//! Guides for programs that send their requests with reqwest.

/// Signs the first request: with the crate reqwest-middleware, and with reqwest below tower.
///
#[doc = include_str!("_documentation/getting_started.md")]
pub mod getting_started {}
