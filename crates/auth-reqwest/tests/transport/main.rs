//! The guarantees of the transport, against servers on loopback whose answers each test writes.

#![allow(clippy::unwrap_used, reason = "a panic fails the test")]

mod deadline;
mod errors;
mod hardening;
mod logs;
mod outcomes;
mod proxies;
mod reply;
mod server;
mod tls;
