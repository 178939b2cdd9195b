//! Layers of tower and tower-http above and below `AuthLayer`, in common stacks.
//!
//! At the bottom of each stack is a probe that panics if it is called without being ready, and
//! whose clones are not ready. Stacks of limits, buffers and timeouts are tested with the layer
//! (`crates/auth-tower/tests/layer/stacks.rs`), redirects in `tests/redirect`. This test contains
//! the others, and clients that also send the token requests.

#![allow(clippy::unwrap_used, reason = "a panic fails the test")]

mod balance;
mod http_layers;
mod own_client;
mod retry;
#[path = "../../crates/auth-tower/tests/layer/support.rs"]
#[allow(dead_code, reason = "shared with the layer's own tests")]
mod support;
mod twice;
