//! The guarantees of `AuthLayer`, tested through its public interface and under virtual time.

#![allow(clippy::unwrap_used, reason = "a panic fails the test")]

mod bodies;
mod cancel;
mod cold;
mod errors;
mod existing;
mod guard;
mod host;
mod keyed;
mod many_headers;
mod min_lifetime;
mod not_sent;
mod origin;
mod outcome;
mod promises;
mod redirected;
mod replay;
mod scope;
mod spare;
mod stacks;
mod support;
mod visible;
mod warm;
