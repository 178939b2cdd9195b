//! What the transport promises, against servers on loopback that are played by hand.

#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod deadline;
mod errors;
mod hardening;
mod logs;
mod outcomes;
mod proxies;
mod reply;
mod server;
mod tls;
