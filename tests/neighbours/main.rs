//! Tower's and tower-http's layers above and below ours, in the stacks that people build.
//!
//! At the bottom of each lies a probe that panics when it is called without having been made ready,
//! and whose clones are not ready. Stacks of limits, buffers and timeouts are tested where the
//! layer is (`crates/auth-tower/tests/layer/stacks.rs`), redirects in `tests/redirect`; here are
//! the others, and what they share with the token call.

#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod balance;
mod http_layers;
mod own_client;
mod retry;
#[path = "../../crates/auth-tower/tests/layer/support.rs"]
#[allow(dead_code, reason = "shared with the layer's own tests")]
mod support;
mod twice;
