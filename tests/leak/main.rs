//! G18: no byte of a secret in any `Debug`, `Display`, error chain, span or event.
//!
//! Unique secrets are planted wherever the crates take one, and wherever a vendor may echo one.
//! Then all output of the crates is searched for them, in all forms in which secrets get into logs.

#![allow(clippy::unwrap_used, reason = "a panic fails the test")]

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
