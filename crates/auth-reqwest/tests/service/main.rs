//! What the tower service promises, against servers on loopback.

#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod errors;
mod proxies;
mod redirects;
mod requests;
mod support;
mod tls;
