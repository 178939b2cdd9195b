//! What the vendor documents, against a fake of it in memory.

#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod mfa;
mod rows;
mod settings;
mod support;
mod wire;
