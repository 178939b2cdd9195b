//! The guarantees of the tower service, against servers on loopback.

#![allow(clippy::unwrap_used, reason = "a panic fails the test")]

mod errors;
mod proxies;
mod redirects;
mod requests;
mod support;
mod tls;
