//! G18: no byte of a secret in any `Debug`, `Display`, error chain, span or event.
//!
//! Secrets that look like nothing else are planted wherever the crates take one, and where a vendor
//! may echo one; then everything that the crates say is searched for them, in all the forms in
//! which secrets get into logs.

#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod debug;
mod echoes;
mod errors;
mod logs;
mod observed;
mod planted;
mod refresh;
mod seal;
mod settings;
mod store;
mod wire;
