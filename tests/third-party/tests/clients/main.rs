//! The layer inside clients of other people: each takes it as any tower layer, and knows nothing of
//! tokens.

#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod github;
mod kubernetes;
mod vendor;
