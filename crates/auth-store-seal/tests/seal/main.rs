//! The content of a store with sealed tokens, and the effects of a hostile store.

#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod contract;
mod damage;
mod keys;
mod layout;
mod names;
mod requests;
mod rotation;
mod secrecy;
mod support;
