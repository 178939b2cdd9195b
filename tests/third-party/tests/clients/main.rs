//! The layer in clients of other projects. Each accepts it as any tower layer, and contains nothing
//! about tokens.

#![allow(clippy::unwrap_used, reason = "a panic fails the test")]

mod github;
mod kubernetes;
mod vendor;
