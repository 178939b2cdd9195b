//! What a store has of tokens when they are sealed, and what comes of whatever it does with it.

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
