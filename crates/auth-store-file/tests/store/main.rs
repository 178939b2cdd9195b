//! What one machine's processes find in a directory, whatever happened to it before.

#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod clock;
mod contract;
mod damage;
mod lease;
mod lock;
mod permissions;
#[cfg(unix)]
mod processes;
mod requests;
mod temporary;
