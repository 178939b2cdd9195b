//! Stacks that compile, and mistakes for which the compiler says what to do.
#![allow(clippy::unwrap_used, reason = "a panic fails the test")]

mod compiling;
mod mistakes;
