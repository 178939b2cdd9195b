//! What `AuthLayer` promises, through its public interface and under virtual time.

#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod bodies;
mod cancel;
mod cold;
mod errors;
mod existing;
mod guard;

mod keyed;
mod min_lifetime;
mod origin;
mod outcome;
mod promises;
mod replay;
mod stacks;
mod support;
mod warm;
