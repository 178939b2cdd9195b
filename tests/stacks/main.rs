//! Stacks that compile, and mistakes of which the compiler says what to do.
#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod compiling;
mod mistakes;
