//! The store in one machine's processes, after all kinds of damage.

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
