//! Guides for programs that send their requests with reqwest.

/// Signs the first request: with the crate reqwest-middleware, and with reqwest below tower.
///
#[doc = include_str!("_documentation/getting_started.md")]
pub mod getting_started {}

/// Trusts a private certificate authority, sends a client certificate, and goes through a proxy.
///
#[doc = include_str!("_documentation/tls_and_proxies.md")]
pub mod tls_and_proxies {}
